# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict encryption drops what would leave a node in plaintext, and nothing that stays on it: new pods, networks behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from wire_capture import PLAIN_POD, WIREGUARD

# Inside the network of all pods, and of no node.
NEW_BLOCK, NEW_GATEWAY, NEW_POD = "10.244.77.0/24", "10.244.77.1", "10.244.77.10"
NEW_LINK_POD = "10.244.78.10"
BEHIND = "10.244.200.7"


@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("hosts", [False, True], ids=["pods", "hosts"])
def test_pods_that_came_after_the_run(cluster: EncryptedNodes, hosts: bool, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    cluster.phased(host_encryption=hosts, **CLOSED)
    # A second block on the bridge, and a pod with a route of its own, as Calico makes it.
    new = n1.pods[1]
    n1.batch(f"addr add {NEW_GATEWAY}/24 dev cni0", f"route add {NEW_LINK_POD}/32 dev cni0 proto 99")
    new.batch(f"addr add {NEW_POD}/24 dev eth0", f"addr add {NEW_LINK_POD}/32 dev eth0")
    # The network plugin of the other node has routes to it.
    n2.batch(*(f"route add {network} via {n1.ipv4} proto 99" for network in (NEW_BLOCK, f"{NEW_LINK_POD}/32")))
    try:
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            for address in (NEW_POD, NEW_LINK_POD):
                assert cluster.ping(n1, address, count=1) == 1, "the node, as kubelet, reaches its new pod"
                assert cluster.ping(n1.pod, address, count=1) == 1
                n2.send_unanswered(address)
                n2.pod.send_unanswered(address)
            assert cluster.ping(new, n1.pod.ipv4, "-I", NEW_POD, count=1) == 1
            assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1
            assert wire.kinds()[PLAIN_POD] == 0, "no plaintext leaves a node, known or not"
    finally:
        n1.batch(f"addr del {NEW_GATEWAY}/24 dev cni0")
        new.batch(f"addr del {NEW_POD}/24 dev eth0", f"addr del {NEW_LINK_POD}/32 dev eth0")


@pytest.mark.both
@pytest.mark.long
def test_networks_behind_a_node_are_reached_by_all_nodes(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    behind = n1.pods[1]
    behind.batch(f"addr add {BEHIND}/32 dev eth0")
    n1.batch(f"route add {BEHIND}/32 dev cni0 proto 99")
    try:
        cluster.phased(per_host={"n1": {"extra_allowed_ips": [f"{BEHIND}/32"]}}, **CLOSED)
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            for source in (n1, n1.pod, n2, n2.pod):
                assert cluster.ping(source, BEHIND, count=1) == 1, source.netns
            assert set(wire.kinds()) == {WIREGUARD}
    finally:
        behind.batch(f"addr del {BEHIND}/32 dev eth0")
