# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which networks, or single addresses, the pods of a node have, by what tells of them.

What a node's plugins really did shows in its routes, so these are held against whatever else is chosen. This plugin
util is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import HostFact, Route, Subnet
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.nodes import Node
from ansible_collections.wirewright.overlay.plugins.plugin_utils.prefix_index import PrefixIndex

AUTO, INVENTORY, KUBERNETES, CNI, ROUTES = "auto", "inventory", "kubernetes", "cni", "routes"
# `auto` takes the first of these, in this order, that tells of any.
SOURCES = (INVENTORY, KUBERNETES, CNI, ROUTES)

# Devices whose connected network is that of the node's pods: bridges, and what stands for one.
_POD_BRIDGE = re.compile(r"(cni\d+|cbr\d+|kube-bridge|cilium_host|antrea-gw\d+|ovn-k8s-mp\d+)\Z")
# Devices that lead to one pod each: of Calico; of plugins that make plain pairs; of Cilium, Azure, Amazon and Google.
_POD_LINK = re.compile(r"(cali|veth|lxc|azv|eni|gke)[0-9a-z]*\Z")
# By whom a block of Calico's leads nowhere, but for the addresses in it that are in use: Felix (80) and BIRD (12).
_BLOCK_PROTOCOLS = (80, 12)
# By the type of a plugin, the devices that it makes for pods.
_PLUGIN_LINKS = {
    "aws-cni": "eni*",
    "azure-vnet": "azv*",
    "calico": "cali*",
    "cilium-cni": "lxc*",
    "ptp": "veth*",
}
_DEFAULT_BRIDGE = "cni0"
# Calico's own address management gives blocks to nodes, and takes no notice of spec.podCIDRs.
_IGNORES_POD_CIDRS = "calico-ipam"
_USE_POD_CIDR = "usePodCidr"
# Podman keeps its own networks, the same on every host, in the directory that is meant for the kubelet.
_PODMAN_BRIDGE = re.compile(r"cni-podman\d+\Z")
_NAMED = 6
_MOST_OF_A_RANGE = 64


@dataclass(frozen=True)
class PodCidrs:
    """What the pods of a node have. source: which told; detail: where exactly; doubts: what else says otherwise."""

    cidrs: tuple[Prefix, ...]
    source: str
    detail: str
    doubts: tuple[str, ...] = ()


class Told(NamedTuple):
    """What pod CIDRs are found from. node_why: why there is no node."""

    inventory: tuple[Prefix, ...]
    node: Node | None
    node_why: str
    fact: HostFact | None


class _Answer(NamedTuple):
    """What one source says: prefixes and where from, or none and why."""

    cidrs: tuple[Prefix, ...]
    detail: str


def find(source: str, told: Told) -> PodCidrs | str:
    """Return the pod CIDRs of a node by a source, or why there are none, with what to write instead."""
    if source == AUTO:
        return _first_that_tells(told)
    answer = _ask(source, told)
    if not answer.cidrs:
        return f"{source}: {answer.detail}"
    # Chosen by hand, it is held against what is really there alone.
    return _found(source, {source: answer, ROUTES: _ask(ROUTES, told)})


def _first_that_tells(told: Told) -> PodCidrs | str:
    answers = {name: _ask(name, told) for name in SOURCES}
    unused = answers[KUBERNETES].cidrs
    if unused and told.fact is not None and any(plugin.ipam == _IGNORES_POD_CIDRS for plugin in told.fact.plugins):
        answers[KUBERNETES] = _Answer((), f"{_IGNORES_POD_CIDRS} gives out other addresses than {_shown(unused)}")
    for name, answer in answers.items():
        if answer.cidrs:
            return _found(name, answers)
    reasons = [f"{name}: {answer.detail}" for name, answer in answers.items()]
    return f"nothing tells of its pods; {'; '.join(reasons)}; write its pods' networks"


def _found(source: str, answers: Mapping[str, _Answer]) -> PodCidrs:
    chosen = answers[source]
    return PodCidrs(chosen.cidrs, source, chosen.detail, tuple(_doubts(chosen, answers)))


def _doubts(chosen: _Answer, answers: Mapping[str, _Answer]) -> Iterator[str]:
    """Yield a text for each source that tells of pods outside of what was chosen."""
    for name, answer in answers.items():
        left_out = [cidr for cidr in answer.cidrs if not any(taken.contains(cidr) for taken in chosen.cidrs)]
        if left_out:
            yield (
                f"{chosen.detail} gives {_shown(chosen.cidrs)}, but {answer.detail} gives {_shown(left_out)}, which "
                f"is left out; write {name} as source, or all of its networks"
            )


def _ask(source: str, told: Told) -> _Answer:
    if source == INVENTORY:
        return _Answer(told.inventory, "the inventory" if told.inventory else "the inventory names none")
    if source == KUBERNETES:
        return _of_kubernetes(told.node, told.node_why)
    if told.fact is None:
        return _Answer((), "the host was not heard from")
    return _of_cni(told.fact, told.node) if source == CNI else _of_routes(told.fact)


def _of_kubernetes(node: Node | None, why: str) -> _Answer:
    if node is None:
        return _Answer((), why)
    # Cilium writes which networks it really uses, where it is told to annotate nodes.
    for prefix in ("network.cilium.io/", "io.cilium.network."):
        own = [node.annotations.get(f"{prefix}{family}-pod-cidr", "") for family in ("ipv4", "ipv6")]
        cidrs = _parsed(own)
        if cidrs:
            return _Answer(cidrs, f"the annotation {prefix}ipv4-pod-cidr of node {node.name!r}")
    cidrs = _parsed(node.pod_cidrs)
    if cidrs:
        return _Answer(cidrs, f"node {node.name!r}")
    return _Answer((), f"node {node.name!r} has no spec.podCIDRs, as where pods have addresses of the nodes' network")


