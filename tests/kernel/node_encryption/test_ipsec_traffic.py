# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets that IPsec between nodes passes, drops and sends, with strict reverse path filters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.traffic_report import (
    read_reports,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.verdicts import (
    PairVerdict,
    judge,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import BOTH, spi_of
from forged_datagrams import listen, send_as
from node_cluster import Node, NodeCluster, Place
from planned_ipsec import PlannedIpsec
from running_capture import capture_while, described
from wire_capture import ESP, OTHER

PAIR = {"encrypting": ["n1", "n2"], "keyless": [], "host_encryption": True, "exempt_hosts": []}


@pytest.fixture(scope="module")
def encrypted(standing_cluster: NodeCluster) -> Iterator[NodeCluster]:
    standing_cluster.reset()
    assert establish(standing_cluster).all_unchanged()
    yield standing_cluster
    standing_cluster.reset()


def establish(cluster: NodeCluster) -> PlannedIpsec:
    ipsec = PlannedIpsec(cluster)
    ipsec.configure(host_encryption=True, strict=BOTH)
    ipsec.establish()
    return ipsec


def test_only_esp_is_on_the_wire(encrypted: NodeCluster, tmp_path: Path) -> None:
    n1, n2, n3 = encrypted.nodes
    with encrypted.captured(tmp_path / "wire.pcap") as wire:
        for source, destination in ((n1.pod, n2.pod), (n1, n2.pod), (n1.pod, n2), (n2, n3)):
            for address in (destination.ipv4, destination.ipv6):
                assert encrypted.ping(source, address, count=2) == 2, (source, address)
        assert encrypted.fetch(n3.pod, n1.pod, n1.pod.ipv4) == (20000, n3.pod.ipv4)
        assert encrypted.fetch(n3, n1, n1.ipv6) == (20000, n3.ipv6)
        packets = wire.packets()
        assert {packet.kind for packet in packets} == {ESP}
        assert {packet.spi for packet in packets} == {spi_of(node.number, 0, 0) for node in encrypted.nodes}
        # SSH to a node continues, and traffic with hosts outside is not affected.
        assert encrypted.fetch(n1, n2, n2.ipv4, port=22, size=1) == (1, n1.ipv4)
        assert encrypted.ping(encrypted.external, n2.ipv4, count=1) == 1
        assert {packet.kind for packet in wire.packets()} == {ESP, "plaintext host", OTHER}


def test_pods_of_one_node_use_no_esp(encrypted: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = encrypted.nodes
    first, second = n1.pods
    before = packets_of_states(n1), n1.xfrm_stat()
    with encrypted.captured(tmp_path / "wire.pcap") as wire:
        assert_local(encrypted, n1)
        # As with a CNI that routes every pod, so that the node's policies apply.
        with by_gateway(first, second), by_gateway(second, first):
            assert_local(encrypted, n1)
        assert wire.packets() == []
    assert (packets_of_states(n1), n1.xfrm_stat()) == before
    assert encrypted.ping(first, n2.pod.ipv4, count=1) == 1
    assert packets_of_states(n1) == before[0] + 2, "these counters count packets to another node"


def assert_local(cluster: NodeCluster, node: Node) -> None:
    """Ping between pods of one node and the node."""
    first, second = node.pods
    for source, target in ((first, second), (second, first), (node, first), (first, node)):
        for address in (target.ipv4, target.ipv6):
            assert cluster.ping(source, address, count=1) == 1, (source, address)
    assert cluster.fetch(first, second, second.ipv4) == (20000, first.ipv4)


@contextmanager
def by_gateway(pod: Place, other: Place) -> Iterator[None]:
    """Route packets from a pod of n1 to another one through the node."""
    ways = [f"{other.ipv4} via 10.244.1.1", f"{other.ipv6} via fd00:244:0:1::1"]
    pod.batch(*(f"route add {way}" for way in ways))
    try:
        yield
    finally:
        pod.batch(*(f"route del {way}" for way in ways))


def packets_of_states(node: Node) -> int:
    """Return the packets that a node's states have processed."""
    listed = node.run("ip", "-s", "xfrm", "state")
    return sum(map(int, re.findall(r"lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)", listed)))


def test_packets_decrypted_from_esp_are_not_counted_as_plaintext(encrypted: NodeCluster) -> None:
    n1, n2, _n3 = encrypted.nodes

    def traffic() -> None:
        assert encrypted.ping(n1.pod, n2.pod.ipv4) == encrypted.ping(n2.pod, n1.pod.ipv6) == 3
        send_as(encrypted.external, "10.244.2.77", n1.pod.ipv4, b"forged")

    encrypted.external.batch(f"route replace {n1.pod_networks[0]} via {n1.ipv4}")
    found = capture_while(encrypted, n1, traffic, most=100)
    pairs = {(pair["source"], pair["destination"]): pair for pair in found["pairs"]}
    assert (pairs["n1", "n2"]["esp"], pairs["n2", "n1"]["esp"]) == (6, 6)
    assert (pairs["n1", "n2"]["decrypted"], pairs["n2", "n1"]["decrypted"]) == (0, 6)
    assert found["kinds"]["plaintext_pod"] == 1, "what was forged"
    assert found["xfrm_stat"] == {"XfrmInTmplMismatch": 1}


@pytest.mark.long
def test_states_of_both_nodes_are_compared_and_sizes_are_found(encrypted: NodeCluster) -> None:
    n1, n2, _n3 = encrypted.nodes
    wire = {"nodes": described([n1, n2]), "ipsec": {"reqids": "7100"}, "by_pair": True}

    def counted(node: Node, *addresses: str) -> dict[str, Any]:
        other = n2 if node is n1 else n1
        targets = [{"name": other.name, "address": address, "mtu": 1500} for address in addresses]
        seconds = 6 if addresses else 1
        done = node.host.module(
            "traffic_info", nodes=wire["nodes"], seconds=seconds, ipsec={"reqids": "7100", "targets": targets}
        )
        assert done.rc == 0, done.output
        return done.data

    def judged(*addresses: str) -> PairVerdict:
        found = {"n1": counted(n1, *addresses), "n2": counted(n2)}
        expected = {**wire, **PAIR}
        (pair,) = judge(read_reports(found, expected), expected)
        return pair

    found = judged(n2.pod.ipv4, n2.ipv6)
    assert (found.verdict, found.mtu, found.plaintext_host) == ("mtu", 1426, 0), "as large as the wire is too large"
    sizes = [entry["mtu"] for entry in counted(n1, n2.pod.ipv4, n2.ipv6)["ipsec"]["answers"]]
    assert sizes == [1446, 1426]
    assert [(way.fault, way.spis, bool(way.sent)) for way in found.states if way.source == "n1"] == [
        ("", (f"{spi_of(1, 0, 0):#010x}",), True)
    ] * 2
    where = ["dst", n2.ipv4, "proto", "esp", "spi", f"{spi_of(1, 0, 0):#x}"]
    n2.run("ip", "xfrm", "state", "delete", *where)
    found = judged(n2.pod.ipv4)
    establish(encrypted)
    assert found.verdict == "no_state" and "n2 has no such state" in found.reasons[0]
    assert "10.0.0.1 does not arrive at 10.0.0.2" in found.reasons[1]


def test_packets_as_large_as_the_path_allows(encrypted: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = encrypted.nodes
    whole = ("-M", "do", "-s")
    with encrypted.captured(tmp_path / "wire.pcap") as wire:
        for address, largest, headers in ((n2.pod.ipv4, 1446, 28), (n2.pod.ipv6, 1426, 48)):
            # The first packet that is too large sets the pod's path MTU.
            for size, answered in ((1500, 0), (largest + 1, 0), (largest, 1)):
                payload = str(size - headers)
                assert encrypted.ping(n1.pod, address, *whole, payload, count=1) == answered, (address, size)
        packets = wire.packets()
    assert max(packet.length for packet in packets) <= 1500
    assert {packet.kind for packet in packets} == {ESP} and not any(packet.more_fragments for packet in packets)


def test_spoofed_plaintext_of_a_pod_is_dropped(encrypted: NodeCluster) -> None:
    _n1, n2, _n3 = encrypted.nodes
    before = n2.xfrm_stat().get("XfrmInTmplMismatch", 0)
    encrypted.external.batch(f"route replace {n2.pod_networks[0]} via {n2.ipv4}")
    with listen(n2.pod) as receiver:
        send_as(encrypted.external, "10.244.1.77", n2.pod.ipv4, b"forged")
        # Packets from outside the cluster pass, after the spoofed ones.
        send_as(encrypted.external, encrypted.external.ipv4, n2.pod.ipv4, b"from outside")
        assert receiver.recv(100) == b"from outside"
        receiver.setblocking(False)
        with suppress(BlockingIOError):
            assert not receiver.recv(100)
    assert n2.xfrm_stat()["XfrmInTmplMismatch"] == before + 1


def test_masqueraded_pods_and_node_ports_are_encrypted_between_nodes(encrypted: NodeCluster, tmp_path: Path) -> None:
    n1, n2, _n3 = encrypted.nodes
    for node in encrypted.nodes:
        node.masquerade()
    n1.node_port(7777, n2.pod)
    try:
        with encrypted.captured(tmp_path / "wire.pcap") as wire:
            # Masqueraded to its node's address, so that the pod's policy does not match.
            assert encrypted.fetch(n1.pod, n2, n2.ipv4, port=7000) == (20000, n1.ipv4)
            assert set(wire.kinds()) == {ESP}
            assert encrypted.fetch(encrypted.external, n2.pod, n1.ipv4) == (20000, n1.ipv4)
            kinds = wire.kinds()
        assert set(kinds) == {ESP, OTHER}, "from outside to the node in clear, and on to the pod encrypted"
    finally:
        for node in encrypted.nodes:
            node.run("nft", "flush", "ruleset")
