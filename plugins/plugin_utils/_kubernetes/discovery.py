# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the node address and pod CIDRs of a host of the inventory.

The planner calls `discover` for each host, and `shared_nodes` for all hosts. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...module_utils._ip.prefix import Address, Prefix, parse_prefix
from .._problems import Problem, host_list
from . import node_address, pod_cidrs
from .host_fact import AF, HostFact, read_fact
from .node_address import FurtherAddress, NodeAddress, further
from .nodes import Cluster, HostNames, Node, match

FAMILIES = (4, 6)
PREFIX = "node_encryption_"
_NO_CLUSTER = "the list of the cluster's nodes is missing"


@dataclass(frozen=True)
class DiscoverySettings:
    """Settings of a host in the inventory.

    node_ip: its addresses, at most one of each family; node_ip_detection: method for families without node_ip;
    pod_cidr_source: "auto" or one of `pod_cidrs.SOURCES`; pod_cidrs: the source "inventory"; node_name: name of its node
    in the cluster, empty to match it.
    """

    node_ip: tuple[Address, ...] = ()
    node_ip_detection: str = node_address.KUBERNETES_INTERNAL_IP
    node_ip_families: tuple[int, ...] = (4,)
    pod_cidr_source: str = pod_cidrs.AUTO
    pod_cidrs: tuple[Prefix, ...] = ()
    node_name: str = ""
    ansible_host: str = ""


@dataclass(frozen=True)
class Discovery:
    """Result for one host.

    addresses: one per wanted family, if found. pod_cidrs: in the source's order; source: the source of them, empty if none;
    is_annotated: the source is an annotation, which a node writes itself. pod_gateways: by family (4, 6) its own address in
    its pod network, if any. pod_interfaces: names and patterns. node: name of its node in the cluster, empty if unknown.
    warnings: problems that do not prevent a plan. gateway_interfaces: those by which routes lead through other hosts.
    further: its other addresses. has_fact: whether the host reported facts.
    """

    addresses: tuple[NodeAddress, ...] = ()
    pod_cidrs: tuple[Prefix, ...] = ()
    source: str = ""
    pod_gateways: Mapping[int, Prefix] = field(default_factory=dict)
    pod_interfaces: tuple[str, ...] = ()
    node: str = ""
    warnings: tuple[Problem, ...] = ()
    gateway_interfaces: tuple[str, ...] = ()
    further: tuple[FurtherAddress, ...] = ()
    has_fact: bool = False
    is_annotated: bool = False


def discover(
    name: str,
    settings: DiscoverySettings,
    fact: Mapping[str, Any] | None,
    cluster: Cluster | None,
    prefix: str = PREFIX,
    absence: str = "is unreachable",
) -> tuple[Discovery, tuple[Problem, ...]]:
    """Return the discovery of a host and its problems.

    fact: the fact of `overlay_prepare`, None for an absent host: its problems are warnings then, because it must not block the
    planning of the others. cluster: None without a list of nodes. absence: why there is no fact, after the name of the host.
    """
    host = read_fact(fact)
    node = _node(name, settings, host, cluster)
    problems: list[Problem] = []
    found: list[Problem] = []
    if isinstance(node, str) and settings.node_name and cluster is not None:
        problems.append(Problem(name, prefix + "node_name", node))
    known, why = (node, "") if isinstance(node, Node) else (None, node)
    addresses = _addresses(
        name, settings, node_address.Inputs(host, known, why, settings.ansible_host, absence), prefix, found
    )
    pods = _pods(name, settings, pod_cidrs.Inputs(settings.pod_cidrs, known, why, host, absence), prefix, found)
    cidrs = pods.cidrs if pods else ()
    if pods is not None and pods.source == pod_cidrs.INVENTORY:
        found += _misplaced(name, addresses, cidrs, prefix)
    warnings = [Problem(name, prefix + "pod_cidr_source", doubt) for doubt in (pods.doubts if pods else ())]
    # Report one mistake once.
    found = [problem for problem in found if not problems or why not in problem.text]
    (warnings if host is None else problems).extend(found)
    discovery = Discovery(
        addresses=tuple(addresses),
        pod_cidrs=cidrs,
        source=pods.source if pods else "",
        pod_gateways=pod_cidrs.gateways(cidrs, host),
        pod_interfaces=pod_cidrs.pod_interfaces(host),
        node=known.name if known else "",
        warnings=tuple(warnings),
        gateway_interfaces=host.gateway_interfaces if host is not None else (),
        further=tuple(further(host, [entry.address for entry in addresses], settings.node_ip_families)) if host else (),
        has_fact=host is not None,
        is_annotated=bool(pods and pods.is_annotated),
    )
    return discovery, tuple(problems)


