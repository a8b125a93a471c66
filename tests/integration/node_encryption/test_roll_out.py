# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on a cluster in use: encrypted on the wire, and no packet lost by roll-out and teardown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from encrypted_nodes import STRICT, EncryptedNodes
from lab_hosts import Play
from mesh_lab import assert_ok
from wire_capture import PLAIN_POD, WIREGUARD

pytestmark = [pytest.mark.plays, pytest.mark.both, pytest.mark.long]


def switched_over(play: Play) -> list[list[str]]:
    """Return the nodes of each task that applies the phases send or stop."""
    parts = play.stdout.split("\nTASK [")
    tasks = [part for part in parts if re.search(": Apply phase (send|stop)", part.partition("\n")[0])]
    return [re.findall(r"^(?:changed|ok|skipping): \[(\w+)\]", part, re.MULTILINE) for part in tasks]


def test_roll_out_strict_and_teardown_lose_no_packet(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    with cluster.steady_ping(n1.pod, n2.pod.ipv4) as ipv4, cluster.steady_ping(n3.pod, n1.pod.ipv6) as ipv6:
        ready = assert_ok(cluster.converge(node_encryption_phase="verify", **STRICT))
        assert "ends with node_encryption_phase verify" in ready.stdout and switched_over(ready) == []
        looked = assert_ok(cluster.converge("--check", "--diff", node_encryption_phase="send", **STRICT))
        shown = looked.results(task="Preview the phases up to the last")
        assert [result["changed"] for result in shown] == [True] * 3
        assert "7100" in str(shown[0]["diff"]) and "blackhole" not in str(shown[0]["diff"]), "nothing is closed yet"
        assert "7100" not in n1.run("ip", "rule"), "and nothing has changed"
        one_by_one = assert_ok(cluster.converge(node_encryption_send_serial=1, **STRICT))
        assert switched_over(one_by_one) == [["n1"], ["n2"], ["n3"]] * 2, "two phases"
        with cluster.captured(tmp_path / "encrypted.pcap") as wire:
            assert cluster.ping(n1.pod, n3.pod.ipv4) == 3
            assert cluster.ping(n1, n2.pod.ipv4) == 3, "a node reaches pods elsewhere"
            assert cluster.ping(n1.pod, n2.ipv4) == 3, "a pod reaches nodes"
            kinds = wire.kinds()
        assert set(kinds) == {WIREGUARD}
        assert n1.host.shell("cat /proc/sys/net/ipv4/conf/eth0/rp_filter").strip() == "1", "strict again"
        again = assert_ok(cluster.converge(**STRICT))
        assert again.changed == 0, again
        assert_ok(cluster.converge(node_encryption_state="absent", node_encryption_send_serial=2))
        assert ipv4.lost() == [] and ipv6.lost() == []
    for node in cluster.nodes:
        assert "7100" not in node.run("ip", "rule") + node.run("ip", "-6", "rule")
        assert "kwg0" not in node.run("ip", "link") + node.run("nft", "list", "ruleset")
    with cluster.captured(tmp_path / "plain.pcap") as wire:
        assert cluster.ping(n1.pod, n3.pod.ipv4) == 3
        assert set(wire.kinds()) == {PLAIN_POD}, "the capture sees what is not encrypted"
