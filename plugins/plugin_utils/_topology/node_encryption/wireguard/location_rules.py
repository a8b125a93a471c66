# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on locations of nodes: their leaders, and how the other nodes reach them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from .....module_utils._ip.prefix import Prefix
from ...._kubernetes.host_fact import read_fact
from ...._prefix_index import PrefixIndex
from ...._problems import Problem, host_list
from ...fleet.member import Member
from .. import locations, node_fact
from ..inputs import is_reached
from ..profiles import OVERLAY
from ..settings import LOCATION
from .fleet import NodeFleet

_NAMED = 3  # locations that a problem names


def violations(nodes: NodeFleet) -> Iterator[Problem]:
    """Yield the problems of locations."""
    enabled = [member for member in nodes.fleet.resolved if nodes.node_settings[member.name].enabled]
    by_location: dict[str, list[Member]] = {}
    for member in enabled:
        settings = nodes.node_settings[member.name]
        if settings.granularity == LOCATION:
            yield from _refused(nodes, member)
        if settings.location:
            by_location.setdefault(settings.location, []).append(member)
        elif settings.is_leader:
            text = "the node leads a location, but has none; set one, or unset this variable"
            yield Problem(member.name, nodes.fleet.prefix + "location_leader", text)
    located = _Located(nodes, by_location)
    for location, members in by_location.items():
        yield from _leader(nodes, location, members)
        for member in members:
            yield from _gateway(nodes, member)
            yield from _overlap(nodes, member, located)


def _refused(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    """Yield the settings that cannot be combined with locations."""
    settings, prefix = nodes.node_settings[member.name], nodes.fleet.prefix
    if settings.profile != OVERLAY:
        text = f"{settings.profile} does not support locations; use overlay, or set {prefix}granularity to full"
        yield Problem(member.name, prefix + "profile", text)
    if settings.strict:
        text = (
            "packets that a leader has decrypted reach the other nodes of its location as plaintext, which strict encryption "
            f"would drop; unset this variable, or set {prefix}granularity to full"
        )
        yield Problem(member.name, prefix + "strict", text)


def _leader(nodes: NodeFleet, location: str, members: list[Member]) -> Iterator[Problem]:
    variable = nodes.fleet.prefix + "location_leader"
    named = [member for member in members if nodes.node_settings[member.name].is_leader]
    if len(named) > 1:
        text = f"{host_list([member.name for member in named])} all lead the location {location!r}; choose one of them"
        yield from (Problem(member.name, variable, text) for member in named)
    remedy = f"set {nodes.fleet.prefix}endpoint, or choose another leader"
    for member in members:
        if nodes.leaders[member.name] == member.name and member.observation is not None and not member.endpoints:
            text = f"the node leads the location {location!r}, and has no endpoint for the leaders of others; {remedy}"
            yield Problem(member.name, variable, text)
    reached = [member.name for member in members if is_reached(nodes.inputs[member.name])]
    in_use = any(
        node_fact.gateways_in_use(nodes.inputs[name].fact or {}, nodes.node_settings[name].table) for name in reached
    )
    if reached and not in_use and not nodes.leaders[members[0].name]:
        text = f"no node of the location {location!r} has a reachable endpoint; set {nodes.fleet.prefix}endpoint for one of them"
        yield Problem(reached[0], variable, text)


def _gateway(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    """Yield why a node cannot send through its leader, which must be in a network of the node's interfaces."""
    leader, fact = nodes.leaders[member.name], nodes.inputs[member.name].fact
    if leader in ("", member.name) or fact is None:
        return
    variable = nodes.fleet.prefix + "location"
    addresses = {own.family: own.address for own in nodes.discoveries[leader].addresses}
    known = locations.on_link(fact, addresses.values())
    remedy = "nodes of a location share a network; set another location"
    for address in addresses.values():
        if address not in known:
            text = f"{address.bare} of the leader {leader!r} is in no network of this node's interfaces; {remedy}"
            yield Problem(member.name, variable, text)
    own_families = {own.family for own in nodes.discoveries[member.name].addresses}
    if addresses and own_families - addresses.keys():
        text = f"the leader {leader!r} lacks an address of a family that this node has; choose another leader"
        yield Problem(member.name, variable, f"{text}, or set {nodes.fleet.prefix}node_ip for it")


class _Place(NamedTuple):
    """A node's address, and its location."""

    node: str
    location: str
    address: Prefix


class _Group(NamedTuple):
    """The nodes of one location in a network, as text, and their number."""

    text: str
    number: int


def _group(places: Sequence[_Place]) -> _Group:
    first, hidden = places[0], len(places) - 1
    more = f" and {hidden} more {'node' if hidden == 1 else 'nodes'}" if hidden else ""
    return _Group(f"{first.address.bare} of {first.node!r}{more} in {first.location!r}", len(places))


class _Located:
    """The addresses of all nodes with a location. A network is searched once for all nodes in it."""

    def __init__(self, nodes: NodeFleet, by_location: Mapping[str, Sequence[Member]]) -> None:
        self._index = PrefixIndex(
            (own.address, _Place(member.name, location, own.address))
            for location, members in sorted(by_location.items())
            for member in members
            for own in nodes.discoveries[member.name].addresses
        )
        self._known: dict[Prefix, dict[str, _Group]] = {}

    def in_network(self, network: Prefix) -> Mapping[str, _Group]:
        """Return the nodes with an address in a network, by location."""
        if network not in self._known:
            found: dict[str, dict[str, _Place]] = {}
            for place in self._index.inside(network):
                found.setdefault(place.location, {}).setdefault(place.node, place)
            self._known[network] = {location: _group(list(places.values())) for location, places in found.items()}
        return self._known[network]


def _overlap(nodes: NodeFleet, member: Member, located: _Located) -> Iterator[Problem]:
    """Yield the networks of this node with nodes of other locations: all nodes of a network share a location.

    The text is the same for all nodes of a location, so that they share a line, and of bounded length.
    """
    own = nodes.node_settings[member.name].location
    host = read_fact(nodes.inputs[member.name].fact)
    held = [host.holder_of(one.address) for one in nodes.discoveries[member.name].addresses] if host else []
    for network in [found[1].network for found in held if found is not None]:
        by_location = located.in_network(network)
        others = list(islice((group for location, group in by_location.items() if location != own), _NAMED))
        if others:
            hidden = len(by_location) - (own in by_location) - len(others)
            more = f", and nodes of {hidden} more {'location' if hidden == 1 else 'locations'}" if hidden else ""
            are = "are" if hidden or sum(group.number for group in others) > 1 else "is"
            text = (
                f"{', '.join(group.text for group in others)}{more} {are} in {network}, a network of {own!r}; "
                "set one location for all of them, or use separate networks"
            )
            yield Problem(member.name, nodes.fleet.prefix + "location", text)
