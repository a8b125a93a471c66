# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locations: nodes that share a trusted network, one of which, the leader, has the tunnels of all of them.

A node without a location is a location of its own, and its own leader. Without locations this is every node.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ....module_utils._ip.prefix import Prefix
from ..._kubernetes.host_fact import read_fact


class LocatedNode(NamedTuple):
    """The input of the choice of a location's leader.

    is_named: whether the inventory names it. has_endpoint: whether others can initiate a session with it. is_reached: whether
    it is in this run. has_device: whether it has the device now. addresses: its own. gateways: those that it uses now to reach
    other locations. peers: the names of the peers that it has recorded.
    """

    name: str
    location: str
    enabled: bool = True
    is_named: bool = False
    has_endpoint: bool = True
    is_reached: bool = True
    has_device: bool = False
    addresses: tuple[Prefix, ...] = ()
    gateways: tuple[Prefix, ...] = ()
    peers: frozenset[str] = frozenset()


def choose_leaders(nodes: Sequence[LocatedNode]) -> dict[str, str]:
    """Return the name of every node's leader, "" if its location has none.

    The leader is the one that the inventory names; else the one that most nodes use now, so that an unreachable node changes
    nothing; else the first by name that is in this run and has an endpoint.
    """
    members: dict[str, list[LocatedNode]] = {}
    for node in nodes:
        if node.location:
            members.setdefault(node.location, []).append(node)
    peer_counts = Counter(peer for node in nodes for peer in node.peers)
    found = {node.name: node.name for node in nodes}
    for located in members.values():
        leader = _leader(located, peer_counts)
        found.update((node.name, leader) for node in located)
    return found


def _leader(nodes: Sequence[LocatedNode], peer_counts: Mapping[str, int]) -> str:
    candidates = [node for node in nodes if node.enabled]
    named = [node.name for node in candidates if node.is_named]
    if named:
        return min(named)
    used = Counter(address for node in nodes for address in node.gateways)
    votes = {node.name: peer_counts.get(node.name, 0) + sum(used[own] for own in node.addresses) for node in candidates}
    in_use = [node for node in candidates if votes[node.name] or node.has_device]
    if in_use:
        return min((-votes[node.name], not node.has_device, node.name) for node in in_use)[2]
    if used:
        return ""  # an unreachable node leads; routes through it stay
    return min((node.name for node in candidates if node.has_endpoint and node.is_reached), default="")


def on_link(fact: Mapping[str, Any] | None, addresses: Iterable[Prefix]) -> dict[Prefix, str]:
    """Return the addresses that are in a network of one of a node's interfaces, with the interface name."""
    host = read_fact(fact)
    interfaces = [one for one in host.interfaces if one.up and not one.managed] if host is not None else []
    found: dict[Prefix, str] = {}
    for address in addresses:
        around = [
            (-own.length, interface.number, interface.name)
            for interface in interfaces
            for own in interface.addresses
            if own.network.contains(address)
        ]
        if around:
            found[address] = min(around)[2]
    return found