def shared_nodes(discoveries: Mapping[str, Discovery], prefix: str = PREFIX) -> tuple[Problem, ...]:
    """Return a problem for each host that matches the same node of the cluster as another host."""
    hosts: dict[str, list[str]] = {}
    for name, discovery in discoveries.items():
        if discovery.node:
            hosts.setdefault(discovery.node, []).append(name)
    return tuple(
        Problem(
            name,
            prefix + "node_name",
            f"the hosts {host_list(names)} all match the node {node!r}; set the node of each of them",
        )
        for node, names in hosts.items()
        if len(names) > 1
        for name in names
    )


def _node(name: str, settings: DiscoverySettings, host: HostFact | None, cluster: Cluster | None) -> Node | str:
    if cluster is None:
        return f"{_NO_CLUSTER}; configure how to get it, or set another source"
    own = [own.host for entry in (host.interfaces if host else ()) if not entry.managed for own in entry.addresses]
    own += [address.host for address in settings.node_ip]
    with suppress(ValueError):
        own.append(parse_prefix(settings.ansible_host))
    names = HostNames(name, settings.node_name, host.nodename if host else "", tuple(dict.fromkeys(own)))
    return match(cluster, names)


def _addresses(
    name: str, settings: DiscoverySettings, inputs: node_address.Inputs, prefix: str, problems: list[Problem]
) -> list[NodeAddress]:
    try:
        method = node_address.parse_method(settings.node_ip_detection)
    except ValueError as error:
        problems.append(Problem(name, prefix + "node_ip_detection", str(error)))
        return []
    addresses = []
    for family in settings.node_ip_families:
        written = next((own for own in settings.node_ip if own.family == AF[family]), None)
        variable = "node_ip" if written else "node_ip_detection"
        found = (
            node_address.explicit(written, family, inputs.fact)
            if written
            else node_address.detect(method, family, inputs)
        )
        if isinstance(found, NodeAddress):
            addresses.append(found)
        else:
            problems.append(Problem(name, prefix + variable, found))
    return addresses


def _pods(
    name: str, settings: DiscoverySettings, inputs: pod_cidrs.Inputs, prefix: str, problems: list[Problem]
) -> pod_cidrs.PodCidrs | None:
    found = pod_cidrs.find(settings.pod_cidr_source, inputs)
    if isinstance(found, str):
        variable = "pod_cidrs" if settings.pod_cidr_source == pod_cidrs.INVENTORY else "pod_cidr_source"
        problems.append(Problem(name, prefix + variable, found))
        return None
    return found


def _misplaced(name: str, addresses: list[NodeAddress], cidrs: tuple[Prefix, ...], prefix: str) -> list[Problem]:
    """Return a problem for each node address inside the pod network of the inventory, which is routed into the tunnel."""
    return [
        Problem(
            name,
            prefix + "node_ip_detection",
            f"{entry.address.bare} ({entry.interface or 'unknown interface'}) is inside {cidr}, the node's own pod network; "
            "set its address in the nodes' network, or another detection method",
        )
        for entry in addresses
        for cidr in cidrs
        if cidr.contains(entry.address)
    ]
