# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict encryption: only WireGuard on the wire, and no plaintext of pods when an object is removed."""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path

import pytest
from encrypted_nodes import CLOSED, EncryptedNodes
from managed_host import wait_until
from node_cluster import Node
from wire_capture import OTHER, PLAIN_POD, WIREGUARD

# Removals of one object, by hand or by another program.
TAKEN_AWAY = {
    "the device": "ip link del kwg0",
    "the rules of IPv4": "while ip rule del table 7100; do :; done 2>/dev/null; ip rule del table 7101",
    "the rules of IPv6": "while ip -6 rule del table 7100; do :; done 2>/dev/null; ip -6 rule del table 7101",
    "nftables": "nft delete table inet wirewright_overlay",
    "the table": "ip route flush table 7100; ip -6 route flush table 7100",
}
# Plaintext packets of send_everywhere without the kill switch, each removal in addition to those before it. Routes from
# pods to nodes are in a separate table.
LEAKS = {"nftables": 0, "the table": 16, "the rules of IPv4": 20, "the device": 24}
# As systemd-networkd does when it starts; a foreign rule shows that it does.
NETWORKD = """
ip rule add from 192.0.2.1 lookup 12345 protocol static
for family in -4 -6; do
    ip -d $family rule | grep -v 'proto kernel' | sed -n 's/^\\([0-9]*\\):.*/\\1/p' | while read -r priority; do
        case $priority in 0|32766|32767) ;; *) ip $family rule del priority $priority ;; esac
    done
done
"""
PORT = 7778


def send_everywhere(cluster: EncryptedNodes, node: Node) -> None:
    """Send packets from a node, and from its pod, to pods elsewhere, and from its pod to nodes."""
    for other in cluster.nodes:
        if other is not node:
            for address in (other.pod.ipv4, other.pod.ipv6):
                node.pod.send_unanswered(address)
                node.send_unanswered(address)
            for address in (other.ipv4, other.ipv6):
                node.pod.send_unanswered(address)


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_all_traffic_of_a_cluster_is_encrypted(cluster: EncryptedNodes, tmp_path: Path) -> None:
    n1, n2, n3 = cluster.nodes
    cluster.phased(**CLOSED)
    for node in cluster.nodes:
        node.masquerade()
    n2.node_port(7777, n1.pod)
    with cluster.captured(tmp_path / "wire.pcap") as wire:
        for source, address in [
            (n1.pod, n2.pod.ipv4),
            (n3.pod, n1.pod.ipv6),
            (n1, n3.pod.ipv4),
            (n2, n1.pod.ipv6),
            (n2.pod, n3.ipv4),
            (n1.pod, n2.ipv6),
        ]:
            assert cluster.ping(source, address, count=1) == 1, f"{source.netns} to {address}"
        assert cluster.fetch(n1.pod, n2.pod, n2.pod.ipv4)[0] == 20000
        assert set(wire.kinds()) == {WIREGUARD}
        before = sent_by_tunnel(n1)
        for address in (n1.pods[1].ipv4, n1.pods[1].ipv6):
            assert cluster.ping(n1.pods[0], address, count=1) == 1
        assert cluster.fetch(n1.pods[0], n1.pods[1], n1.pods[1].ipv4)[0] == 20000
        assert set(wire.kinds()) == {WIREGUARD} and sent_by_tunnel(n1) - before < 5000, (
            "pods of one node use its bridge"
        )
        assert cluster.fetch(cluster.external, n1.pod, n2.ipv4)[0] == 20000, "a NodePort's pod is elsewhere"
        assert set(wire.kinds()) == {WIREGUARD, OTHER}, "plain from outside to the node, encrypted from there on"
        assert cluster.fetch(n3.pod, cluster.external, cluster.external.ipv4) == (20000, n3.ipv4), "masqueraded"
        assert set(wire.kinds()) == {WIREGUARD, OTHER}


def sent_by_tunnel(node: Node) -> int:
    """Return the bytes that a node has sent through its device."""
    return sum(int(line.split()[2]) for line in node.host.run("wg", "show", "kwg0", "transfer").splitlines())


@pytest.mark.both
@pytest.mark.long
def test_no_plaintext_is_sent_without_one_object(cluster: EncryptedNodes, backend: str, tmp_path: Path) -> None:
    n1, n2, _n3 = cluster.nodes
    # A run takes half a minute in an emulated machine, and only the device differs there.
    parts = TAKEN_AWAY if backend == "userspace" else {"the device": TAKEN_AWAY["the device"]}
    cluster.phased(**CLOSED)
    with cluster.captured(tmp_path / "closed.pcap") as wire:
        for node in (n1, n2):
            node.host.shell(NETWORKD)
            assert "lookup 12345" not in node.run("ip", "rule"), "rules of others are gone"
        assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1, "networkd leaves rules of protocol kernel"
        assert cluster.ping(n1.pod, n2.pod.ipv6, count=1) == 1
        for part, command in parts.items():
            n1.host.shell(command)
            send_everywhere(cluster, n1)
            send_everywhere(cluster, n2)
            assert wire.kinds()[PLAIN_POD] == 0, part
            assert cluster.phased(**CLOSED).changed == {"n1": True, "n2": False, "n3": False}, part
            assert cluster.ping(n1.pod, n2.pod.ipv4, count=1) == 1, f"{part} is there again"
            assert cluster.ping(n1.pod, n2.ipv6, count=1) == 1, f"{part} is there again"
    cluster.phased()
    with cluster.captured(tmp_path / "open.pcap") as wire:
        leaked = 0
        for part, packets in LEAKS.items():
            n1.host.shell(TAKEN_AWAY[part])
            send_everywhere(cluster, n1)
            leaked += packets
            assert wire.kinds()[PLAIN_POD] == leaked, (
                f"what is not closed leaks without {part}, and the capture sees it"
            )


def test_spoofed_pod_packets_are_accepted_only_without_strict(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    n1.set_sysctls({"ipv4/conf/all/rp_filter": 0, "ipv4/conf/eth0/rp_filter": 0})
    cluster.external.run("ip", "route", "replace", n1.pod_networks[0], "via", n1.ipv4)
    try:
        with n1.pod.quick(listen) as pod:
            cluster.phased(**CLOSED)
            cluster.external.quick(lambda: spoof(n2.pod.ipv4, n1.pod.ipv4, b"closed"))
            wait_until(lambda: dropped(n1) == 1, "drop_ingress counts it")
            cluster.phased()
            cluster.external.quick(lambda: spoof(n2.pod.ipv4, n1.pod.ipv4, b"open"))
            assert pod.recv(100) == b"open", "the first one was dropped"
    finally:
        n1.set_sysctls({"ipv4/conf/all/rp_filter": 1, "ipv4/conf/eth0/rp_filter": 1})


def listen() -> socket.socket:
    """Return a UDP socket."""
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("", PORT))
    found.settimeout(30)
    return found


def spoof(source: str, destination: str, payload: bytes) -> None:
    """Send a datagram with a spoofed source address."""
    datagram = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, socket.IPPROTO_UDP, 0) + ends
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.sendto(header + datagram, (destination, 0))


def dropped(node: Node) -> int:
    """Return the number of packets dropped on input."""
    chains = node.run("nft", "list", "table", "inet", "wirewright_overlay")
    incoming = chains.partition("drop_ingress")[2].partition("}\n\n")[0].partition("chain ")[0]
    return sum(map(int, re.findall(r"counter packets (\d+) .*drop", incoming)))
