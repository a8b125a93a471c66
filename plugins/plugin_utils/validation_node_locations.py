# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on locations of nodes: who leads them, and how the other nodes reach that one.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import read_fact
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import node_locations
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_profiles import OVERLAY
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_settings import LOCATION

if TYPE_CHECKING:
    from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_encryption import NodeFleet


def violations(nodes: NodeFleet) -> Iterator[Problem]:
    """Yield what is wrong with locations."""
    members = [member for member in nodes.fleet.resolved if nodes.extras[member.name].enabled]
    locations: dict[str, list[Member]] = {}
    for member in members:
        extra = nodes.extras[member.name]
        if extra.granularity == LOCATION:
            yield from _refused(nodes, member)
        if extra.location:
            locations.setdefault(extra.location, []).append(member)
        elif extra.is_leader:
            text = "the node has no location that it could lead; write one, or leave this out"
            yield Problem(member.name, nodes.fleet.prefix + "location_leader", text)
    addresses = [
        (mate.name, location, parse_prefix(own.address))
        for location, mates in sorted(locations.items())
        for mate in mates
        for own in nodes.discoveries[mate.name].addresses
    ]
    for location, mates in locations.items():
        yield from _leader(nodes, location, mates)
        for mate in mates:
            yield from _gateway(nodes, mate)
            yield from _overlap(nodes, mate, addresses)


def _refused(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    """Yield what does not go with locations."""
    extra, prefix = nodes.extras[member.name], nodes.fleet.prefix
    if extra.profile != OVERLAY:
        text = f"{extra.profile} has no locations; write overlay, or set {prefix}granularity to full"
        yield Problem(member.name, prefix + "profile", text)
    if extra.strict:
        text = (
            "what a leader has decrypted is plain text to the other nodes of its location, and they cannot tell it from "
            f"any other; leave this out, or set {prefix}granularity to full"
        )
        yield Problem(member.name, prefix + "strict", text)


def _leader(nodes: NodeFleet, location: str, mates: list[Member]) -> Iterator[Problem]:
    variable = nodes.fleet.prefix + "location_leader"
    named = [mate for mate in mates if nodes.extras[mate.name].is_leader]
    if len(named) > 1:
        text = f"{host_list([mate.name for mate in named])} all lead the location {location!r}; name one of them"
        yield from (Problem(mate.name, variable, text) for mate in named)
    cure = f"write {nodes.fleet.prefix}endpoint, or name another leader"
    for mate in mates:
        if nodes.leaders[mate.name] == mate.name and mate.observation is not None and not mate.endpoints:
            text = (
                f"the node leads the location {location!r}, and the leaders of others do not know where it is; {cure}"
            )
            yield Problem(mate.name, variable, text)
    reached = [mate.name for mate in mates if _is_reached(nodes, mate.name)]
    in_use = any(
        node_locations.gateways_in_use(nodes.inputs[name].fact or {}, nodes.extras[name].table) for name in reached
    )
    if reached and not in_use and not nodes.leaders[mates[0].name]:
        text = f"no node of the location {location!r} can be called; write {nodes.fleet.prefix}endpoint for one of them"
        yield Problem(reached[0], variable, text)


def _gateway(nodes: NodeFleet, mate: Member) -> Iterator[Problem]:
    """Yield why a node cannot send by way of its leader: that is not on a network of its own."""
    leader, fact = nodes.leaders[mate.name], nodes.inputs[mate.name].fact
    if leader in ("", mate.name) or fact is None:
        return
    variable = nodes.fleet.prefix + "location"
    addresses = {parse_prefix(own.address).family: own.address for own in nodes.discoveries[leader].addresses}
    known = node_locations.on_link(fact, addresses.values())
    cure = "nodes of a location share one; write another location"
    for address in addresses.values():
        if address not in known:
            text = f"{address} of the leader {leader!r} is in no network of this node's interfaces; {cure}"
            yield Problem(mate.name, variable, text)
    own_families = {parse_prefix(own.address).family for own in nodes.discoveries[mate.name].addresses}
    if addresses and own_families - addresses.keys():
        text = f"the leader {leader!r} has no address of each family that this node has; name another leader"
        yield Problem(mate.name, variable, f"{text}, or write {nodes.fleet.prefix}node_ip for it")


def _overlap(nodes: NodeFleet, mate: Member, addresses: Iterable[tuple[str, str, Prefix]]) -> Iterator[Problem]:
    """Yield nodes of other locations that are in a network of this one: a location of a network is one."""
    own = nodes.extras[mate.name].location
    host = read_fact(nodes.inputs[mate.name].fact)
    held = [host.holder_of(parse_prefix(one.address)) for one in nodes.discoveries[mate.name].addresses] if host else []
    networks = [found[1].network for found in held if found is not None]
    for name, location, address in addresses:
        for network in networks:
            if location != own and network.contains(address):
                text = (
                    f"{str(address).partition('/')[0]} of {name!r} in {location!r} is in {network}, a network of {own!r}; "
                    "write one location for both, or give them networks of their own"
                )
                yield Problem(mate.name, nodes.fleet.prefix + "location", text)


def _is_reached(nodes: NodeFleet, name: str) -> bool:
    return nodes.inputs[name].reached and nodes.inputs[name].fact is not None
