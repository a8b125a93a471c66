# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of nodes is set on hosts of the run, and applies to hosts outside the run too."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_nodes import NOW

from .node_facts import document, flannel_fact

KEYS = {
    "node1": "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=",
    "node2": "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=",
}


def test_a_node_outside_the_run_is_found_in_the_list() -> None:
    # Only the key of node2, in the inventory, and the cluster data of node1 are known.
    told = document("kubeadm_flannel_dual_stack")
    heard = {**flannel_fact(), "interfaces": {"kwg0": {"public_key": KEYS["node1"]}}}
    outcome = plan_node_encryption(
        [
            HostInput("node1", {"nodes": told}, fact=heard),
            HostInput("node2", {"nodes": None, "public_key": KEYS["node2"]}),
        ],
        now=NOW,
    )
    assert outcome.problems == ()
    assert outcome.plan is not None
    other = outcome.plan.hosts["node2"]
    assert str(other.endpoints.ipv4) == "192.0.2.12:51820"
    assert parse_prefix("10.244.2.0/24") in other.networks
