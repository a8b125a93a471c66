# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's nodes are known to the hosts of a run alone, and count for those outside of it as well."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_encryption import plan_node_encryption
from node_facts import document, flannel_fact

KEYS = {
    "node1": "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=",
    "node2": "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=",
}


def test_a_node_outside_of_the_run_is_found_in_the_list() -> None:
    # Of node2 nothing is known but its key, which the inventory has, and what node1 was told of the cluster.
    told = document("kubeadm_flannel_dual_stack")
    heard = {**flannel_fact(), "interfaces": {"kwg0": {"public_key": KEYS["node1"]}}}
    outcome = plan_node_encryption(
        [
            HostInput("node1", {"nodes": told}, fact=heard),
            HostInput("node2", {"nodes": None, "public_key": KEYS["node2"]}),
        ]
    )
    assert outcome.problems == ()
    assert outcome.plan is not None
    other = outcome.plan.hosts["node2"]
    assert other.endpoints.ipv4 == "192.0.2.12:51820"
    assert "10.244.2.0/24" in other.networks