def _of_cni(fact: HostFact, node: Node | None) -> _Answer:
    if fact.flannel_subnets:
        return _Answer(tuple(address.network for address in fact.flannel_subnets), "flannel's subnet.env")
    if not fact.cni_file:
        notes = f" ({'; '.join(fact.notes[:3])})" if fact.notes else ""
        return _Answer((), f"the host has no configuration of network plugins{notes}")
    if any(_PODMAN_BRIDGE.match(plugin.bridge) for plugin in fact.plugins):
        return _Answer((), f"{fact.cni_file} is of podman, and no other plugin is configured")
    cidrs: dict[Prefix, None] = {}
    for plugin in fact.plugins:
        for subnet in plugin.subnets:
            of_node = node.pod_cidrs if node is not None else ()
            given = of_node if subnet.subnet == _USE_POD_CIDR else _given_out(subnet)
            cidrs.update(dict.fromkeys(_parsed(given)))
    if cidrs:
        return _Answer(tuple(cidrs), fact.cni_file)
    types = ", ".join(dict.fromkeys(plugin.type for plugin in fact.plugins))
    return _Answer((), f"{fact.cni_file} ({types}) names no subnet")


def _given_out(subnet: Subnet) -> list[str]:
    """Return the prefixes that make up what a plugin gives out: the subnet, or the range in it."""
    if not subnet.range_start or not subnet.range_end:
        return [subnet.subnet]
    try:
        first, last = (ipaddress.ip_address(text) for text in (subnet.range_start, subnet.range_end))
        found = [str(part) for part in ipaddress.summarize_address_range(first, last)]  # type: ignore[type-var]
    except (ValueError, TypeError):
        return [subnet.subnet]
    return found if len(found) <= _MOST_OF_A_RANGE else [subnet.subnet]


def _of_routes(fact: HostFact) -> _Answer:
    bridges = pod_bridges(fact)
    networks = [route.destination for route in fact.routes if _is_pod_network(route, bridges)]
    known = PrefixIndex((network, True) for network in networks)
    outside = [
        route.destination
        for route in fact.routes
        if _is_single_pod(route) and not known.exact(route.destination) and not known.around(route.destination)
    ]
    found = tuple(sorted({network for network in networks if not known.around(network)} | set(outside)))
    if found:
        return _Answer(found, "the host's routing table")
    return _Answer((), "no route of the host leads to pods of its own (they appear with the first pod)")


def pod_bridges(fact: HostFact) -> frozenset[str]:
    """Return the devices of a node whose connected network is that of its pods."""
    configured = {name for plugin in fact.plugins for name in _configured_bridges(plugin.type, plugin.bridge)}
    present = {interface.name for interface in fact.interfaces if not interface.ours}
    return frozenset(configured | {name for name in present if _POD_BRIDGE.match(name)})


def pod_interfaces(fact: HostFact | None) -> tuple[str, ...]:
    """Return the devices that pods are behind, as names and patterns (``cali*``) that stay when pods come and go."""
    if fact is None:
        return ()
    found = set(pod_bridges(fact))
    found.update(_PLUGIN_LINKS[plugin.type] for plugin in fact.plugins if plugin.type in _PLUGIN_LINKS)
    for route in fact.routes:
        link = _POD_LINK.match(route.interface)
        if link and _is_single_pod(route):
            found.add(f"{link[1]}*")
    return tuple(sorted(found))


def _configured_bridges(kind: str, bridge: str) -> list[str]:
    # flannel's plugin calls the bridge plugin.
    if kind in ("bridge", "flannel") and not _PODMAN_BRIDGE.match(bridge):
        return [bridge or _DEFAULT_BRIDGE]
    return []


def _is_pod_network(route: Route, bridges: frozenset[str]) -> bool:
    if route.type == "blackhole":
        return route.protocol in _BLOCK_PROTOCOLS
    return route.type == "unicast" and route.interface in bridges and not _is_single(route.destination)


def _is_single_pod(route: Route) -> bool:
    return route.type == "unicast" and _is_single(route.destination) and _POD_LINK.match(route.interface) is not None


def _is_single(prefix: Prefix) -> bool:
    return prefix.length == len(prefix.packed) * 8


def gateways(cidrs: Sequence[Prefix], fact: HostFact | None) -> dict[int, str]:
    """Return by family (4, 6) the node's own address inside its pod CIDRs, which its packets to other pods come from.

    A bridge's before that of a tunnel, which has a single one.
    """
    found: dict[int, tuple[bool, int, str]] = {}
    for interface in fact.interfaces if fact is not None else ():
        if interface.ours or not interface.up:
            continue
        for own in interface.addresses:
            if _is_single_in(own.host, cidrs):
                rank = (
                    _is_single(own.network),
                    interface.number,
                    str(own).partition("/")[0],
                )
                family = 4 if own.family == socket.AF_INET else 6
                found[family] = min(found.get(family, rank), rank)
    return {family: rank[-1] for family, rank in sorted(found.items())}


def _is_single_in(address: Prefix, cidrs: Sequence[Prefix]) -> bool:
    return any(cidr.contains(address) and not _is_single(cidr) for cidr in cidrs)


def _parsed(texts: Iterable[str]) -> tuple[Prefix, ...]:
    found: dict[Prefix, None] = {}
    for text in texts:
        try:
            found.setdefault(parse_prefix(text))
        except ValueError:
            continue
    return tuple(found)


def _shown(cidrs: Sequence[Prefix]) -> str:
    more = f" and {len(cidrs) - _NAMED} more" if len(cidrs) > _NAMED else ""
    return ", ".join(map(str, cidrs[:_NAMED])) + more
