# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are added, removed, disabled, unreachable or left out of a run: the others lose no packet."""

from __future__ import annotations

from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from wire_capture import PLAIN_POD, WIREGUARD

PLAIN_N3 = {"n3": {"enabled": False}}


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_a_node_is_disabled_and_enabled(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    with (
        cluster.steady_ping(n1.pod, n3.pod.ipv4) as there,
        cluster.steady_ping(n3.pod, n2.pod.ipv6) as back,
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as others,
        cluster.steady_ping(n3, n2.pod.ipv4) as host,
        cluster.steady_ping(n2.pod, n3.ipv4) as to_host,
    ):
        pings = (there, back, others, host, to_host)
        cluster.phased(per_host=PLAIN_N3)
        with cluster.captured(tmp_path / "mixed.pcap") as wire:
            assert [ping.lost() for ping in pings] == [[]] * 5, "roll-out"
            plain = {end for p in wire.packets() if p.kind != WIREGUARD for end in (p.source, p.destination)}
            assert {n3.pod.ipv4, n3.pod.ipv6, n3.ipv4} <= plain
            assert not any({p.source, p.destination} <= {n1.pod.ipv4, n2.pod.ipv4} for p in wire.packets())
        cluster.phased()
        with cluster.captured(tmp_path / "all.pcap") as wire:
            assert [ping.lost() for ping in pings] == [[]] * 5, "switched on"
            assert set(wire.kinds()) == {WIREGUARD}
        cluster.phased(per_host=PLAIN_N3)
        assert [ping.lost() for ping in pings] == [[]] * 5, "switched off"
        assert n3.run("ip", "link", "show", "kwg0", check=False) == ""
        cluster.phased(per_host=PLAIN_N3, exempt_hosts=["n3"], **CLOSED)
        assert [ping.lost() for ping in pings] == [[]] * 5, "the others are closed, but for it"
        assert not any(cluster.phased(per_host=PLAIN_N3, exempt_hosts=["n3"], **CLOSED).changed.values())
        cluster.phased(**CLOSED)
        with cluster.captured(tmp_path / "closed.pcap") as wire:
            assert [ping.lost() for ping in pings] == [[]] * 5, "switched on and closed"
            assert set(wire.kinds()) == {WIREGUARD}


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_nodes_are_added_left_out_and_removed(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    cluster.phased([n1, n2], **CLOSED)
    with (
        cluster.captured(tmp_path / "wire.pcap") as wire,
        cluster.steady_ping(n1.pod, n2.pod.ipv4) as ipv4,
        cluster.steady_ping(n2.pod, n1.pod.ipv6) as ipv6,
    ):
        n1.pod.send_unanswered(n3.pod.ipv4)
        cluster.phased(**CLOSED)
        assert cluster.ping(n3.pod, n1.pod.ipv4) == cluster.ping(n2.pod, n3.pod.ipv6) == 3, "added"
        with cluster.steady_ping(n3.pod, n1.pod.ipv4) as third, cluster.steady_ping(n2.pod, n3.ipv4) as host:
            limited = cluster.phased(limit=[n1], persistent_keepalive=21, **CLOSED)
            assert limited.changed == {"n1": True}
            assert "not in this run" in "".join(limited.warnings)
            cluster.forget(n3)
            limited = cluster.phased(limit=[n1, n2], persistent_keepalive=22, **CLOSED)
            assert limited.changed == {"n1": True, "n2": True}
            assert third.lost() == host.lost() == [], "a node of which nothing is known keeps what it has"
            cluster.phased(**CLOSED)
            assert third.lost() == host.lost() == []
            assert not any(cluster.phased(**CLOSED).changed.values())
        cluster.phased([n3], state="absent")
        cluster.phased([n1, n2], **CLOSED)
        assert "10.244.3" not in n1.run("ip", "route", "show", "table", "7100") + n1.host.run("wg", "show", "kwg0")
        n3.pod.send_unanswered(n1.pod.ipv4)
        n1.pod.send_unanswered(n3.pod.ipv4)
        assert ipv4.lost() == ipv6.lost() == []
        leaks = [p for p in wire.packets() if p.kind == PLAIN_POD and p.source != n3.pod.ipv4]
        assert leaks == [], "nothing was opened"
