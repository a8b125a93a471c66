# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `cluster_nodes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils._kubernetes.nodes import trimmed
from ..plugin_utils._plain import to_plain

DOCUMENTATION = r"""
name: cluster_nodes
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: Reduce a list of Kubernetes nodes to the fields needed for planning
description:
  - Keeps the name, labels, addresses and pod CIDRs of each node, and the annotations of flannel, Calico and
    Cilium with addresses of the node or its pods. Drops all else, such as images and conditions.
options:
  _input:
    description:
      - The output of C(kubectl get nodes -o json), the result of C(kubernetes.core.k8s_info), or a list of nodes.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Get the nodes of the cluster
  ansible.builtin.command: kubectl get nodes -o json
  register: nodes
  delegate_to: "{{ groups['control_plane'][0] }}"
  run_once: true
  changed_when: false

- name: Keep the fields needed for planning
  ansible.builtin.set_fact:
    node_encryption_nodes: "{{ nodes.stdout | wirewright.overlay.cluster_nodes }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The nodes, in the format of the API.
  type: list
  elements: dict
  sample:
    - metadata: {name: node1, labels: {kubernetes.io/hostname: node1}, annotations: {}}
      spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
      status: {addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: node1}]}
"""


def cluster_nodes(document: object) -> Any:
    """Return the reduced list of nodes. Raises AnsibleFilterError for any other document."""
    try:
        return to_plain(trimmed(document))
    except ValueError as error:
        raise AnsibleFilterError(f"cluster_nodes: {error}") from error


class FilterModule:
    """Entry point of Ansible."""

    def filters(self) -> dict[str, Callable[[object], Any]]:
        """Return the filters by name."""
        return {"cluster_nodes": cluster_nodes}
