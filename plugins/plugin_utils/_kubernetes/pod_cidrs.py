# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the networks, or single addresses, of a node's pods from several sources.

Routes show the actual configuration of a node's plugins, so every other source is compared with them. This plugin util
is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...module_utils._ip.prefix import Prefix, parse_prefix
from .._prefix_index import PrefixIndex
from .host_fact import HostFact, Route, Subnet
from .nodes import Node

AUTO, INVENTORY, KUBERNETES, CNI, ROUTES = "auto", "inventory", "kubernetes", "cni", "routes"
# `auto` uses the first of these, in this order, that has a result.
SOURCES = (INVENTORY, KUBERNETES, CNI, ROUTES)

# Devices whose connected network is that of the node's pods: bridges and their equivalents.
_POD_BRIDGE = re.compile(r"(cni\d+|cbr\d+|kube-bridge|cilium_host|antrea-gw\d+|ovn-k8s-mp\d+)\Z")
# Devices of one pod each: of Calico; plain veth pairs; of Cilium, Azure, Amazon and Google.
_POD_LINK = re.compile(r"(cali|veth|lxc|azv|eni|gke)[0-9a-z]*\Z")
# Route protocols of Calico's blackhole routes for its blocks: Felix (80) and BIRD (12).
_BLOCK_PROTOCOLS = (80, 12)
# The devices of pods by type of plugin.
_PLUGIN_LINKS = {
    "aws-cni": "eni*",
    "azure-vnet": "azv*",
    "calico": "cali*",
    "cilium-cni": "lxc*",
    "ptp": "veth*",
}
_DEFAULT_BRIDGE = "cni0"
# Calico's IPAM assigns blocks to nodes and ignores spec.podCIDRs.
_IGNORES_POD_CIDRS = "calico-ipam"
_USE_POD_CIDR = "usePodCidr"
# Podman stores its own networks, the same on every host, in the kubelet's directory.
_PODMAN_BRIDGE = re.compile(r"cni-podman\d+\Z")
_NAMED = 6
_MOST_OF_A_RANGE = 64


@dataclass(frozen=True)
class PodCidrs:
    """Pod CIDRs of a node. detail: origin within the source; doubts: messages on sources that differ.

    is_annotated: whether they come from an annotation, which a node writes itself.
    """

    cidrs: tuple[Prefix, ...]
    source: str
    detail: str
    doubts: tuple[str, ...] = ()
    is_annotated: bool = False


class Inputs(NamedTuple):
    """Inputs of the sources. node_why: the reason if there is no node; absence: if there is no fact."""

    inventory: tuple[Prefix, ...]
    node: Node | None
    node_why: str
    fact: HostFact | None
    absence: str = "is unreachable"


class _Answer(NamedTuple):
    """Result of one source: prefixes and their origin, or none and the reason."""

    cidrs: tuple[Prefix, ...]
    detail: str
    is_annotated: bool = False


def find(source: str, inputs: Inputs) -> PodCidrs | str:
    """Return the pod CIDRs of a node by a source, or why there are none, with the remedy."""
    if source == AUTO:
        return _first_result(inputs)
    answer = _read(source, inputs)
    if not answer.cidrs:
        return f"{source}: {answer.detail}"
    # A source set in the inventory is compared with the routes only.
    return _found(source, {source: answer, ROUTES: _read(ROUTES, inputs)})


def _first_result(inputs: Inputs) -> PodCidrs | str:
    answers = {name: _read(name, inputs) for name in SOURCES}
    unused = answers[KUBERNETES].cidrs
    if unused and inputs.fact is not None and any(plugin.ipam == _IGNORES_POD_CIDRS for plugin in inputs.fact.plugins):
        answers[KUBERNETES] = _Answer((), f"{_IGNORES_POD_CIDRS} assigns other addresses than {_shown(unused)}")
    for name, answer in answers.items():
        if answer.cidrs:
            return _found(name, answers)
    reasons = [f"{name}: {answer.detail}" for name, answer in answers.items()]
    return f"no source has its pod networks; {'; '.join(reasons)}; set its pod networks"


def _found(source: str, answers: Mapping[str, _Answer]) -> PodCidrs:
    chosen = answers[source]
    return PodCidrs(chosen.cidrs, source, chosen.detail, tuple(_doubts(chosen, answers)), chosen.is_annotated)


