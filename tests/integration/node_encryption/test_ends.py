# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that end before the last phase: a second one changes nothing, the next one continues, and no packet is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import RECEIVE, SEND, STOP
from encrypted_nodes import CLOSED, EncryptedNodes
from node_cluster import Node
from wire_capture import PLAIN_POD, WIREGUARD

KEPT: dict[str, Any] = {**CLOSED, "persistence": "wg_quick"}


def source_check(node: Node) -> str:
    return node.host.shell("cat /proc/sys/net/ipv4/conf/eth0/rp_filter").strip()


@pytest.mark.slow
def test_roll_out_in_several_runs_loses_no_packet(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    with (
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as ipv4,
        cluster.steady_ping(n3, n1.pod.ipv4) as host,
        cluster.steady_ping(n3.pod, n2.pod.ipv6) as ipv6,
    ):
        cluster.phased(until=RECEIVE, **KEPT)
        with cluster.captured(tmp_path / "receive.pcap") as wire:
            assert cluster.phased(until=RECEIVE, **KEPT).touched == frozenset(), "a second run"
            ipv4.answers_again(5)
            assert PLAIN_POD in wire.kinds()
        assert source_check(n1) == "2", "loose until the last phase, also when it was so before"

        def one_by_one(node: Node) -> None:
            ipv4.answers_again(5)
            host.answers_again(5)

        assert cluster.phased(until=SEND, after_send=one_by_one, **KEPT).touched == {"n1", "n2", "n3"}
        assert cluster.phased(until=SEND, **KEPT).touched == frozenset(), "a second run"
        with cluster.captured(tmp_path / "send.pcap") as wire:
            for ping in (ipv4, host, ipv6):
                ping.answers_again(5)
            assert set(wire.kinds()) == {WIREGUARD}
        assert "drop_ingress" not in n1.run("nft", "list", "ruleset")
        kept = n1.host.shell("cat /etc/wirewright.overlay/fib/*")
        assert "7100" in kept and "blackhole" not in kept, "what boots is what runs"
        assert cluster.phased(**KEPT).touched == {"n1", "n2", "n3"}
        assert source_check(n1) == "1" and "drop_ingress" in n1.run("nft", "list", "ruleset")
        assert cluster.phased(until=RECEIVE, **KEPT).touched == frozenset(), "all is done: nothing is taken back"
        cluster.phased(until=STOP, state="absent", **KEPT)
        with cluster.captured(tmp_path / "leave.pcap") as wire:
            for ping in (ipv4, host, ipv6):
                ping.answers_again(5)
            assert PLAIN_POD in wire.kinds() and wire.kinds()[WIREGUARD] == 0
        assert cluster.phased(until=STOP, state="absent", **KEPT).touched == frozenset()
        cluster.phased(state="absent", **KEPT)
        assert ipv4.lost() == host.lost() == ipv6.lost() == []
    assert n1.run("ip", "link", "show", "kwg0", check=False) == "" and source_check(n1) == "1"
