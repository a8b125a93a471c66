# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fact of a host after `overlay_apply`: that of `overlay_prepare`, and what the run changed.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..module_utils._wireguard.facts import bare_addresses
from ._untrusted import list_of, mapping_of


def facts_after(
    fact: Mapping[str, Any],
    changed: Mapping[str, Mapping[str, Any] | None],
    predicted: Mapping[str, Sequence[str] | None],
) -> dict[str, Any]:
    """Return the fact of a host after a run.

    changed: the facts of interfaces after it, None for a removed one. predicted: in check mode, the addresses of interfaces
    then, None for a removed one. Of a prediction only the addresses are kept: plans read the rest, and must not take it for
    what a host has.
    """
    after = dict(mapping_of(fact.get("interfaces")))
    for name, now in changed.items():
        before = mapping_of(after.pop(name, None))
        if now is not None:
            after[name] = {**before, **now}
    addresses: dict[str, Any] = {name: mapping_of(entry).get("addresses") for name, entry in after.items()}
    addresses.update(predicted)
    return {
        **fact,
        "interfaces": after,
        "addresses": bare_addresses({name: {"addresses": list_of(listed)} for name, listed in addresses.items()}),
    }


def predicted_addresses(interfaces: Iterable[Mapping[str, Any]]) -> dict[str, Sequence[str] | None]:
    """Return the addresses that interfaces of a document will have, None for one that is removed."""
    return {
        str(one.get("name")): None if one.get("state") == "absent" else list_of(one.get("addresses"))
        for one in interfaces
        if one.get("state") == "absent" or "addresses" in one
    }
