# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large packets may be, and that they arrive whatever the underlay's source check is."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from node_cluster import Node
from wire_capture import WIREGUARD


@pytest.mark.both
@pytest.mark.long
def test_packets_of_the_size_that_fits_pass_and_are_not_fragmented(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    cluster.phased(**CLOSED)
    assert (n1.host.link("kwg0") or {})["mtu"] == 1440
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        assert cluster.ping(n1.pod, n2.pod.ipv4, "-M", "do", "-s", str(1440 - 28)) == 3
        assert cluster.ping(n1.pod, n2.pod.ipv6, "-M", "do", "-s", str(1440 - 48)) == 3
        assert cluster.ping(n1.pod, n2.pod.ipv4, "-M", "do", "-s", str(1441 - 28), wait=1) == 0
        assert cluster.ping(n1.pod, n2.pod.ipv6, "-M", "do", "-s", str(1441 - 48), wait=1) == 0
        assert "mtu 1440" in n1.pod.run("ip", "route", "get", n2.pod.ipv4), "the pod was told"
        packets = wire.packets()
        assert {packet.kind for packet in packets} == {WIREGUARD}
        assert max(packet.length for packet in packets) == 1500
        assert not any(packet.more_fragments for packet in packets)
    assert mss_of_a_connection(cluster, n1, n2, tmp_path) == 1440 - 40, "what pods do not know is clamped"


def mss_of_a_connection(cluster: EncryptedNodes, client: Node, server: Node, directory: Path) -> int:
    """Return the MSS that a pod is asked for; the client's pod has forgotten what it was told of the way."""
    client.pod.run("ip", "route", "flush", "cache")
    with cluster.captured_at(server.pod, directory / "pod.pcap") as seen:
        cluster.fetch(client.pod, server.pod, server.pod.ipv4, size=100)
        frames = seen.frames()
    for frame in frames:
        ip = frame[14:]
        tcp = ip[(ip[0] & 15) * 4 :]
        if ip[0] >> 4 == 4 and ip[9] == 6 and tcp[13] & 0x12 == 0x02 and tcp[20] == 2:
            return int(struct.unpack_from("!H", tcp, 22)[0])
    raise AssertionError("no SYN was seen")


@pytest.mark.parametrize("value", [0, 1, 2])
def test_whatever_the_source_check_of_the_underlay(cluster: EncryptedNodes, value: int) -> None:
    n1, n2, n3 = cluster.nodes
    wanted = {f"ipv4/conf/{name}/rp_filter": value for name in ("all", "eth0")}
    for node in cluster.nodes:
        node.set_sysctls(wanted)
    try:
        with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.steady_ping(n3, n1.pod.ipv4) as host:
            cluster.phased()
            assert cluster.ping(n2.pod, n3.ipv4, count=1) == 1
            assert pods.lost() == host.lost() == []
        for node in cluster.nodes:
            assert node.host.run("cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter") == f"{value}\n", "as it was"
    finally:
        for node in cluster.nodes:
            node.set_sysctls({f"ipv4/conf/{name}/rp_filter": 1 for name in ("all", "eth0")})


def test_switched_over_one_by_one_nodes_understand_each_other(cluster: EncryptedNodes) -> None:
    n1, n2, n3 = cluster.nodes
    answered = []

    def flipped(_node: Node) -> None:
        pairs = ((n1.pod, n2.pod), (n2.pod, n3.pod), (n3.pod, n1.pod))
        answered.append([cluster.ping(source, target.ipv4, count=2, wait=1) for source, target in pairs])

    # The underlay's source check is strict: between two nodes packets come encrypted one way and plain the other.
    cluster.phased(flipped=flipped)
    assert answered == [[2, 2, 2]] * 3


def test_keys_changed_over_one_by_one_nodes_understand_each_other(cluster: EncryptedNodes) -> None:
    n1, n2, n3 = cluster.nodes
    answered = []

    def flipped(_node: Node) -> None:
        pairs = ((n1.pod, n2.pod), (n2.pod, n3.pod), (n3.pod, n1.pod), (n1, n2.pod))
        answered.append([cluster.ping(source, target.ipv4, count=2, wait=1) for source, target in pairs])

    cluster.phased(host_encryption=True, **CLOSED)
    cluster.phased(rotate=True, flipped=flipped, host_encryption=True, **CLOSED)
    assert answered == [[2, 2, 2, 2]] * 3
