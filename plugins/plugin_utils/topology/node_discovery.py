# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where all nodes of a cluster and their pods are, for whatever encrypts between them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.discovery import (
    Discovery,
    discover,
    shared_nodes,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.nodes import Cluster, read_cluster
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_settings import NodeSettings


def with_one_cluster(hosts: Iterable[HostInput]) -> dict[str, HostInput]:
    """Return the hosts by name; one that was told nothing of the cluster, as outside of a limited run, knows what another was."""
    inputs = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    told = next((host.variables["nodes"] for host in inputs.values() if host.variables.get("nodes")), None)
    if told is None:
        return inputs
    return {
        name: host if host.variables.get("nodes") else host._replace(variables={**host.variables, "nodes": told})
        for name, host in inputs.items()
    }


def discover_all(
    inputs: Mapping[str, HostInput], extras: Mapping[str, NodeSettings], prefix: str, problems: list[Problem]
) -> dict[str, Discovery]:
    """Return what is known of each node; what is wrong is appended to the problems."""
    clusters = _Clusters(prefix, problems)
    discoveries = {}
    for name, host in inputs.items():
        cluster = clusters.read(name, extras[name].nodes)
        discoveries[name], found = discover(name, extras[name].discovery, host.fact, cluster, prefix)
        if not host.unresolved:
            problems.extend(found)
    problems.extend(shared_nodes(discoveries, prefix))
    return discoveries


class _Clusters:
    """What the cluster says of its nodes, read once for all hosts that share the text."""

    def __init__(self, prefix: str, problems: list[Problem]) -> None:
        self._variable = prefix + "nodes"
        self._problems = problems
        self._known: dict[int, Cluster | None] = {}

    def read(self, name: str, document: Any) -> Cluster | None:
        """Return the cluster that a host's variable describes, None where there is none."""
        if document is None:
            return None
        if id(document) not in self._known:
            try:
                self._known[id(document)] = read_cluster(document)
            except ValueError as error:
                self._known[id(document)] = None
                self._problems.append(Problem(name, self._variable, str(error)))
        return self._known[id(document)]
