# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on networks that nodes have by themselves: routes to the pods of other nodes take none.

A rule selects the table with these routes before the main table. So a network of pods also takes a LAN that it only
contains, whatever the lengths and metrics. The profile cilium is not concerned: its rule selects marked packets.

Pod networks inside a LAN are left to the network plugin, which has routes for them too. Networks in `extra_allowed_ips`
are not.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .....module_utils._ip.prefix import Prefix
from ...._kubernetes.discovery import Discovery
from ...._prefix_index import PrefixIndex
from ...._problems import Problem, agree, host_list
from ...fleet.member import Member
from ...fleet.network_routes import NetworkRoute
from ...fleet.observation import Observation, cached_peers
from ..claims import GIVEN, REPORTED, Claim, is_stored, pod_rank
from ..profiles import CILIUM
from .fleet import NodeFleet


class _Routed(NamedTuple):
    """A network behind a node, and the variable that has it."""

    prefix: Prefix
    node: str
    variable: str


def violations(
    nodes: NodeFleet,
    own_routes: Mapping[str, Sequence[NetworkRoute]],
    observations: Mapping[str, Observation],
) -> tuple[list[Problem], dict[str, str]]:
    """Return the networks behind nodes that conflict with a network that another node is connected to, as problems.

    A pod network that a node claims, and no other node has stored, is refused for that node alone: the second result has the
    reason by node. own_routes: by node, without those of the plan's own interfaces.
    """
    routed = list(_routed(nodes))
    index = PrefixIndex((one.prefix, one) for one in routed)
    extra = PrefixIndex((one.prefix, one) for one in routed if one.variable == "extra_allowed_ips")
    conflicts: dict[tuple[_Routed, NetworkRoute], list[str]] = {}
    for member in nodes.fleet.resolved:
        settings = nodes.node_settings[member.name]
        if not settings.enabled or settings.profile == CILIUM:
            continue
        for route in own_routes.get(member.name, ()):
            if route.is_connected and not _is_left_out(nodes, member, route.destination):
                for one in _around(index, extra, route.destination):
                    excluded = any(cidr.contains(one.prefix) for cidr in settings.exclude_cidrs)
                    if one.node != member.name and not excluded:
                        conflicts.setdefault((one, route), []).append(member.name)
    prefix = nodes.fleet.prefix
    problems: list[Problem] = []
    refused: dict[str, str] = {}
    claimed = {
        one
        for one, _route in conflicts
        if one.variable == "pod_cidrs" and pod_rank(nodes.discoveries[one.node]) < GIVEN
    }
    stored = cached_peers(observations, {one.node for one in claimed})
    for (one, route), names in conflicts.items():
        kept = route.destination if one.prefix.contains(route.destination) else one.prefix
        hosts, by_itself = host_list(names), agree(names, "has by itself", "have by themselves")
        keep = agree(names, "is to keep its own", "are to keep their own")
        text = (
            f"{one.prefix} would take a network that {hosts} {by_itself}, {route.label}; use other addresses for one of "
            f"them, or, if {hosts} {keep}, add {kept} to {prefix}exclude_cidrs there"
        )
        if one in claimed and not is_stored(
            Claim(one.prefix, one.node, REPORTED), stored[one.node], (one.node, *names)
        ):
            refused.setdefault(one.node, text)
        else:
            problems.append(Problem(one.node, prefix + one.variable, text))
    return problems, refused


def pods_on_links(
    discoveries: Mapping[str, Discovery], own_routes: Mapping[str, Sequence[NetworkRoute]]
) -> dict[str, tuple[str, ...]]:
    """Return by node the interfaces in whose connected networks pods of other nodes are, as on AWS and Azure."""
    index = PrefixIndex((cidr, name) for name, found in sorted(discoveries.items()) for cidr in found.pod_cidrs)
    return {
        name: tuple(
            dict.fromkeys(
                route.interface
                for route in routes
                if route.is_connected and any(owner != name for owner in index.inside(route.destination))
            )
        )
        for name, routes in own_routes.items()
    }


def _routed(nodes: NodeFleet) -> Iterator[_Routed]:
    for name, found in sorted(nodes.discoveries.items()):
        yield from (_Routed(cidr, name, "pod_cidrs") for cidr in found.pod_cidrs)
    for member in nodes.fleet.resolved:
        for cidr in nodes.node_settings[member.name].extra_allowed_ips:
            yield _Routed(cidr, member.name, "extra_allowed_ips")


def _is_left_out(nodes: NodeFleet, member: Member, network: Prefix) -> bool:
    """Return whether the main table routes a network of a node: that of its own pods, or an excluded one."""
    left_out = (*nodes.discoveries[member.name].pod_cidrs, *nodes.node_settings[member.name].exclude_cidrs)
    return any(cidr.contains(network) for cidr in left_out)


def _around(index: PrefixIndex[_Routed], extra: PrefixIndex[_Routed], network: Prefix) -> Iterator[_Routed]:
    same, around = index.exact(network), index.around(network)
    yield from (one for one in (same, around[1] if around else None) if one is not None)
    yield from extra.inside(network)