def _doubts(chosen: _Answer, answers: Mapping[str, _Answer]) -> Iterator[str]:
    """Yield a message for each source with pods outside the chosen CIDRs."""
    for name, answer in answers.items():
        left_out = [cidr for cidr in answer.cidrs if not any(taken.contains(cidr) for taken in chosen.cidrs)]
        if left_out:
            yield (
                f"{chosen.detail} has {_shown(chosen.cidrs)}, but {answer.detail} has {_shown(left_out)}, which is left "
                f"out; set {name} as source, or all pod networks"
            )


def _read(source: str, inputs: Inputs) -> _Answer:
    if source == INVENTORY:
        return _Answer(inputs.inventory, "the inventory" if inputs.inventory else "the inventory has none")
    if source == KUBERNETES:
        return _of_kubernetes(inputs.node, inputs.node_why)
    if inputs.fact is None:
        return _Answer((), f"the host {inputs.absence}")
    return _of_cni(inputs.fact, inputs.node) if source == CNI else _of_routes(inputs.fact)


def _of_kubernetes(node: Node | None, why: str) -> _Answer:
    if node is None:
        return _Answer((), why)
    # If enabled, Cilium writes the networks it uses into annotations.
    for prefix in ("network.cilium.io/", "io.cilium.network."):
        own = [node.annotations.get(f"{prefix}{family}-pod-cidr", "") for family in ("ipv4", "ipv6")]
        cidrs = _parsed(own)
        if cidrs:
            return _Answer(cidrs, f"the annotation {prefix}ipv4-pod-cidr of node {node.name!r}", is_annotated=True)
    if node.pod_cidrs:
        return _Answer(node.pod_cidrs, f"node {node.name!r}")
    return _Answer((), f"node {node.name!r} has no spec.podCIDRs, for example if pods use the nodes' network")


def _of_cni(fact: HostFact, node: Node | None) -> _Answer:
    if fact.flannel_subnets:
        return _Answer(tuple(address.network for address in fact.flannel_subnets), "flannel's subnet.env")
    if not fact.cni_file:
        notes = f" ({'; '.join(fact.notes[:3])})" if fact.notes else ""
        return _Answer((), f"the host has no configuration of network plugins{notes}")
    if any(_PODMAN_BRIDGE.match(plugin.bridge) for plugin in fact.plugins):
        return _Answer((), f"{fact.cni_file} belongs to podman, and no other plugin is configured")
    cidrs: dict[Prefix, None] = {}
    for plugin in fact.plugins:
        for subnet in plugin.subnets:
            of_node = node.pod_cidrs if node is not None else ()
            given = of_node if subnet.subnet == _USE_POD_CIDR else _parsed(_given_out(subnet))
            cidrs.update(dict.fromkeys(given))
    if cidrs:
        return _Answer(tuple(cidrs), fact.cni_file)
    types = ", ".join(dict.fromkeys(plugin.type for plugin in fact.plugins))
    return _Answer((), f"{fact.cni_file} ({types}) has no subnet")


def _given_out(subnet: Subnet) -> list[str]:
    """Return the prefixes that a plugin assigns: the subnet, or the range in it."""
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
    return _Answer((), "no route of the host leads to its own pods (the first pod creates them)")


def pod_bridges(fact: HostFact) -> frozenset[str]:
    """Return the devices of a node whose connected network is that of its pods."""
    configured = {name for plugin in fact.plugins for name in _configured_bridges(plugin.type, plugin.bridge)}
    present = {interface.name for interface in fact.interfaces if not interface.managed}
    return frozenset(configured | {name for name in present if _POD_BRIDGE.match(name)})


def pod_interfaces(fact: HostFact | None) -> tuple[str, ...]:
    """Return the devices of pods, as names and patterns (``cali*``) that stay valid when pods come and go."""
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


def gateways(cidrs: Sequence[Prefix], fact: HostFact | None) -> dict[int, Prefix]:
    """Return by family (4, 6) the node's own address in its pod CIDRs, the source of its packets to other pods.

    The address of a bridge is preferred to that of a tunnel, which has a /32 or /128.
    """
    found: dict[int, tuple[bool, int, str, Prefix]] = {}
    for interface in fact.interfaces if fact is not None else ():
        if interface.managed or not interface.up:
            continue
        for own in interface.addresses:
            if _is_single_in(own.host, cidrs):
                rank = (_is_single(own.network), interface.number, own.bare, own.host)
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
