# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives passes the source check of IPv4 (rp_filter), whatever it is; and what that rests on, each taken away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.document import host_document
from encrypted_nodes import CLOSED, EncryptedNodes
from forged_datagrams import listen, send_as
from managed_host import wait_until
from node_cluster import Node

# Without one of these the device lets in only what would leave by it.
LOOSE_DEVICE = {
    "the address of the device": "ip addr del 10.244.1.0/32 dev kwg0",
    "its loose source check": "echo 1 >/proc/sys/net/ipv4/conf/kwg0/rp_filter",
}
# Without one of these a node's own tunnel packets seem to come from within the tunnel.
MARK = {
    "the mark of tunnel packets that arrive": "nft flush chain inet wirewright_overlay $(nft list table inet"
    " wirewright_overlay | sed -n 's/.*chain \\(.*set_mark.*\\) {/\\1/p')",
    "the source check's view of it": "echo 0 >/proc/sys/net/ipv4/conf/all/src_valid_mark",
}


def drops(cluster: EncryptedNodes) -> list[int]:
    return [node.source_check_drops() for node in cluster.nodes]


@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("value", [0, 1, 2])
def test_whatever_the_source_check_of_the_underlay(cluster: EncryptedNodes, value: int) -> None:
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


@pytest.mark.both
@pytest.mark.long
def test_device_without_address_or_loose_check_drops_what_would_leave_elsewhere(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    document = host_document(cluster.phased().plan, "n1")
    for what, command in LOOSE_DEVICE.items():
        # As in a roll-out: n2 sends encrypted already, and n1's own way there is the plain one.
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
def test_strict_check_drops_what_is_not_marked(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    document = host_document(cluster.phased(host_encryption=True).plan, "n1")
    for what, command in MARK.items():
        before = drops(cluster)
        assert cluster.ping(n2, n1.ipv4, count=2) == cluster.ping(n2.pod, n1.pod.ipv4, count=2) == 2
        assert drops(cluster) == before
        n1.host.shell(command)
        assert_dropped(n1, lambda: n2.knock(n1.ipv4), what)
        assert n1.apply(**document).changed
    assert cluster.ping(n2, n1.ipv4, count=1) == 1
    # The mark is for the tunnel's packets alone: plain ones in the name of a node are not let in by it.
    assert_dropped(n1, lambda: send_as(cluster.external, n2.ipv4, n1.ipv4, b"forged"), "forged")


@pytest.mark.both
@pytest.mark.long
def test_nodes_answer_each_other_on_the_link(cluster: EncryptedNodes) -> None:
    n1, n2, _n3 = cluster.nodes
    document = host_document(cluster.phased(host_encryption=True, **CLOSED).plan, "n2")
    assert is_answered(n1, n2, n2.ipv4) and is_answered(n1, n2, n2.ipv6)
    n2.run("nft", "delete", "table", "arp", "wirewright_overlay")
    assert not is_answered(n1, n2, n2.ipv4), "n2 answers nobody to whom it would send through the tunnel"
    assert n2.apply(**document).changed
    assert is_answered(n1, n2, n2.ipv4)
    cluster.phased(state="absent")
    assert "wirewright" not in n2.run("nft", "list", "ruleset")
    assert is_answered(n1, n2, n2.ipv4) and is_answered(n1, n2, n2.ipv6)


def is_answered(asking: Node, asked: Node, address: str) -> bool:
    """Let a node ask whether a neighbour is still there, as it does after half a minute, and return whether that answers."""
    neighbour = ["neigh", "replace", address, "lladdr", asked.host.shell("cat /sys/class/net/eth0/address").strip()]
    asking.run("ip", *neighbour, "dev", "eth0", "nud", "probe")
    wait_until(lambda: "PROBE" not in _state_of(asking, address), "the kernel has asked three times")
    return "REACHABLE" in _state_of(asking, address)


def _state_of(asking: Node, address: str) -> str:
    """Return what a node knows of a neighbour."""
    return asking.run("ip", "neigh", "show", address, "dev", "eth0")


def assert_dropped(node: Node, send: Callable[[], None], what: str) -> None:
    before = node.source_check_drops()
    send()
    wait_until(lambda: node.source_check_drops() > before, f"the source check drops packets without {what}")
