# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The nodes of a cluster as listed by its API server, and their match with hosts of the inventory.

Fields: Kubernetes API v1, Node; annotations of flannel, Calico and Cilium. This plugin util is private to the
collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...module_utils._ip.prefix import Prefix, parse_prefix
from .._problems import host_list
from .._untrusted import list_of, mapping_of
from .._variable_reader import shown

INTERNAL_IP, EXTERNAL_IP, HOSTNAME = "InternalIP", "ExternalIP", "Hostname"
# The annotations with addresses of a node or its pods. None of them is a secret.
ANNOTATIONS = (
    "flannel.alpha.coreos.com/backend-data",
    "flannel.alpha.coreos.com/backend-type",
    "flannel.alpha.coreos.com/public-ip",
    "flannel.alpha.coreos.com/public-ip-overwrite",
    "flannel.alpha.coreos.com/public-ipv6",
    "io.cilium.network.ipv4-pod-cidr",
    "io.cilium.network.ipv6-pod-cidr",
    "network.cilium.io/ipv4-pod-cidr",
    "network.cilium.io/ipv6-pod-cidr",
    "projectcalico.org/IPv4Address",
    "projectcalico.org/IPv4IPIPTunnelAddr",
    "projectcalico.org/IPv4VXLANTunnelAddr",
    "projectcalico.org/IPv4WireguardInterfaceAddr",
    "projectcalico.org/IPv6Address",
    "projectcalico.org/IPv6VXLANTunnelAddr",
)


