# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why hosts take no part in a run, in the words of messages: each with its own reason.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..._problems import host_list
from ..plan_model.fleet import Absence, HostInput


def by_absence(names: Iterable[str], inputs: Mapping[str, HostInput]) -> dict[Absence, list[str]]:
    """Return hosts by the reason why they take no part."""
    found: dict[Absence, list[str]] = {}
    for name in names:
        found.setdefault(inputs[name].absence, []).append(name)
    return found


def why_absent(names: Iterable[str], inputs: Mapping[str, HostInput]) -> str:
    """Return hosts with the reasons: "'h2' is unreachable, 'h3' failed earlier in this run"."""
    return ", ".join(f"{host_list(some)} {why.of(some)}" for why, some in by_absence(names, inputs).items())
