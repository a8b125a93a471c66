# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on spokes that send everything through their hubs.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.full_tunnel import exits, families, noted
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_fleet import HubSpokeFleet
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput

_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def full_tunnel_violations(fleet: HubSpokeFleet, inputs: Mapping[str, HostInput]) -> Iterator[Problem]:
    """Yield what keeps spokes from sending everything through hubs."""
    for hub in fleet.hub_members:
        if fleet.extras[hub.name].full_tunnel.wanted:
            text = "a hub is the way out for others; set this for spokes"
            yield Problem(hub.name, f"{fleet.prefix}full_tunnel", text)
    for spoke in _wanting(fleet):
        yield from _without_exit(fleet, spoke)
        settings, before = fleet.extras[spoke.name].full_tunnel, noted(inputs[spoke.name])
        for variable, now, then in zip(("table", "priority"), settings[1:], before or ()):
            if now != then:
                text = f"the host has {then}, and {now} is wanted; set full_tunnel to false, run, and then change it"
                yield Problem(spoke.name, f"{fleet.prefix}full_tunnel_{variable}", text)


def full_tunnel_advice(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield the hubs through which a spoke gets less than through others, and networks without a way back."""
    for spoke in _wanting(fleet):
        there = exits(fleet, spoke)
        lacking = [hub.name for hub in fleet.hub_members if hub.resolved and hub.name not in there]
        if there and lacking:
            text = (
                f"{host_list(lacking)} would not forward for this spoke, and lead to the overlay only; "
                f"while no other hub answers, the rest is not reached; set {fleet.prefix}masquerade there"
            )
            yield Problem(spoke.name, f"{fleet.prefix}full_tunnel", text)
        for site in spoke.settings.networks:
            hidden = [name for name in there if any(p.contains(site) for p in fleet.extras[name].masquerade)]
            if there and not hidden and any(fleet.extras[name].masquerade for name in there):
                text = (
                    f"{site} is sent through the hubs too, and none masquerades it; list it in {fleet.prefix}masquerade"
                )
                yield Problem(spoke.name, f"{fleet.prefix}networks", text)


def _wanting(fleet: HubSpokeFleet) -> Iterator[Member]:
    return (spoke for spoke in fleet.spokes if spoke.resolved and fleet.extras[spoke.name].full_tunnel.wanted)


def _without_exit(fleet: HubSpokeFleet, spoke: Member) -> Iterator[Problem]:
    taken = {kind for kinds in exits(fleet, spoke).values() for kind in kinds}
    for kind in families(spoke):
        if fleet.hubs and kind not in taken:
            text = (
                f"no hub would forward its {_FAMILIES[kind]} packets and get the answers; set {fleet.prefix}masquerade "
                f"to true for a hub, or {fleet.prefix}forward to true where the network behind it knows the overlay"
            )
            yield Problem(spoke.name, f"{fleet.prefix}full_tunnel", text)
