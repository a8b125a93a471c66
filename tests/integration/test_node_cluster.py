# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster for tests of node encryption, without encryption: all traffic is plaintext on the wire."""

from __future__ import annotations

from pathlib import Path

from managed_host import wait_until
from node_cluster import NodeCluster
from wire_capture import OTHER, PLAIN_HOST, PLAIN_POD


def test_capture_of_the_cluster_without_encryption(tmp_path: Path) -> None:
    with NodeCluster(nodes=2, pods=2) as cluster:
        n1, n2 = cluster.nodes
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert cluster.ping(n1.pod, n2.pod.ipv4) == cluster.ping(n1.pod, n2.pod.ipv6) == 3
            assert wire.kinds() == {PLAIN_POD: 12}
            assert cluster.ping(n1.pods[0], n1.pods[1].ipv4) == 3
            assert wire.kinds() == {PLAIN_POD: 12}, "pods of one node use its bridge"
            assert cluster.ping(n1, n2.ipv4, count=1) == cluster.ping(n1, n2.ipv6, count=1) == 1
            assert wire.kinds() == {PLAIN_POD: 12, PLAIN_HOST: 4}
            assert cluster.ping(cluster.external, n2.ipv4, count=1) == 1
            assert wire.kinds() == {PLAIN_POD: 12, PLAIN_HOST: 4, OTHER: 2}
        n1.masquerade()
        n2.node_port(7777, n1.pod)
        assert cluster.fetch(cluster.external, n1.pod, n2.ipv4) == (20000, n2.ipv4)
        cluster.reset()
        assert n1.run("nft", "list", "ruleset") == ""
        with cluster.steady_ping(n1.pod, n2.pod.ipv4) as ping:
            assert ping.lost() == []
            n2.run("ip", "link", "set", "cni0", "down")
            lines_before = len(ping.said)
            wait_until(lambda: "no answer yet" in "".join(ping.said[lines_before + 1 :]), "a ping is not answered")
            n2.run("ip", "link", "set", "cni0", "up")
            assert ping.lost()
