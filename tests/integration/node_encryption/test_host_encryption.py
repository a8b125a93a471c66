# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption between the nodes themselves, and its exemptions."""

from __future__ import annotations

from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from wire_capture import OTHER, PLAIN_HOST, PLAIN_POD, WIREGUARD

EXEMPT, OTHER_PORT = 2222, 7777
HOSTS = {"host_encryption": True, "exempt_ports": [EXEMPT]}


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_traffic_between_nodes_is_encrypted(cluster: EncryptedNodes, tmp_path: Path, closed: bool) -> None:
    n1, n2, n3 = cluster.nodes
    before = n1.source_check_drops()
    with cluster.steady_ping(n1, n3.ipv4) as ipv4, cluster.steady_ping(n3, n1.ipv6) as ipv6:
        cluster.phased(**HOSTS, **(CLOSED if closed else {}))
        pings = ipv4.count + ipv6.count
        with cluster.captured(tmp_path / "wire.pcap") as wire:
            assert cluster.ping(n2, n3.ipv4, count=1) == cluster.ping(n1, n3.ipv6, count=1) == 1
            assert cluster.ping(n2.pod, n3.ipv4, count=1) == cluster.ping(n3, n1.pod.ipv6, count=1) == 1
            assert cluster.fetch(n1, n3, n3.ipv4, OTHER_PORT) == (20000, n1.ipv4)
            assert cluster.fetch(n1, n3, n3.ipv6, OTHER_PORT) == (20000, n1.ipv6)
            assert cluster.fetch(n2.pod, n3, n3.ipv4, EXEMPT) == (20000, n2.pod.ipv4), "exempt is a port between nodes"
            assert cluster.fetch(n2.pod, n3, n3.ipv6, EXEMPT) == (20000, n2.pod.ipv6)
            kinds = wire.kinds()
            assert set(kinds) == {WIREGUARD}, kinds
            packets = kinds[WIREGUARD] - 2 * (ipv4.count + ipv6.count - pings)
            assert packets < 250, "there is no loop"
            assert cluster.fetch(n1, n3, n3.ipv4, EXEMPT) == (20000, n1.ipv4), "the port of management is exempt"
            assert cluster.fetch(n3, n1, n1.ipv6, EXEMPT) == (20000, n3.ipv6)
            plain = [packet for packet in wire.packets() if packet.kind == PLAIN_HOST]
            assert len(plain) >= 10 and {packet.protocol for packet in plain} == {6}
            assert n1.source_check_drops() == before
            n2.host.shell("ip link del kwg0")
            n2.send_unanswered(n1.ipv4)
            n2.pod.send_unanswered(n1.ipv6)
            after = wire.packets()
            leaks = [packet for packet in after if packet.kind in (PLAIN_HOST, PLAIN_POD) and packet.protocol == 17]
            assert bool(leaks) is not closed, leaks
            assert cluster.fetch(n1, n2, n2.ipv4, EXEMPT) == (20000, n1.ipv4), "the exempt port stays reachable"
        cluster.phased(**HOSTS, **(CLOSED if closed else {}))
        assert not any(cluster.phased(**HOSTS, **(CLOSED if closed else {})).changed.values())
        cluster.phased(state="absent")
        with cluster.captured(tmp_path / "after.pcap") as wire:
            assert cluster.ping(n1, n3.ipv4, count=1) == 1
            assert set(wire.kinds()) <= {PLAIN_HOST, OTHER}
        assert ipv4.lost() == [] and ipv6.lost() == []
