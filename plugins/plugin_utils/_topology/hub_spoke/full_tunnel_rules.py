# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on spokes that send all traffic through their hubs.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..._problems import Problem, agree, host_list
from ..fleet.member import Member
from ..plan_model.fleet import HostInput
from .fleet import HubSpokeFleet
from .full_tunnel import exits, families, noted, noted_elsewhere
from .rules import FAMILY_LABELS
from .settings import FULL_TUNNEL_PRIORITIES


def full_tunnel_violations(fleet: HubSpokeFleet, inputs: Mapping[str, HostInput]) -> Iterator[Problem]:
    """Yield the problems of spokes with a full tunnel."""
    for hub in fleet.hub_members:
        if fleet.hub_spoke_settings[hub.name].full_tunnel.wanted:
            text = "only spokes have a full tunnel; set this for spokes"
            yield Problem(hub.name, f"{fleet.prefix}full_tunnel", text)
    for spoke in _wanting(fleet):
        yield from _without_exit(fleet, spoke)
        yield from _numbers_of_others(fleet, spoke, inputs[spoke.name])
        settings = fleet.hub_spoke_settings[spoke.name].full_tunnel
        before = noted(inputs[spoke.name], fleet.foreign.get(spoke.name, ()))
        for variable, now, then in zip(("table", "priority"), settings[1:], before or ()):
            if now != then:
                text = f"{now} here, but {then} on the host; set {fleet.prefix}full_tunnel to false, run the role, then change it"
                yield Problem(spoke.name, f"{fleet.prefix}full_tunnel_{variable}", text)


def _numbers_of_others(fleet: HubSpokeFleet, spoke: Member, host: HostInput) -> Iterator[Problem]:
    """Yield the table and the priorities that a full tunnel of another overlay on this host has."""
    own, variable = fleet.hub_spoke_settings[spoke.name].full_tunnel, f"{fleet.prefix}full_tunnel"
    only = f"or set {variable} to true for one of the two overlays only"
    for interface, (table, priority, _mark) in noted_elsewhere(host, fleet.foreign.get(spoke.name, ())).items():
        if own.table == table:
            text = f"{table} is the table of the full tunnel of {interface!r}, which is of another overlay; set another number"
            yield Problem(spoke.name, f"{variable}_table", f"{text}, {only}")
        if abs(own.priority - priority) < FULL_TUNNEL_PRIORITIES:
            last = priority + FULL_TUNNEL_PRIORITIES - 1
            text = (
                f"the full tunnel of {interface!r}, which is of another overlay, has the priorities {priority} to {last}; set "
                f"{last + 1} or more"
            )
            yield Problem(spoke.name, f"{variable}_priority", f"{text}, {only}")


def full_tunnel_warnings(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield the hubs that do not forward all traffic of a spoke, and networks whose replies would not come back."""
    for spoke in _wanting(fleet):
        there = exits(fleet, spoke)
        lacking = [hub.name for hub in fleet.hub_members if hub.resolved and hub.name not in there]
        if there and lacking:
            hubs = f"{agree(lacking, 'hub', 'hubs')} {host_list(lacking)} {agree(lacking, 'forwards', 'forward')}"
            text = (
                f"{hubs} this spoke's traffic to the overlay only, so while no other hub is "
                f"alive, nothing else is reachable; set {fleet.prefix}masquerade there"
            )
            yield Problem(spoke.name, f"{fleet.prefix}full_tunnel", text)
        for site in spoke.settings.networks:
            hidden = [
                name for name in there if any(p.contains(site) for p in fleet.hub_spoke_settings[name].masquerade)
            ]
            if there and not hidden and any(fleet.hub_spoke_settings[name].masquerade for name in there):
                text = f"{site} is sent through the hubs too, and no hub masquerades it; list it in {fleet.prefix}masquerade"
                yield Problem(spoke.name, f"{fleet.prefix}networks", text)


def _wanting(fleet: HubSpokeFleet) -> Iterator[Member]:
    return (
        spoke for spoke in fleet.spokes if spoke.resolved and fleet.hub_spoke_settings[spoke.name].full_tunnel.wanted
    )


def _without_exit(fleet: HubSpokeFleet, spoke: Member) -> Iterator[Problem]:
    if any("network" in hub.settings.refused for hub in fleet.hub_members):
        return  # what a hub masquerades may be its network
    taken = {kind for kinds in exits(fleet, spoke).values() for kind in kinds}
    for kind in families(spoke):
        if fleet.hubs and kind not in taken:
            text = (
                f"no hub forwards its {FAMILY_LABELS[kind]} packets and gets the replies; set {fleet.prefix}masquerade to "
                f"true for a hub, or {fleet.prefix}forward to true if the network behind it has a route to the overlay"
            )
            yield Problem(spoke.name, f"{fleet.prefix}full_tunnel", text)
