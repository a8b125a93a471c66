# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest packets, and their delivery with every source check of the underlay."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from node_cluster import Node
from wire_capture import WIREGUARD

# Bytes of overhead that an underlay does not announce to the nodes, as Azure's.
UNSEEN = 100


@pytest.mark.both
@pytest.mark.long
def test_packets_of_the_mtu_pass_unfragmented(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    cluster.phased(**CLOSED)
    assert (n1.host.link("kwg0") or {})["mtu"] == 1440
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        assert cluster.ping(n1.pod, n2.pod.ipv4, "-M", "do", "-s", str(1440 - 28)) == 3
        assert cluster.ping(n1.pod, n2.pod.ipv6, "-M", "do", "-s", str(1440 - 48)) == 3
        assert cluster.ping(n1.pod, n2.pod.ipv4, "-M", "do", "-s", str(1441 - 28), wait=1) == 0
        assert cluster.ping(n1.pod, n2.pod.ipv6, "-M", "do", "-s", str(1441 - 48), wait=1) == 0
        assert "mtu 1440" in n1.pod.run("ip", "route", "get", n2.pod.ipv4), "the pod has the path MTU"
        packets = wire.packets()
        assert {packet.kind for packet in packets} == {WIREGUARD}
        assert max(packet.length for packet in packets) == 1500
        assert not any(packet.more_fragments for packet in packets)
    sizes = mss_of_connections(cluster, n1, n2, tmp_path)
    assert sizes == [1440 - 40, 1440 - 60], "what pods do not know is clamped"


def mss_of_connections(cluster: EncryptedNodes, client: Node, server: Node, directory: Path) -> list[int]:
    """Return the MSS in SYNs to a pod over IPv4 and IPv6; the client's cached path MTUs are flushed."""
    for family in ("-4", "-6"):
        client.pod.run("ip", family, "route", "flush", "cache")
    with cluster.captured_at(server.pod, directory / "pod.pcap") as seen:
        for address in (server.pod.ipv4, server.pod.ipv6):
            cluster.fetch(client.pod, server.pod, address, size=100)
        segments = (tcp_of(frame[14:]) for frame in seen.frames())
        return [mss_of(tcp) for tcp in segments if tcp and tcp[13] & 0x12 == 0x02]


def tcp_of(ip: bytes) -> bytes:
    """Return the TCP segment in a packet without IPv6 extension headers, b"" where there is none."""
    version, own = ip[0] >> 4, (ip[0] & 15) * 4
    if (version, ip[9] if version == 4 else ip[6]) not in ((4, 6), (6, 6)):
        return b""
    return ip[own if version == 4 else 40 :]


def mss_of(tcp: bytes) -> int:
    """Return the maximum segment size, the first option of a SYN as Linux sends it."""
    assert tcp[20] == 2, tcp
    return int(struct.unpack_from("!H", tcp, 22)[0])


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_underlay_with_extra_bytes(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    whole = ("-M", "do", "-s")
    with cluster.narrowed(1500 - UNSEEN), cluster.captured(tmp_path / "wire.pcap") as wire:
        cluster.phased()
        assert cluster.ping(n1.pod, n2.pod.ipv4, *whole, str(1440 - 28), wait=1) == 0, "lost, without an ICMP error"
        assert "mtu" not in n1.pod.run("ip", "route", "get", n2.pod.ipv4)
        cluster.phased(mtu_underlay_extra=UNSEEN)
        assert (n1.host.link("kwg0") or {})["mtu"] == 1340
        before = len(wire.packets())
        for address, headers in ((n2.pod.ipv4, 28), (n2.pod.ipv6, 48)):
            assert cluster.ping(n1.pod, address, *whole, str(1340 - headers)) == 3
            assert cluster.ping(n1.pod, address, *whole, str(1341 - headers), wait=1) == 0
            assert "mtu 1340" in n1.pod.run("ip", "route", "get", address), "the pod has the path MTU"
        packets = wire.packets()[before:]
        assert max(packet.length for packet in packets) == 1500 - UNSEEN
        assert {packet.kind for packet in packets} == {WIREGUARD}
        assert not any(packet.more_fragments for packet in packets)
        assert cluster.fetch(n1.pod, n2.pod, n2.pod.ipv4)[0] == 20000


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_nodes_reach_each_other_while_switched_over_one_by_one(cluster: EncryptedNodes) -> None:
    n1, n2, n3 = cluster.nodes
    answered = []

    def after_send(_node: Node) -> None:
        pairs = ((n1.pod, n2.pod), (n2.pod, n3.pod), (n3.pod, n1.pod))
        answered.append([cluster.ping(source, target.ipv4, count=2, wait=1) for source, target in pairs])

    # The underlay's source check is strict: between two nodes packets come encrypted one way and plain the other.
    cluster.phased(after_send=after_send)
    assert answered == [[2, 2, 2]] * 3


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_nodes_reach_each_other_while_keys_are_rotated_one_by_one(cluster: EncryptedNodes) -> None:
    n1, n2, n3 = cluster.nodes
    answered = []

    def after_send(_node: Node) -> None:
        pairs = ((n1.pod, n2.pod), (n2.pod, n3.pod), (n3.pod, n1.pod), (n1, n2.pod))
        answered.append([cluster.ping(source, target.ipv4, count=2, wait=1) for source, target in pairs])

    cluster.phased(host_encryption=True, **CLOSED)
    cluster.phased(rotate=True, after_send=after_send, host_encryption=True, **CLOSED)
    assert answered == [[2, 2, 2, 2]] * 3
