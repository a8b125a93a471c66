# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the role with the backend ipsec, without Ansible between them: facts, plan, dry run, phases."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.facts import gather
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import ENFORCE, PHASES, SEND
from counted_states import advance
from node_cluster import CLUSTER_NETWORKS, Node, NodeCluster
from planned_ipsec import MASTER
from wire_capture import ESP, PLAIN_HOST, PLAIN_POD

STRICT = {"strict": "true", "cluster_cidrs": list(CLUSTER_NETWORKS), "host_encryption": True}


def facts(node: Node) -> dict[str, Any]:
    """Return the facts of overlay_prepare on a node."""

    def prepare() -> dict[str, Any]:
        node_options = {"can_reach": [], "tables": [7100, 7101], "cni_directories": []}
        return gather({}, dict(os.environ), userspace=False, nftables=False, ipsec=True, node=node_options)

    return node.host.call(prepare)


def run(nodes: list[Node], until: str = ENFORCE, **variables: Any) -> bool:
    """Run the steps of the role up to a phase, node by node, and return whether anything changed."""
    inputs = []
    for node in nodes:
        own = {"node_ip": [node.ipv4, node.ipv6], "node_ip_families": [4, 6], "pod_cidrs": list(node.pod_networks)}
        inputs.append(HostInput(node.name, {"backend": "ipsec", **own, **variables}, node.ipv4, facts(node)))
    outcome = plan_node_encryption(inputs, now=time.time())
    assert outcome.plan is not None, outcome.problems
    plan = FleetPlan.from_dict(outcome.plan.to_dict())

    def apply(node: Node, phase: str, check_mode: bool = False) -> bool:
        document = host_document(plan, node.name, Secrets(ipsec_master=MASTER), phase=phase)
        return node.apply(check_mode=check_mode, **document).changed

    if not any(apply(node, ENFORCE, check_mode=True) for node in nodes):
        return False
    done = [apply(node, phase) for phase in PHASES[: PHASES.index(until) + 1] for node in nodes]
    return any(done)


def spis(node: Node) -> set[str]:
    """Return the SPIs of a node's states."""
    lines = node.run("ip", "xfrm", "state").splitlines()
    return {line.split()[3] for line in lines if line.strip().startswith("proto esp")}


@pytest.mark.long
def test_roll_out_rotation_and_teardown_lose_nothing(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    pair = [n1, n2]
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.steady_ping(n2, n1.ipv6) as hosts:
        assert run(pair, SEND, **STRICT)
        assert run(pair, **STRICT), "what was left is done"
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            for ping in (pods, hosts):
                ping.answers_again(10)
            assert set(wire.kinds()) == {ESP}
        assert not run(pair, **STRICT), "a second run does nothing"
        before = spis(n1)
        assert run(pair, **STRICT, ipsec_slot=1), "new keys"
        assert before and not before & spis(n1)
        assert not run(pair, **STRICT, ipsec_slot=1)
        assert pods.lost() == [] and hosts.lost() == []
    with cluster.captured(tmp_path / "flushed.pcap") as wire:
        n1.run("ip", "xfrm", "policy", "flush")
        assert cluster.ping(n1.pod, n2.pod.ipv4, count=2, wait=1) == cluster.ping(n1, n2.ipv4, count=2, wait=1) == 0
        assert not {PLAIN_POD, PLAIN_HOST} & set(wire.kinds()), "without policies the packet filter is left"
    assert run(pair, **STRICT, ipsec_slot=1), "repaired"
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.steady_ping(n2, n1.ipv6) as hosts:
        assert run(pair, **STRICT, ipsec_slot=1, state="absent")
        assert not run(pair, **STRICT, ipsec_slot=1, state="absent")
        assert pods.lost() == [] and hosts.lost() == []
        assert n1.run("ip", "xfrm", "state") == n1.run("ip", "xfrm", "policy") == ""
        with cluster.captured(tmp_path / "plain.pcap") as wire:
            pods.answers_again(5)
            assert PLAIN_POD in wire.kinds()


@pytest.mark.long
def test_states_that_used_half_of_their_sequence_numbers_are_rotated(cluster: NodeCluster) -> None:
    n1, n2, _n3 = cluster.nodes
    pair, variables = [n1, n2], {"ipsec_esn": False, "ipsec_replay_window": 32}
    assert run(pair, **variables)
    (spi,) = {int(line.split()[3].partition("(")[0], 16) for line in spi_lines(n1, n2.ipv4)}
    advance(n1, spi, n2.ipv4, "replay-oseq", 2**31 - 2, esn=False)
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods:
        assert facts(n1)["ipsec"]["sequence_percent"] == 50 and facts(n2)["ipsec"]["sequence_percent"] == 0
        before = spis(n1)
        assert run(pair, **variables)
        assert not before & spis(n1)
        assert not run(pair, **variables), "once"
        assert pods.lost() == []


def spi_lines(node: Node, destination: str) -> list[str]:
    shown = node.run("ip", "xfrm", "state", "list", "dst", destination).splitlines()
    return [line for line in shown if line.strip().startswith("proto esp")]
