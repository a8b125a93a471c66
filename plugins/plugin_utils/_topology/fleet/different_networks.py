# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rule that the hosts of an overlay have the same networks.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..._problems import Problem, host_list
from .member import Fleet, Member


def different_networks(fleet: Fleet, members: Iterable[Member]) -> Iterator[Problem]:
    """Yield the members if they do not all have the same networks of the overlay, whatever the order of these.

    Not if a network is refused: the hosts may have written the same.
    """
    hosts: dict[tuple[str, ...], list[str]] = {}
    for member in members:
        if "network" in member.settings.refused:
            return
        hosts.setdefault(tuple(sorted(map(str, member.settings.network))), []).append(member.name)
    if len(hosts) < 2:
        return
    words = "; ".join(f"{', '.join(networks) or 'none'} on {host_list(hosts[networks])}" for networks in sorted(hosts))
    text = f"all hosts need the same networks, but there are: {words}; set it once for all"
    for names in hosts.values():
        yield from (Problem(name, fleet.prefix + "network", text) for name in names)
