# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that reach the pods of others through another interface than that of their own addresses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.counters import Node as TrafficNode
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.run import underlay_interfaces
from encrypted_nodes import EncryptedNodes
from node_cluster import Node, Place


@pytest.fixture
def second(cluster: EncryptedNodes) -> Iterator[EncryptedNodes]:
    """Route the pods of IPv4 through eth1, with a strict source check there."""
    switch = cluster.nodes[0].netns.replace("-n1", "-net")
    link(switch, "link add br1 type bridge", "link set br1 up")
    for node in cluster.nodes:
        link(switch, f"link add second{node.number} type veth peer name eth1 netns {node.netns}")
        link(switch, f"link set second{node.number} master br1 up")
        node.batch("link set eth1 up", f"addr add 10.1.0.{node.number}/24 dev eth1")
        node.set_sysctls({"ipv4/conf/eth1/rp_filter": 1})
    for node in cluster.nodes:
        node.batch(*pod_routes(cluster, node, "10.1.0.{}"))
    yield cluster
    link(switch, "link del br1")
    for node in cluster.nodes:
        node.batch("link del eth1", *pod_routes(cluster, node, "10.0.0.{}"))


def link(netns: str, *lines: str) -> None:
    Place(netns, "", "").batch(*lines)


def pod_routes(cluster: EncryptedNodes, node: Node, gateway: str) -> list[str]:
    """Return the routes to the pods of the other nodes."""
    others = [other for other in cluster.nodes if other is not node]
    return [f"route replace {other.pod_networks[0]} via {gateway.format(other.number)}" for other in others]


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.long
def test_pods_behind_a_second_interface_lose_nothing(second: EncryptedNodes) -> None:
    n1, n2, n3 = second.nodes
    before = [node.source_check_drops() for node in second.nodes]
    answered = []

    def after_send(_node: Node) -> None:
        pairs = ((n1.pod, n2.pod), (n2.pod, n3.pod), (n3.pod, n1.pod))
        answered.append([second.ping(source, target.ipv4, count=2, wait=1) for source, target in pairs])

    second.phased(after_send=after_send)
    assert answered == [[2, 2, 2]] * 3
    assert [node.source_check_drops() for node in second.nodes] == before
    for node in second.nodes:
        value = node.host.run("cat", "/proc/sys/net/ipv4/conf/eth1/rp_filter")
        assert value == "1\n", "the source check is strict again"

    # The capture sees both interfaces.
    nodes = [
        TrafficNode(node.name, (parse_prefix(node.ipv4),), (parse_prefix(node.pod_networks[0]),))
        for node in second.nodes
    ]
    assert set(n1.host.call(lambda: underlay_interfaces(nodes, 0x100000))) == {"eth0", "eth1"}
