# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where one host of the inventory is as a Kubernetes node, and where its pods are.

The planner calls `discover` for each host, and `shared_nodes` for all of them. This plugin util is private to the
collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes import node_address, pod_cidrs
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import (
    AF,
    FAMILY_NAMES,
    HostFact,
    read_fact,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.node_address import NodeAddress
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.nodes import Cluster, HostNames, Node, match
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list

FAMILIES = (4, 6)
PREFIX = "node_encryption_"
_NO_CLUSTER = "nobody asked the cluster for its nodes"


@dataclass(frozen=True)
class DiscoverySettings:
    """What the inventory says of where a host is as a node.

    node_ip: its addresses, at most one of each family; node_ip_detection: how to find those that are not written;
    pod_cidr_source: "auto" or one of `pod_cidrs.SOURCES`; pod_cidrs: the source "inventory"; node_name: which node of
    the cluster it is, empty to find out.
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
    """What was found out of one host.

    addresses: one for each family that was asked for and found. pod_cidrs: as text, in the source's order; source:
    which source told of them, empty if none. pod_gateways: by family (4, 6) its own address among its pods, no entry
    where it has none. pod_interfaces: names and patterns. underlay_mtus: by "ipv4" and "ipv6". rp_filter: the sysctl's
    value of "all" and of the interface that has the IPv4 address. node: the name of the cluster's node that it is, empty
    if unknown. warnings: what is no error, but has to be said.
    """

    addresses: tuple[NodeAddress, ...] = ()
    pod_cidrs: tuple[str, ...] = ()
    source: str = ""
    pod_gateways: Mapping[int, str] = field(default_factory=dict)
    pod_interfaces: tuple[str, ...] = ()
    underlay_mtus: Mapping[str, int] = field(default_factory=dict)
    rp_filter: Mapping[str, int] = field(default_factory=dict)
    node: str = ""
    warnings: tuple[Problem, ...] = ()


def discover(
    name: str,
    settings: DiscoverySettings,
    fact: Mapping[str, Any] | None,
    cluster: Cluster | None,
    prefix: str = PREFIX,
) -> tuple[Discovery, tuple[Problem, ...]]:
    """Return what is known of a host, and what is wrong with it.

    fact: what `overlay_facts` returned, None where the host was not heard from: then what cannot be found out is only
    a warning, because a host that is down must not keep the others from being planned. cluster: None where nobody
    asked it.
    """
    host = read_fact(fact)
    node = _node(name, settings, host, cluster)
    problems: list[Problem] = []
    found: list[Problem] = []
    if isinstance(node, str) and settings.node_name and cluster is not None:
        problems.append(Problem(name, prefix + "node_name", node))
    known, why = (node, "") if isinstance(node, Node) else (None, node)
    addresses = _addresses(name, settings, node_address.Told(host, known, why, settings.ansible_host), prefix, found)
    pods = _pods(name, settings, pod_cidrs.Told(settings.pod_cidrs, known, why, host), prefix, found)
    cidrs = pods.cidrs if pods else ()
    found += _misplaced(name, addresses, cidrs, prefix)
    warnings = [Problem(name, prefix + "pod_cidr_source", doubt) for doubt in (pods.doubts if pods else ())]
    # One mistake is told once.
    found = [problem for problem in found if not problems or why not in problem.text]
    (warnings if host is None else problems).extend(found)
    discovery = Discovery(
        addresses=tuple(addresses),
        pod_cidrs=tuple(map(str, cidrs)),
        source=pods.source if pods else "",
        pod_gateways=pod_cidrs.gateways(cidrs, host),
        pod_interfaces=pod_cidrs.pod_interfaces(host),
        underlay_mtus={FAMILY_NAMES[entry.family]: entry.mtu for entry in addresses if entry.mtu is not None},
        rp_filter=_rp_filters(addresses, host),
        node=known.name if known else "",
        warnings=tuple(warnings),
    )
    return discovery, tuple(problems)


def shared_nodes(discoveries: Mapping[str, Discovery], prefix: str = PREFIX) -> tuple[Problem, ...]:
    """Return a problem for each host that was found to be the same node of the cluster as another one."""
    hosts: dict[str, list[str]] = {}
    for name, discovery in discoveries.items():
        if discovery.node:
            hosts.setdefault(discovery.node, []).append(name)
    return tuple(
        Problem(
            name,
            prefix + "node_name",
            f"the hosts {host_list(names)} are all taken for the node {node!r}; write which node each of them is",
        )
        for node, names in hosts.items()
        if len(names) > 1
        for name in names
    )


def _node(name: str, settings: DiscoverySettings, host: HostFact | None, cluster: Cluster | None) -> Node | str:
    if cluster is None:
        return f"{_NO_CLUSTER}; say how to ask it, or write another source"
    own = [own.host for entry in (host.interfaces if host else ()) if not entry.ours for own in entry.addresses]
    own += [address.host for address in settings.node_ip]
    with suppress(ValueError):
        own.append(parse_prefix(settings.ansible_host))
    names = HostNames(name, settings.node_name, host.nodename if host else "", tuple(dict.fromkeys(own)))
    return match(cluster, names)


def _addresses(
    name: str, settings: DiscoverySettings, told: node_address.Told, prefix: str, problems: list[Problem]
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
            node_address.explicit(written, family, told.fact) if written else node_address.detect(method, family, told)
        )
        if isinstance(found, NodeAddress):
            addresses.append(found)
        else:
            problems.append(Problem(name, prefix + variable, found))
    return addresses


def _pods(
    name: str, settings: DiscoverySettings, told: pod_cidrs.Told, prefix: str, problems: list[Problem]
) -> pod_cidrs.PodCidrs | None:
    found = pod_cidrs.find(settings.pod_cidr_source, told)
    if isinstance(found, str):
        variable = "pod_cidrs" if settings.pod_cidr_source == pod_cidrs.INVENTORY else "pod_cidr_source"
        problems.append(Problem(name, prefix + variable, found))
        return None
    return found


def _rp_filters(addresses: list[NodeAddress], host: HostFact | None) -> dict[str, int]:
    known = host.rp_filter if host is not None else {}
    names = ["all", *(entry.interface for entry in addresses if entry.family == 4)]
    return {name: known[name] for name in names if name in known}


def _misplaced(name: str, addresses: list[NodeAddress], cidrs: tuple[Prefix, ...], prefix: str) -> list[Problem]:
    """Return a problem for each node address that is one of its pods' network, whose way leads into the tunnel."""
    return [
        Problem(
            name,
            prefix + "node_ip_detection",
            f"{entry.address} ({entry.interface or 'unknown interface'}) is inside {cidr}, the node's own pod network; "
            "write its address in the nodes' network, or another way to detect it",
        )
        for entry in addresses
        for cidr in cidrs
        if cidr.contains(parse_prefix(entry.address))
    ]
