# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of nodes for the role: plays, and the resulting state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab_hosts import Play
from node_cluster import CLUSTER_NETWORKS, Node, NodeCluster
from phased_run import PhasedRun, Run

PLAY = """
- hosts: k8s_nodes
  gather_facts: false
  roles:
    - role: wirewright.overlay.node_encryption
"""
CLOSED: dict[str, Any] = {"strict": True, "cluster_cidrs": list(CLUSTER_NETWORKS)}
# What is encrypted and what is dropped: traffic of pods or that of nodes as well, with and without strict encryption.
MODES: dict[str, dict[str, Any]] = {
    "open": {},
    "closed": CLOSED,
    "hosts": {"host_encryption": True},
    "closed hosts": {**CLOSED, "host_encryption": True},
}
STRICT = {"node_encryption_" + name: value for name, value in CLOSED.items()}


class EncryptedNodes(NodeCluster):
    """Nodes whose pod networks are in the inventory. userspace: whether wireguard-go creates the devices."""

    def __init__(self, *, userspace: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.userspace = userspace
        self._phased = PhasedRun(userspace)

    def phased(self, nodes: list[Node] | None = None, **options: Any) -> Run:
        """Run the steps of the role without Ansible. Variables are given without the role's prefix."""
        return self._phased(nodes or self.nodes, **options)

    def forget(self, node: Node) -> None:
        """Drop the facts of a node, as of one that was never reachable."""
        self._phased.facts.pop(node.name, None)

    def reset(self) -> None:
        """Remove the state of tests from the nodes, and the facts."""
        super().reset()
        self._phased = PhasedRun(self.userspace)

    def converge(
        self,
        *args: str,
        nodes: list[Node] | None = None,
        per_host: Mapping[str, Mapping[str, Any]] | None = None,
        **variables: Any,
    ) -> Play:
        """Write the inventory, run the role, and return the result."""
        self.write_inventory(nodes, per_host, **variables)
        return self.lab.playbook(PLAY, *args)

    def write_inventory(
        self,
        nodes: list[Node] | None = None,
        per_host: Mapping[str, Mapping[str, Any]] | None = None,
        **variables: Any,
    ) -> None:
        """Write the inventory of the nodes."""
        hosts = {
            node.name: {**self.variables(node), **(per_host or {}).get(node.name, {})} for node in nodes or self.nodes
        }
        common = {"overlay_userspace": self.userspace, "node_encryption_node_ip_families": [4, 6], **variables}
        document = {"all": {"children": {"k8s_nodes": {"hosts": hosts}}, "vars": common}}
        (self.lab.path / "inventory.yml").write_text(json.dumps(document))

    def variables(self, node: Node) -> dict[str, Any]:
        """Return the inventory variables of a node."""
        return {
            "ansible_connection": "wirewright.overlay.exec",
            "ansible_exec_prefix": self.lab.enter(node.name),
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_host": node.ipv4,
            "node_encryption_node_ip": [node.ipv4, node.ipv6],
            "node_encryption_pod_cidrs": list(node.pod_networks),
        }
