# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh node joins a strict cluster of three nodes and leaves it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from wire_capture import PLAIN_POD, WIREGUARD


@pytest.fixture(scope="module")
def built(backend: str) -> Iterator[EncryptedNodes]:
    with EncryptedNodes(userspace=backend == "userspace", nodes=4) as cluster:
        yield cluster


@pytest.mark.both
@pytest.mark.long
def test_a_new_node_joins_and_leaves_a_strict_cluster(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3, n4 = cluster.nodes
    three = [n1, n2, n3]
    cluster.phased(three, **CLOSED)
    with (
        cluster.captured(tmp_path / "wire.pcap") as wire,
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as first,
        cluster.steady_ping(n2.pod, n3.pod.ipv6) as second,
        cluster.steady_ping(n3, n1.pod.ipv4) as third,
    ):
        pings = (first, second, third)
        assert cluster.ping(n4.pod, n1.pod.ipv4, count=1, wait=1) == 0, "the three are closed to whom they do not know"
        n1.pod.send_unanswered(n4.pod.ipv4)
        before = [packet for packet in wire.packets() if packet.kind == PLAIN_POD]
        assert before and {packet.source for packet in before} == {n4.pod.ipv4}, "it does not encrypt yet"

        assert cluster.phased(**CLOSED).changed == dict.fromkeys(("n1", "n2", "n3", "n4"), True)
        for other in three:
            assert cluster.ping(n4.pod, other.pod.ipv4, count=1) == cluster.ping(other.pod, n4.pod.ipv6, count=1) == 1
            assert cluster.ping(n4, other.pod.ipv4, count=1) == cluster.ping(other.pod, n4.ipv4, count=1) == 1
        assert not any(cluster.phased(**CLOSED).changed.values())
        assert [ping.lost() for ping in pings] == [[]] * 3, "joined"
        kinds = wire.kinds()
        assert kinds[PLAIN_POD] == len(before) and kinds[WIREGUARD] > 0

        cluster.phased([n4], state="absent")
        assert cluster.phased(three, **CLOSED).changed == dict.fromkeys(("n1", "n2", "n3"), True)
        for node in three:
            left = node.run("ip", "route", "show", "table", "7100") + node.run(
                "ip", "-6", "route", "show", "table", "7100"
            )
            assert "10.244.4." not in left and "fd00:244:0:4:" not in left + node.host.run("wg", "show", "kwg0")
            node.pod.send_unanswered(n4.pod.ipv4)
        assert [ping.lost() for ping in pings] == [[]] * 3, "left"
        assert wire.kinds()[PLAIN_POD] == len(before)
    assert n4.run("ip", "link", "show", "kwg0", check=False) == ""
