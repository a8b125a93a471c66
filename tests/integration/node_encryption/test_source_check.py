# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets pass every source check of IPv4 (rp_filter); without any object that this depends on they do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from encrypted_nodes import CLOSED, EncryptedNodes
from forged_datagrams import listen, send_as
from managed_host import wait_until
from node_cluster import Node

# Without one of these the device accepts only sources that are routed to it.
LOOSE_DEVICE = {
    "the address of the device": "ip addr del 10.244.1.0/32 dev kwg0",
    "its loose source check": "echo 1 >/proc/sys/net/ipv4/conf/kwg0/rp_filter",
}
# Without one of these the sources of a node's tunnel packets are routed into the tunnel.
MARK = {
    "the mark of tunnel packets that arrive": "nft flush chain inet wirewright_overlay $(nft list table inet"
    " wirewright_overlay | sed -n 's/.*chain \\(.*set_mark.*\\) {/\\1/p')",
    "the source check's view of it": "echo 0 >/proc/sys/net/ipv4/conf/all/src_valid_mark",
}


def drops(cluster: EncryptedNodes) -> list[int]:
    return [node.source_check_drops() for node in cluster.nodes]


@pytest.mark.sampled(3)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("value", [0, 1, 2])
def test_every_source_check_of_the_underlay(cluster: EncryptedNodes, value: int) -> None:
    n1, n2, n3 = cluster.nodes
    wanted = {f"ipv4/conf/{name}/rp_filter": value for name in ("all", "eth0")}
    for node in cluster.nodes:
        node.set_sysctls(wanted)
    before = drops(cluster)
    try:
        with cluster.steady_ping(n1.pod, n2.pod.ipv4) as pods, cluster.steady_ping(n3, n1.pod.ipv4) as host:
            cluster.phased()
            assert cluster.ping(n2.pod, n3.ipv4, count=1) == 1
            assert pods.lost() == host.lost() == []
        for node in cluster.nodes:
            assert node.host.run("cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter") == f"{value}\n", "as it was"
        assert drops(cluster) == before, "and nothing else was dropped on the way there"
    finally:
        for node in cluster.nodes:
            node.set_sysctls({f"ipv4/conf/{name}/rp_filter": 1 for name in ("all", "eth0")})


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_device_without_address_or_loose_check_drops_asymmetric_packets(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    document = host_document(cluster.phased().plan, "n1")
    for what, command in LOOSE_DEVICE.items():
        # As in a roll-out: n2 already encrypts, n1 still sends plaintext.
        n1.host.shell("ip rule del pref 99")
        before = n1.source_check_drops()
        with listen(n1.pod) as receiver:
            send_as(n2.pod, n2.pod.ipv4, n1.pod.ipv4, b"let in")
            assert receiver.recv(100) == b"let in"
        assert n1.source_check_drops() == before
        n1.host.shell(command)
        assert_dropped(n1, lambda: send_as(n2.pod, n2.pod.ipv4, n1.pod.ipv4, b"kept out"), what)
        assert n1.apply(**document).changed
    assert cluster.ping(n2.pod, n1.pod.ipv4, count=1) == 1


@pytest.mark.both
@pytest.mark.long
def test_strict_check_drops_unmarked_packets(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    document = host_document(cluster.phased(host_encryption=True).plan, "n1")
    for what, command in MARK.items():
        before = drops(cluster)
        assert cluster.ping(n2, n1.ipv4, count=2) == cluster.ping(n2.pod, n1.pod.ipv4, count=2) == 2
        assert drops(cluster) == before
        n1.host.shell(command)
        assert_dropped(n1, lambda: n2.send_unanswered(n1.ipv4), what)
        assert n1.apply(**document).changed
    assert cluster.ping(n2, n1.ipv4, count=1) == 1
    # Only packets of the tunnel get the mark: spoofed plaintext packets of a node are dropped.
    assert_dropped(n1, lambda: send_as(cluster.external, n2.ipv4, n1.ipv4, b"forged"), "forged")


@pytest.mark.both
@pytest.mark.long
def test_nodes_answer_arp_requests_on_the_link(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    document = host_document(cluster.phased(host_encryption=True, **CLOSED).plan, "n2")
    assert is_answered(n1, n2, n2.ipv4) and is_answered(n1, n2, n2.ipv6)
    n2.run("nft", "delete", "table", "arp", "wirewright_overlay")
    assert not is_answered(n1, n2, n2.ipv4), "n2 does not answer hosts that it reaches through the tunnel"
    assert n2.apply(**document).changed
    assert is_answered(n1, n2, n2.ipv4)
    cluster.phased(state="absent")
    assert "wirewright" not in n2.run("nft", "list", "ruleset")
    assert is_answered(n1, n2, n2.ipv4) and is_answered(n1, n2, n2.ipv6)


def is_answered(sender: Node, target: Node, address: str) -> bool:
    """Send the ARP request that a node sends after 30 seconds, and return whether the neighbour answers."""
    neighbour = ["neigh", "replace", address, "lladdr", target.host.shell("cat /sys/class/net/eth0/address").strip()]
    sender.run("ip", *neighbour, "dev", "eth0", "nud", "probe")
    wait_until(lambda: "PROBE" not in _state_of(sender, address), "the kernel has sent three requests")
    return "REACHABLE" in _state_of(sender, address)


def _state_of(sender: Node, address: str) -> str:
    """Return the state of a node's neighbour entry."""
    return sender.run("ip", "neigh", "show", address, "dev", "eth0")


def assert_dropped(node: Node, send: Callable[[], None], what: str) -> None:
    before = node.source_check_drops()
    send()
    wait_until(lambda: node.source_check_drops() > before, f"the source check drops packets without {what}")
