# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on direct tunnels between spokes.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from ...._problems import Problem, agree, host_list
from ..fleet import HubSpokeFleet
from ..settings import HubSpokeSettings

# The number of pairs is quadratic in the spokes, and each costs both ends a keepalive every 25 seconds.
MAX_PARTNERS = 100


def violations(fleet: HubSpokeFleet, revoked: Collection[str]) -> Iterator[Problem]:
    """Yield the problems of direct tunnels. revoked: names that may still be listed as partners."""
    spokes = {spoke.name: fleet.hub_spoke_settings[spoke.name] for spoke in fleet.spokes}
    wanting = {name: own for name, own in spokes.items() if own.direct}
    if not wanting:
        return
    yield from _isolation(fleet, wanting)
    yield from _devices(fleet, wanting)
    yield from _partners(fleet, spokes.keys() | set(revoked), wanting)


def _isolation(fleet: HubSpokeFleet, wanting: Mapping[str, HubSpokeSettings]) -> Iterator[Problem]:
    if any(fleet.hub_spoke_settings[hub].isolate for hub in fleet.hubs):
        text = f"spokes are isolated, so they can have no direct tunnels; set this or {fleet.prefix}isolate to false"
        yield from (Problem(name, fleet.prefix + "direct", text) for name in wanting)


def _devices(fleet: HubSpokeFleet, wanting: Mapping[str, HubSpokeSettings]) -> Iterator[Problem]:
    variable = fleet.prefix + "direct_interface"
    names = sorted({own.direct_interface for own in wanting.values()})
    if len(names) > 1:
        text = f"spokes have {' and '.join(names)}; set one name for all"
        yield from (Problem(name, variable, text) for name in wanting)
    for hub in fleet.hub_members:
        if hub.settings.interface in names:
            text = (
                f"{hub.settings.interface} leads to hub {hub.name!r}; set another name, direct tunnels need their own"
            )
            yield from (Problem(name, variable, text) for name in wanting)
    for name, own in wanting.items():
        if own.own_key_file:
            text = "direct tunnels need an interface with its own key; leave this unset, then each interface gets one"
            yield Problem(name, fleet.prefix + "private_key_file", text)


def _partners(
    fleet: HubSpokeFleet, spokes: Collection[str], wanting: Mapping[str, HubSpokeSettings]
) -> Iterator[Problem]:
    variable = fleet.prefix + "direct"
    named = {name: own.direct for name, own in wanting.items() if isinstance(own.direct, Sequence)}
    for name, partners in named.items():
        others = [partner for partner in partners if partner not in spokes]
        if others:
            found = f"{host_list(others)} {agree(others, 'is no spoke', 'are no spokes')}"
            text = f"{found}; list spokes, or write groups as '{{{{ groups.NAME }}}}'"
            yield Problem(name, variable, text)
    for name, number in _numbers(wanting, named).items():
        if number > MAX_PARTNERS:
            text = (
                f"this makes {number} direct tunnels, and a spoke can have at most {MAX_PARTNERS}; "
                "list the spokes with the most traffic"
            )
            yield Problem(name, variable, text)


def _numbers(wanting: Mapping[str, HubSpokeSettings], named: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the most direct tunnels that each spoke can have; linear in spokes and partners, not in pairs."""
    for_all = len(wanting) - len(named)
    lists = {name: frozenset(partners) for name, partners in named.items()}
    by_list = Counter(partner for name, partners in lists.items() for partner in partners if partner != name)
    found = {}
    for name in wanting:
        if name in lists:
            others = (other for other in lists[name] if other != name and other in wanting)
            found[name] = sum(1 for other in others if other not in lists or name in lists[other])
        else:
            found[name] = for_all - 1 + by_list[name]
    return found
