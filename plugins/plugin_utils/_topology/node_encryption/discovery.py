# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses and pod networks of all nodes of a cluster, for each backend.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ..._kubernetes.discovery import Discovery, discover, shared_nodes
from ..._kubernetes.nodes import Cluster, Node, read_cluster
from ..._problems import Problem
from ..plan_model.fleet import HostInput
from .settings import NodeSettings


def with_one_cluster(hosts: Iterable[HostInput]) -> dict[str, HostInput]:
    """Return the hosts by name. A host without the cluster's node list, as outside of a limited run, gets that of another."""
    inputs = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    document = next((host.variables["nodes"] for host in inputs.values() if host.variables.get("nodes")), None)
    if document is None:
        return inputs
    return {
        name: host if host.variables.get("nodes") else host._replace(variables={**host.variables, "nodes": document})
        for name, host in inputs.items()
    }


class Discovered(NamedTuple):
    """The discovery of each node, and how the inventory fits the cluster's node list.

    unlisted: the nodes of the cluster that no host matches. all_match: whether every host matches one, so that these are
    certain. labels: by host, the label with which its node opts out of the encryption.
    """

    by_name: dict[str, Discovery]
    unlisted: tuple[Node, ...]
    all_match: bool
    labels: Mapping[str, str]


def discover_all(
    inputs: Mapping[str, HostInput], node_settings: Mapping[str, NodeSettings], prefix: str, problems: list[Problem]
) -> Discovered:
    """Return the discovery of each node, and append problems."""
    clusters = _Clusters(prefix, problems)
    discoveries: dict[str, Discovery] = {}
    labels: dict[str, str] = {}
    for name, host in inputs.items():
        settings = node_settings[name]
        cluster = clusters.read(name, settings.nodes)
        discoveries[name], found = discover(name, settings.discovery, host.fact, cluster, prefix, host.absence.words)
        node = cluster.nodes.get(discoveries[name].node) if cluster else None
        label = next((one for one in settings.opt_out_labels if node and _has_label(node, one)), "")
        if label:
            labels[name] = label
        if not host.unresolved:
            problems.extend(found)
    problems.extend(shared_nodes(discoveries, prefix))
    matched = {found.node for found in discoveries.values()}
    unlisted = tuple(node for name, node in sorted(clusters.nodes.items()) if name not in matched)
    return Discovered(discoveries, unlisted, "" not in matched, labels)


def _has_label(node: Node, label: str) -> bool:
    """Return whether a node has a label, `key` with any value or `key=value`."""
    key, equals, value = label.partition("=")
    return key in node.labels and (not equals or node.labels[key] == value)


def without_opted_out(node_settings: Mapping[str, NodeSettings], labels: Mapping[str, str]) -> dict[str, NodeSettings]:
    """Return the settings of nodes; those that opt out by a label are not enabled."""
    return {name: replace(own, enabled=False) if name in labels else own for name, own in node_settings.items()}


class _Clusters:
    """The cluster's nodes, read once for all hosts that share the same document."""

    def __init__(self, prefix: str, problems: list[Problem]) -> None:
        self._variable = prefix + "nodes"
        self._problems = problems
        self._known: dict[int, Cluster | None] = {}

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes of all documents by name."""
        return {name: node for cluster in self._known.values() if cluster for name, node in cluster.nodes.items()}

    def read(self, name: str, document: Any) -> Cluster | None:
        """Return the cluster that a host's variable describes, None if it is unset."""
        if document is None:
            return None
        if id(document) not in self._known:
            try:
                self._known[id(document)] = read_cluster(document)
            except ValueError as error:
                self._known[id(document)] = None
                self._problems.append(Problem(name, self._variable, str(error)))
        return self._known[id(document)]
