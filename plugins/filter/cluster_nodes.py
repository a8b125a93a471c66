# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter `cluster_nodes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.nodes import trimmed
from ansible_collections.wirewright.overlay.plugins.plugin_utils.plain import to_plain

DOCUMENTATION = r"""
name: cluster_nodes
author: wirewright contributors (@wirewright)
version_added: 0.1.0
short_description: What a plan needs of a list of Kubernetes nodes
description:
  - Keeps of each node its name, labels, addresses, pod CIDRs and provider ID, and the annotations of flannel, Calico and
    Cilium that say where the node or its pods are. What is left out, images and conditions for two, is most of the list.
options:
  _input:
    description:
      - What C(kubectl get nodes -o json) prints, or what C(kubernetes.core.k8s_info) returns, or a list of nodes.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Ask the cluster for its nodes
  ansible.builtin.command: kubectl get nodes -o json
  register: nodes
  delegate_to: "{{ groups['control_plane'][0] }}"
  run_once: true
  changed_when: false

- name: Keep what is needed of them
  ansible.builtin.set_fact:
    node_encryption_nodes: "{{ nodes.stdout | wirewright.overlay.cluster_nodes }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The nodes, each a document of the API's form.
  type: list
  elements: dict
  sample:
    - metadata: {name: node1, labels: {kubernetes.io/hostname: node1}, annotations: {}}
      spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}
      status: {addresses: [{type: InternalIP, address: 192.0.2.11}, {type: Hostname, address: node1}]}
"""


def cluster_nodes(document: object) -> Any:
    """Return what a plan needs of a list of nodes. Raises AnsibleFilterError where it is none."""
    try:
        return to_plain(trimmed(document))
    except ValueError as error:
        raise AnsibleFilterError(f"cluster_nodes: {error}") from error


class FilterModule:
    """What Ansible asks for the filters of this file."""

    def filters(self) -> dict[str, Callable[[object], Any]]:
        """Return them by name."""
        return {"cluster_nodes": cluster_nodes}
