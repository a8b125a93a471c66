# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Warnings about preshared keys that a run removes or puts off. Pure.

They name no host of the run, so that Ansible, which prints a warning once, shows them once for all hosts.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..module_utils._interface.preshared_keys import PUT_OFF, REMOVED
from ._change_summary import ranges
from ._untrusted import list_of, mapping_of, text_of


def preshared_key_warnings(interfaces: Mapping[str, Any], members: Collection[str], variable: str) -> list[str]:
    """Return the warnings for the interfaces in a result of `overlay_apply`.

    members: names of hosts of the overlay; the preshared keys of other peers are in the inventory one by one. variable: the
    one that sets the master secret. With a master secret no member loses its preshared key.
    """
    found: dict[str, None] = {}
    for interface, values in interfaces.items():
        remarks = {kind: list(map(text_of, list_of(mapping_of(values).get(kind)))) for kind in (PUT_OFF, REMOVED)}
        if any(name in members for name in remarks[REMOVED]):
            found[_removed(variable)] = None
        if remarks[PUT_OFF]:
            found[_put_off(interface, remarks[PUT_OFF])] = None
    return list(found)


def _removed(variable: str) -> str:
    return (
        f"{variable} is not set, and tunnels between hosts of this run had preshared keys: these are removed on both ends. The "
        "tunnels stay encrypted, but only by the public keys. If this is not intended, set the variable to the secret that it "
        "had before (check that this run reads the file with it) and run again: both ends get the same preshared keys again"
    )


def _put_off(interface: str, names: list[str]) -> str:
    return (
        f"{interface}: the preshared keys of tunnels to {', '.join(ranges(names))} are put off, and the old ones stay: "
        "these hosts are not changed by this run; run both ends at once, without --limit and serial"
    )