@dataclass(frozen=True)
class Node:
    """One node. addresses: by type, in the server's order; pod_cidrs: those of spec.podCIDRs that are networks."""

    name: str
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pod_cidrs: tuple[Prefix, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def internal_ips(self) -> tuple[str, ...]:
        """Its InternalIPs, in the server's order."""
        return self.addresses.get(INTERNAL_IP, ())


@dataclass(frozen=True)
class Cluster:
    """All nodes by name, and the names of nodes by own address and by hostname; None if several nodes have it."""

    nodes: Mapping[str, Node]
    by_address: Mapping[Prefix, str | None]
    by_hostname: Mapping[str, str | None]


class HostNames(NamedTuple):
    """Names and addresses of a host, to match with nodes. node_name: name of its node as set in the inventory."""

    inventory_name: str
    node_name: str = ""
    nodename: str = ""
    addresses: tuple[Prefix, ...] = ()


def trimmed(document: object) -> list[dict[str, Any]]:
    """Return the nodes with the fields that `read_cluster` needs, in the format of the API.

    document: the output of ``kubectl get nodes -o json`` as text or parsed, the result of kubernetes.core.k8s_info, or a
    list of nodes. Raises ValueError for any other document.
    """
    return [_trimmed_node(entry) for entry in _items(document)]


def read_cluster(document: object) -> Cluster:
    """Return the nodes of a document in any format of `trimmed`. Raises ValueError for any other document."""
    nodes = {node.name: node for node in map(_node, _items(document)) if node.name}
    return Cluster(
        nodes,
        _unique(
            (address, node.name)
            for node in nodes.values()
            for kind in (INTERNAL_IP, EXTERNAL_IP)
            for address in _prefixes(node.addresses.get(kind, ()))
        ),
        _unique((name, node.name) for node in nodes.values() for name in _hostnames(node)),
    )


def match(cluster: Cluster, host: HostNames) -> Node | str:
    """Return the node that matches a host, or why none does, with the remedy.

    In this order: the node's name in the inventory; inventory name, nodename and their first labels among the nodes'
    names and hostnames; the host's addresses among the nodes'. A name and an address of different nodes are no match.
    """
    if host.node_name:
        found = cluster.nodes.get(host.node_name)
        if found:
            return found
        return f"the cluster has no node {host.node_name!r}; it has {host_list(cluster.nodes) or 'none'}"
    named = _by_name(cluster, host)
    addressed = _by_address(cluster, host)
    if named and addressed and named not in addressed:
        return (
            f"its name matches the node {named!r}, its addresses match {host_list(addressed)}; set the name of its node"
        )
    if named:
        return cluster.nodes[named]
    if len(addressed) == 1:
        return cluster.nodes[addressed.pop()]
    if addressed:
        return f"its addresses match the nodes {host_list(addressed)}; set the name of its node"
    return (
        "no node of the cluster has a name or an address of this host; set the name of its node, one of "
        f"{host_list(cluster.nodes) or 'none'}"
    )


def _by_name(cluster: Cluster, host: HostNames) -> str | None:
    names = [name.lower() for name in (host.inventory_name, host.nodename) if name]
    for name in [*names, *(name.partition(".")[0] for name in names if not _is_address(name))]:
        if name in cluster.nodes:
            return name
        if cluster.by_hostname.get(name):
            return cluster.by_hostname[name]
    return None


def _by_address(cluster: Cluster, host: HostNames) -> set[str]:
    found = (cluster.by_address.get(address) for address in host.addresses)
    return {name for name in found if name}


def _hostnames(node: Node) -> set[str]:
    names = {*node.addresses.get(HOSTNAME, ()), node.labels.get("kubernetes.io/hostname", ""), node.name}
    return {form for name in names if name for form in (name.lower(), name.lower().partition(".")[0])}


def _unique(entries: Iterable[tuple[Any, str]]) -> dict[Any, str | None]:
    found: dict[Any, str | None] = {}
    for key, name in entries:
        found[key] = name if found.get(key, name) == name else None
    return found


def _items(document: object) -> list[Mapping[str, Any]]:
    if isinstance(document, (str, bytes)):
        try:
            document = json.loads(document)
        except ValueError:
            raise ValueError(f"{shown(document)} is not JSON") from None
    if isinstance(document, Mapping):
        document = document.get("items", document.get("resources"))
    if not isinstance(document, list) or not all(isinstance(entry, Mapping) for entry in document):
        raise ValueError(
            "not a list of nodes; pass the output of `kubectl get nodes -o json` or the result of kubernetes.core.k8s_info"
        )
    return document


def _trimmed_node(entry: Mapping[str, Any]) -> dict[str, Any]:
    metadata, spec, status = (mapping_of(entry.get(part)) for part in ("metadata", "spec", "status"))
    annotations = mapping_of(metadata.get("annotations"))
    return {
        "metadata": {
            "name": metadata.get("name", ""),
            "labels": dict(mapping_of(metadata.get("labels"))),
            "annotations": {name: annotations[name] for name in ANNOTATIONS if name in annotations},
        },
        "spec": {name: spec[name] for name in ("podCIDR", "podCIDRs") if name in spec},
        "status": {"addresses": status.get("addresses", [])},
    }


def _node(entry: Mapping[str, Any]) -> Node:
    metadata, spec, status = (mapping_of(entry.get(part)) for part in ("metadata", "spec", "status"))
    addresses: dict[str, list[str]] = {}
    for address in map(mapping_of, list_of(status.get("addresses"))):
        addresses.setdefault(str(address.get("type")), []).append(str(address.get("address")))
    cidrs = list_of(spec.get("podCIDRs")) or [spec.get("podCIDR")]
    annotations = _texts(metadata.get("annotations"))
    return Node(
        str(metadata.get("name") or ""),
        {kind: tuple(found) for kind, found in addresses.items()},
        tuple(dict.fromkeys(_prefixes(str(cidr) for cidr in cidrs if cidr))),
        _texts(metadata.get("labels")),
        {name: annotations[name] for name in ANNOTATIONS if name in annotations},
    )


def _prefixes(texts: Iterable[str]) -> Iterator[Prefix]:
    for text in texts:
        try:
            yield parse_prefix(text)
        except ValueError:
            continue


def _is_address(text: str) -> bool:
    return any(True for _prefix in _prefixes([text]))


def _texts(value: object) -> dict[str, str]:
    return {str(name): text for name, text in mapping_of(value).items() if isinstance(text, str)}
