# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks that hubs and spokes have by themselves, and outer addresses inside networks that are routed into tunnels.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ....module_utils._ip.prefix import Prefix, masked
from ..._problems import Problem
from ..fleet import network_rules, outer_rules
from ..fleet.network_routes import NetworkRoute, network_routes
from .fleet import HubSpokeFleet
from .inputs import HubSpokeInputs
from .outer_addresses import outer_addresses

OwnRoutes = Mapping[str, Sequence[NetworkRoute]]


def own_routes(inputs: HubSpokeInputs) -> OwnRoutes:
    """Return the routes of each host by itself, without those through interfaces of the overlay."""
    return {
        name: network_routes(inputs.hosts[name].fact, {*inputs.planned_interfaces(name), *inputs.former[name]})
        for name in inputs.names
    }


def violations(inputs: HubSpokeInputs, fleet: HubSpokeFleet, own: OwnRoutes) -> Iterator[Problem]:
    """Yield routes that take a network of a host, and networks with the outer address of a spoke."""
    hubs, isolated = set(fleet.hubs), any(inputs.hub_spoke_settings[hub].isolate for hub in fleet.hubs)
    lowest = min((inputs.hub_spoke_settings[hub].priority for hub in hubs), default=0)
    yield from network_rules.violations(
        fleet.any_fleet,
        own,
        lambda member: 0 if member.name in hubs else lowest,
        lambda member, owner: not isolated or member.name in hubs or owner in hubs,
    )
    yield from outer_rules.violations(fleet.any_fleet, outer_addresses(inputs, fleet)[0], own)


def warnings(inputs: HubSpokeInputs, fleet: HubSpokeFleet, own: OwnRoutes) -> Iterator[Problem]:
    """Yield networks with an address of a spoke that may be its outer one."""
    yield from outer_rules.warnings(fleet.any_fleet, outer_addresses(inputs, fleet)[1], own)


def own_halves(fleet: HubSpokeFleet, own: OwnRoutes) -> dict[str, tuple[Prefix, ...]]:
    """Return by spoke the networks of its own that are half of a network behind another host.

    A direct tunnel routes the halves of a network (see `direct/document.py`). The spoke's own half needs no route, because
    it has a longer prefix than the network.
    """
    sites = {site: member.name for member in fleet.any_fleet.members for site in member.settings.networks}
    found = {}
    for spoke in fleet.spokes:
        destinations = dict.fromkeys(route.destination for route in own.get(spoke.name, ()))
        halves = [half for half in destinations if sites.get(_doubled(half), spoke.name) != spoke.name]
        if halves:
            found[spoke.name] = tuple(halves)
    return found


def _doubled(network: Prefix) -> Prefix:
    length = network.length - 1
    return Prefix(network.family, masked(network.packed, length), length)
