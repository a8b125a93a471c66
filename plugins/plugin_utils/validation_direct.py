# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on direct tunnels between spokes.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_fleet import HubSpokeFleet
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_settings import HubSpokeSettings

# Pairs grow with the square of the spokes, and each costs both ends a packet every 25 seconds.
MOST_PARTNERS = 100


def violations(fleet: HubSpokeFleet, revoked: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with direct tunnels. revoked: names, of which nothing is said."""
    spokes = {spoke.name: fleet.extras[spoke.name] for spoke in fleet.spokes}
    wanting = {name: extras for name, extras in spokes.items() if extras.direct}
    if not wanting:
        return
    yield from _isolation(fleet, wanting)
    yield from _devices(fleet, wanting)
    yield from _partners(fleet, spokes.keys() | set(revoked), wanting)


def _isolation(fleet: HubSpokeFleet, wanting: Mapping[str, HubSpokeSettings]) -> Iterator[Problem]:
    if any(fleet.extras[hub].isolate for hub in fleet.hubs):
        text = f"spokes are isolated, so they cannot talk directly; set this to false, or {fleet.prefix}isolate"
        yield from (Problem(name, fleet.prefix + "direct", text) for name in wanting)


def _devices(fleet: HubSpokeFleet, wanting: Mapping[str, HubSpokeSettings]) -> Iterator[Problem]:
    variable = fleet.prefix + "direct_interface"
    names = sorted({extras.direct_interface for extras in wanting.values()})
    if len(names) > 1:
        text = f"spokes have {' and '.join(names)}; say the same for all"
        yield from (Problem(name, variable, text) for name in wanting)
    for hub in fleet.hub_members:
        if hub.settings.interface in names:
            text = f"{hub.settings.interface} leads to hub {hub.name!r}; direct tunnels need an interface of their own"
            yield from (Problem(name, variable, text) for name in wanting)
    for name, extras in wanting.items():
        if extras.own_key_file:
            text = "direct tunnels need a device with a key of its own; leave this out, and each device makes one"
            yield Problem(name, fleet.prefix + "private_key_file", text)


def _partners(
    fleet: HubSpokeFleet, known: Collection[str], wanting: Mapping[str, HubSpokeSettings]
) -> Iterator[Problem]:
    variable = fleet.prefix + "direct"
    named = {name: extras.direct for name, extras in wanting.items() if isinstance(extras.direct, Sequence)}
    for name, partners in named.items():
        strangers = [partner for partner in partners if partner not in known]
        if strangers:
            text = f"{host_list(strangers)} is no spoke; name spokes, or write groups as '{{{{ groups.NAME }}}}'"
            yield Problem(name, variable, text)
    for name, number in _numbers(wanting, named).items():
        if number > MOST_PARTNERS:
            text = (
                f"this makes {number} direct tunnels, and {MOST_PARTNERS} is the most for one spoke; "
                "list those that it talks to most"
            )
            yield Problem(name, variable, text)


def _numbers(wanting: Mapping[str, HubSpokeSettings], named: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return how many direct tunnels each spoke would have at most, without looking at every pair."""
    for_all = len(wanting) - len(named)
    by_list = Counter(partner for name, partners in named.items() for partner in partners if partner != name)
    found = {}
    for name in wanting:
        if name in named:
            others = (other for other in named[name] if other != name and other in wanting)
            found[name] = sum(1 for other in others if other not in named or name in named[other])
        else:
            found[name] = for_all - 1 + by_list[name]
    return found
