# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locations: nodes that share a network they trust, of which one, the leader, has the tunnels of all of them.

A node without a location is one of its own, and its own leader; without locations at all, every node is that.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import read_fact


class LocatedNode(NamedTuple):
    """What decides whether a node leads its location.

    is_named: whether the inventory says so. can_be_called: whether it has an endpoint. is_reached: whether this run speaks
    to it. has_device: whether it has the device now. addresses: its own. gateways: those by
    which it reaches other locations now. peers: the names of the nodes that it has tunnels to, as it remembers.
    """

    name: str
    location: str
    enabled: bool = True
    is_named: bool = False
    can_be_called: bool = True
    is_reached: bool = True
    has_device: bool = False
    addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    peers: frozenset[str] = frozenset()


def choose_leaders(nodes: Sequence[LocatedNode]) -> dict[str, str]:
    """Return the name of every node's leader, "" where its location has none.

    The one that the inventory names; else the one that most others use now, so that nothing moves because a node was
    not heard from; else the first by name that this run speaks to and that can be called.
    """
    members: dict[str, list[LocatedNode]] = {}
    for node in nodes:
        if node.location:
            members.setdefault(node.location, []).append(node)
    remembered = Counter(peer for node in nodes for peer in node.peers)
    found = {node.name: node.name for node in nodes}
    for mates in members.values():
        leader = _leader(mates, remembered)
        found.update((mate.name, leader) for mate in mates)
    return found


def _leader(mates: Sequence[LocatedNode], remembered: Mapping[str, int]) -> str:
    candidates = [node for node in mates if node.enabled]
    named = [node.name for node in candidates if node.is_named]
    if named:
        return min(named)
    used = Counter(address for mate in mates for address in mate.gateways)
    votes = {node.name: remembered.get(node.name, 0) + sum(used[own] for own in node.addresses) for node in candidates}
    in_use = [node for node in candidates if votes[node.name] or node.has_device]
    if in_use:
        return min((-votes[node.name], not node.has_device, node.name) for node in in_use)[2]
    if used:
        return ""  # a node of which nothing is known: what leads to it stays
    return min((node.name for node in candidates if node.can_be_called and node.is_reached), default="")


def gateways_in_use(fact: Mapping[str, Any], table: int) -> dict[str, str]:
    """Return the gateways in a table of ours as `overlay_facts` tells them, with the interfaces that lead there."""
    return {fields[2]: fields[1] for fields in table_lines(fact, table) if len(fields) == 3}


def table_lines(fact: Mapping[str, Any], table: int) -> list[list[str]]:
    """Return the fields of each route in a table as `overlay_facts` tells them: destination, way, and any gateway."""
    tables = fact.get("tables")
    text = tables.get(str(table)) if isinstance(tables, Mapping) else None
    lines = [line.split("\t") for line in text.split("\n")] if isinstance(text, str) else []
    return [
        fields for fields in lines if len(fields) in (2, 3) and _is_prefix(fields[0]) and _are_addresses(fields[2:])
    ]


def _are_addresses(texts: Iterable[str]) -> bool:
    return all("/" not in text and _is_prefix(text) for text in texts)


def _is_prefix(text: str) -> bool:
    try:
        parse_prefix(text)
    except ValueError:
        return False
    return True


def on_link(fact: Mapping[str, Any] | None, addresses: Iterable[str]) -> dict[str, str]:
    """Return those of some addresses that are in a network of one of a node's interfaces, with the interface's name."""
    host = read_fact(fact)
    interfaces = [one for one in host.interfaces if one.up and not one.ours] if host is not None else []
    found: dict[str, str] = {}
    for address in addresses:
        around = [
            (-own.length, interface.number, interface.name)
            for interface in interfaces
            for own in interface.addresses
            if own.network.contains(parse_prefix(address))
        ]
        if around:
            found[address] = min(around)[2]
    return found
