# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on networks that nodes exclude from encryption: they have no pods of nodes that encrypt.

A node sends plaintext to pods in its excluded networks, and receives encrypted packets from them. The source check or strict
encryption of the other node drops the plaintext, also if that node excludes the pods of the first one: replies of pods to
nodes are encrypted. A network that a node is connected to is an exception: the node is to reach its own network there, and
not the pods.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .....module_utils._ip.prefix import Prefix
from ...._prefix_index import PrefixIndex
from ...._problems import Problem, host_list
from ...fleet.network_routes import NetworkRoute
from .fleet import NodeFleet

_NAMED = 4


def violations(nodes: NodeFleet, own_routes: Mapping[str, Sequence[NetworkRoute]]) -> Iterator[Problem]:
    """Yield the excluded networks with pods of nodes that encrypt. own_routes: by node, those of its own to networks."""
    excluding = {
        member.name: nodes.node_settings[member.name].exclude_cidrs
        for member in nodes.fleet.resolved
        if nodes.node_settings[member.name].enabled
    }
    if not any(excluding.values()):
        return
    prefix = nodes.fleet.prefix
    pods = PrefixIndex((cidr, (cidr, name)) for name in excluding for cidr in nodes.discoveries[name].pod_cidrs)
    # Nodes often have the same ones.
    known = {excluded: list(_pods_in(excluded, pods)) for excluded in set(excluding.values())}
    for name, excluded in excluding.items():
        connected = [
            route.destination
            for route in own_routes.get(name, ())
            if route.is_connected and any(_overlap(route.destination, one) for one in excluded)
        ]
        others = [
            one
            for one in known[excluded]
            if one[1] != name and not any(one[0].contains(network) for network in connected)
        ]
        own = [cidr for cidr, owner in known[excluded] if owner == name]
        if others:
            whose = host_list({owner for _cidr, owner in others})
            cidrs = _listed(cidr for cidr, _owner in others)
            text = (
                f"{cidrs}, pods of {whose}, would be reached unencrypted, and answer encrypted, so packets would be lost; "
                f"remove it here, or set {prefix}enabled to false for one of the ends"
            )
            yield Problem(name, prefix + "exclude_cidrs", text)
        elif own and all(any(cidr.contains(network) for cidr in own) for network in connected):
            text = (
                f"{_listed(own)}, pods of this node, would stay encrypted, because other nodes send them encrypted packets; "
                f"remove it here, or, to leave them unencrypted, set {prefix}enabled to false for this host"
            )
            yield Problem(name, prefix + "exclude_cidrs", text)


def _pods_in(excluded: Iterable[Prefix], pods: PrefixIndex[tuple[Prefix, str]]) -> Iterator[tuple[Prefix, str]]:
    """Yield the pod networks that overlap excluded networks, each with its node."""
    for cidr in excluded:
        same, around = pods.exact(cidr), pods.around(cidr)
        yield from (one for one in (same, around[1] if around else None) if one is not None)
        yield from pods.inside(cidr)


def _listed(cidrs: Iterable[Prefix]) -> str:
    texts = list(dict.fromkeys(map(str, cidrs)))
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return ", ".join(texts[:_NAMED]) + more


def _overlap(one: Prefix, other: Prefix) -> bool:
    return one.contains(other) or other.contains(one)
