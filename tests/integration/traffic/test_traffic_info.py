# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""traffic_info on the underlay of a cluster, compared with tcpdump on the same interface."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_cluster import CLUSTER_NETWORKS, NodeCluster, Place
from running_capture import capture_while, described
from wire_capture import ESP, PLAIN_HOST, PLAIN_POD, WIREGUARD, Capture, Classifier, frames_of

WIREGUARD_DATA = b"\4\0\0\0" + bytes(60)
KINDS = {WIREGUARD: "wireguard", ESP: "esp", PLAIN_POD: "plaintext_pod", PLAIN_HOST: "plaintext_host"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[NodeCluster]:
    with NodeCluster() as made:
        yield made


def send(source: Place, kind: int, protocol: int, payload: bytes, address: str, times: int = 1) -> None:
    """Send datagrams from port 51820, or packets of a protocol."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with source.quick(lambda: socket.socket(family, kind, protocol)) as sender:
        if kind == socket.SOCK_DGRAM:
            sender.bind(("", 51820))
        for _turn in range(times):
            sender.sendto(payload, (address, 51820 if kind == socket.SOCK_DGRAM else 0))


def send_tagged(source: Place, packet: bytes, *tags: int) -> None:
    """Broadcast a packet with VLAN tags on the link."""
    words = "".join(f"8100{tag:04x}" for tag in tags)
    with source.quick(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)) as sender:
        sender.bind(("eth0", 0))
        sender.send(bytes.fromhex("ffffffffffff020000000007" + words + "0800") + packet)


def echo_request(source: str, destination: str) -> bytes:
    """Return an IPv4 packet; no receiver checks its checksums."""
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 1, 0, 64, socket.IPPROTO_ICMP, 0)
    return header + socket.inet_aton(source) + socket.inet_aton(destination) + b"\x08" + bytes(7)


def test_counts_equal_those_of_tcpdump(cluster: NodeCluster, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    file = tmp_path / "wire.pcap"

    def traffic() -> None:
        assert cluster.ping(n1.pod, n2.pod.ipv4) == cluster.ping(n2.pod, n1.pod.ipv6, count=2) + 1 == 3
        assert cluster.ping(n1, n3.ipv4, count=1) == cluster.ping(n3, n1.ipv6, count=1) == 1
        for tags in ((7,), (7, 8), (7, 8, 9)):
            send_tagged(n2, echo_request(n2.ipv4, n1.ipv4), *tags)
        assert cluster.ping(cluster.external, n1.ipv4, count=1) == 1
        for address in (n2.ipv4, n2.ipv6):
            send(n1, socket.SOCK_DGRAM, 0, WIREGUARD_DATA, address, times=4)
        send(n1, socket.SOCK_DGRAM, 0, WIREGUARD_DATA + bytes(4000), n2.ipv4)
        send(n1, socket.SOCK_RAW, socket.IPPROTO_ESP, bytes(range(40)), n2.ipv4, times=5)

    classifier = Classifier(
        frozenset(address for node in cluster.nodes for address in (node.ipv4, node.ipv6)), CLUSTER_NETWORKS
    )
    with Capture(n1.netns, "eth0", file, classifier, cluster._mark) as wire:
        found = capture_while(cluster, n1, traffic)
        packets = wire.packets()
    # Only WireGuard packets are fragmented here; the reference does not recognise later fragments.
    seen = Counter(WIREGUARD if packet.more_fragments else packet.kind for packet in packets)
    tagged = [frame for frame in frames_of(file.read_bytes()) if frame[12:14] == b"\x81\x00"]
    assert len(tagged) == 3
    expected = {name: seen[kind] for kind, name in KINDS.items()}
    expected["plaintext_host"] += len(tagged)  # not decoded by the reference
    assert {kind: found["kinds"][kind] for kind in expected} == expected
    assert seen[WIREGUARD] == 4 + 4 + 3 and seen[ESP] == 5 and seen[PLAIN_POD] == 10
    assert (found["interfaces"], found["lost"], found["full"], found["xfrm_stat"]) == (["eth0"], 0, True, {})
    assert sum(found["kinds"].values()) == 500 and found["seconds"] < 120
    pairs = {(pair["source"], pair["destination"]): pair for pair in found["pairs"]}
    assert pairs["n1", "n2"]["wireguard"] == 11 and pairs["n1", "n2"]["esp"] == 5
    assert pairs["n1", "n2"]["plaintext_pod"] == pairs["n2", "n1"]["plaintext_pod"] == 5
    assert pairs["n1", "n3"]["plaintext_host"] == pairs["n3", "n1"]["plaintext_host"] == 2


def test_missing_interfaces_are_refused(cluster: NodeCluster) -> None:
    n1 = cluster.nodes[0]
    alone = n1.host.module("traffic_info", nodes=described([n1]), seconds=1)
    assert "no route of this host leads to an address of another node" in alone.failure
    missing = n1.host.module("traffic_info", nodes=described(cluster.nodes), interfaces=["eth9"], seconds=1)
    assert "No such device; `ip link` lists the interfaces there are" in missing.failure


def test_counts_are_returned_when_the_probe_is_refused(cluster: NodeCluster) -> None:
    n1 = cluster.nodes[0]
    done = n1.host.module("traffic_info", nodes=described(cluster.nodes), seconds=1, probe={"interface": "kwg0"})
    assert done.rc == 0 and done.data["probe"]["peers"] == []
    assert "no WireGuard interface kwg0" in done.data["probe"]["refusal"]
