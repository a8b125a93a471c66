# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod CIDRs by source and plugin, and messages for sources that differ or have no result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes import pod_cidrs
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.host_fact import read_fact
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.nodes import Node
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.pod_cidrs import Inputs, PodCidrs, find

from .node_facts import (
    BIRD,
    CNI0,
    ETH0,
    FELIX,
    FLANNEL1,
    STATIC,
    cluster,
    flannel_fact,
    interface,
    node_fact,
    plugin,
    route,
)

NODE1 = cluster("kubeadm_flannel_dual_stack").nodes["node1"]
CALICO_NODE = cluster("kubeadm_calico").nodes["worker-a.example.com"]
AKS_NODE = cluster("aks_azure_cni").nodes["aks-nodepool1-31718369-vmss000000"]
NO_NODE = "the list of nodes is missing"

CALICO = node_fact(
    [interface("eth0", 2, "198.51.100.1/24"), interface("tunl0", 3, "10.244.89.64/32", kind="ipip", mtu=1480)],
    [
        route("198.51.100.0/24", "eth0"),
        route("10.244.89.64/26", type="blackhole", protocol=BIRD),
        route("10.244.89.70/32", "cali0a1b2c3d4e5", protocol=3),
        route("10.244.89.71/32", "cali5e4d3c2b1a0", protocol=3),
        route("10.244.90.9/32", "cali99999999999", protocol=3),  # borrowed from another node's block
    ],
    [plugin("calico", ipam="calico-ipam"), plugin("portmap")],
)
WORKLOAD_IPS = node_fact(
    [ETH0], [route("10.1.0.7/32", "cali0"), route("10.1.0.9/32", "cali1")], [plugin("calico", ipam="calico-ipam")]
)
AZURE = node_fact(
    [interface("eth0", 2, "10.240.0.4/16")],
    [
        route("10.240.0.0/16", "eth0"),
        route("168.63.129.16/32", "eth0"),
        route("10.240.0.12/32", "azv1a2b", protocol=STATIC),
        route("10.240.0.19/32", "azv3c4d", protocol=STATIC),
    ],
    [plugin("azure-vnet", ipam="azure-vnet-ipam")],
)
AMAZON = node_fact(
    [interface("eth0", 2, "10.0.3.10/24")],
    [route("10.0.3.0/24", "eth0"), route("10.0.3.45/32", "enia1b2c3"), route("10.0.3.46/32", "enid4e5f6")],
    [plugin("aws-cni")],
)
CILIUM = node_fact(
    [ETH0, interface("cilium_host", 4, "10.0.1.23/32")],
    [
        route("10.0.1.0/24", "cilium_host"),
        route("10.0.1.23/32", "cilium_host"),
        route("10.0.1.77/32", "lxc8f1e"),
    ],
    [plugin("cilium-cni")],
)
KUBENET = node_fact(
    [ETH0, interface("cbr0", 3, "10.244.7.1/24", kind="bridge")],
    [route("10.244.7.0/24", "cbr0"), route("172.17.0.0/16", "docker0"), route("10.66.0.0/24", "wg0")],
)


PODMAN = node_fact([ETH0], plugins=[plugin("bridge", "10.88.0.0/16", bridge="cni-podman0"), plugin("portmap")])


def told(fact: dict[str, Any] | None, node: Node | None = None, inventory: Sequence[str] = ()) -> Inputs:
    return Inputs(tuple(map(parse_prefix, inventory)), node, NO_NODE, read_fact(fact))


def found(source: str, *arguments: Any) -> tuple[list[str], str, tuple[str, ...]]:
    answer = find(source, told(*arguments))
    assert isinstance(answer, PodCidrs), answer
    return list(map(str, answer.cidrs)), answer.source, answer.doubts


@pytest.mark.parametrize(
    ("source", "arguments", "expected"),
    [
        ("inventory", (None, None, ["10.1.0.0/24", "fd00::/64"]), ["10.1.0.0/24", "fd00::/64"]),
        ("kubernetes", (None, NODE1), ["10.244.1.0/24", "fd00:10:244:1::/64"]),
        ("cni", (flannel_fact(),), ["10.244.1.0/24", "fd00:10:244:1::/64"]),
        ("routes", (flannel_fact(),), ["10.244.1.0/24", "fd00:10:244:1::/64"]),
        (
            "cni",
            (node_fact([ETH0], plugins=[plugin("bridge", "10.22.1.0/24", "fd22::/64")]),),
            ["10.22.1.0/24", "fd22::/64"],
        ),
        ("routes", (CALICO,), ["10.244.89.64/26", "10.244.90.9/32"]),
        ("routes", (WORKLOAD_IPS,), ["10.1.0.7/32", "10.1.0.9/32"]),
        ("routes", (AZURE,), ["10.240.0.12/32", "10.240.0.19/32"]),
        ("routes", (AMAZON,), ["10.0.3.45/32", "10.0.3.46/32"]),
        ("routes", (CILIUM,), ["10.0.1.0/24"]),
        ("routes", (KUBENET,), ["10.244.7.0/24"]),
    ],
)
def test_each_source(source: str, arguments: Any, expected: list[str]) -> None:
    assert found(source, *arguments) == (expected, source, ())


@pytest.mark.parametrize(
    ("arguments", "source", "expected"),
    [
        (
            (flannel_fact(), NODE1, ["10.244.1.0/24", "fd00:10:244:1::/64"]),
            "inventory",
            ["10.244.1.0/24", "fd00:10:244:1::/64"],
        ),
        ((flannel_fact(), NODE1), "kubernetes", ["10.244.1.0/24", "fd00:10:244:1::/64"]),
        ((flannel_fact(), AKS_NODE), "cni", ["10.244.1.0/24", "fd00:10:244:1::/64"]),
        ((flannel_fact(),), "cni", ["10.244.1.0/24", "fd00:10:244:1::/64"]),
        ((KUBENET,), "routes", ["10.244.7.0/24"]),
        ((AZURE, AKS_NODE), "routes", ["10.240.0.12/32", "10.240.0.19/32"]),
        # Calico assigns blocks and ignores spec.podCIDRs
        ((CALICO, CALICO_NODE), "routes", ["10.244.89.64/26", "10.244.90.9/32"]),
        ((None, NODE1), "kubernetes", ["10.244.1.0/24", "fd00:10:244:1::/64"]),
    ],
)
def test_auto_uses_the_first_source_with_a_result(arguments: Any, source: str, expected: list[str]) -> None:
    assert found("auto", *arguments) == (expected, source, ())


@pytest.mark.parametrize(
    ("source", "arguments", "doubts"),
    [
        (
            "auto",
            (CILIUM, CALICO_NODE),
            [
                "node 'worker-a.example.com' has 10.244.1.0/24, but the host's routing table has 10.0.1.0/24, which is left "
                "out; set routes as source, or all pod networks"
            ],
        ),
        (
            "auto",
            (flannel_fact(), NODE1, ["10.244.1.0/24"]),
            [
                "the inventory has 10.244.1.0/24, but node 'node1' has fd00:10:244:1::/64",
                "but flannel's subnet.env has fd00:10:244:1::/64",
                "but the host's routing table has fd00:10:244:1::/64",
            ],
        ),
        ("kubernetes", (CALICO, CALICO_NODE), ["but the host's routing table has 10.244.89.64/26, 10.244.90.9/32"]),
        # a source set in the inventory is compared with the routes only
        ("inventory", (flannel_fact(), CALICO_NODE, ["10.244.0.0/16", "fd00:10:244:1::/64"]), []),
    ],
)
def test_pods_left_out_are_reported(source: str, arguments: Any, doubts: list[str]) -> None:
    said = found(source, *arguments)[2]
    assert len(said) == len(doubts)
    assert all(doubt in text for doubt, text in zip(doubts, said))


@pytest.mark.parametrize(
    ("source", "arguments", "reasons"),
    [
        ("inventory", (None,), ["inventory: the inventory has none"]),
        ("kubernetes", (None,), [NO_NODE]),
        ("kubernetes", (None, AKS_NODE), ["has no spec.podCIDRs, for example if pods use the nodes' network"]),
        ("cni", (KUBENET,), ["the host has no configuration of network plugins"]),
        ("cni", (AMAZON,), ["/etc/cni/net.d/10-x.conflist (aws-cni) has no subnet"]),
        ("cni", (PODMAN,), ["/etc/cni/net.d/10-x.conflist belongs to podman, and no other plugin is configured"]),
        ("cni", (None,), ["cni: the host is unreachable"]),
        (
            "cni",
            (node_fact([], notes=["/etc/cni/net.d/1.conf: not JSON"]),),
            ["(/etc/cni/net.d/1.conf: not JSON)"],
        ),
        ("routes", (node_fact([ETH0]),), ["no route of the host leads to its own pods"]),
        (
            "auto",
            (node_fact([ETH0], plugins=[plugin("calico", ipam="calico-ipam")]), CALICO_NODE),
            [
                "inventory: the inventory has none; kubernetes: calico-ipam assigns other addresses than 10.244.1.0/24",
                "; cni: ",
                "; routes: ",
                "; set its pod networks",
            ],
        ),
    ],
)
def test_missing_pod_cidrs_have_a_reason(source: str, arguments: Any, reasons: list[str]) -> None:
    answer = find(source, told(*arguments))
    assert isinstance(answer, str)
    assert all(reason in answer for reason in reasons), answer


def test_annotations_of_cilium_take_precedence() -> None:
    node = replace(NODE1, annotations={"network.cilium.io/ipv4-pod-cidr": "10.0.1.0/24"})
    assert found("auto", CILIUM, node) == (["10.0.1.0/24"], "kubernetes", ())


def test_use_pod_cidr_is_the_pod_cidr_of_the_node() -> None:
    fact = node_fact([ETH0], plugins=[plugin("calico", "usePodCidr", ipam="host-local")])
    assert found("cni", fact, NODE1)[0] == ["10.244.1.0/24", "fd00:10:244:1::/64"]
    assert "has no subnet" in str(find("cni", told(fact)))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("10.22.1.0", "10.22.1.255", ["10.22.1.0/24"]),
        ("10.22.1.16", "10.22.1.47", ["10.22.1.16/28", "10.22.1.32/28"]),
        ("10.22.1.16", "", ["10.22.0.0/16"]),
        ("10.22.1.47", "10.22.1.16", ["10.22.0.0/16"]),
        ("10.22.1.16", "fd00::1", ["10.22.0.0/16"]),
    ],
)
def test_range_of_a_shared_subnet(start: str, end: str, expected: list[str]) -> None:
    shared = {**plugin("bridge"), "subnets": [{"subnet": "10.22.0.0/16", "range_start": start, "range_end": end}]}
    assert found("cni", node_fact([ETH0], plugins=[shared]))[0] == expected


def gateways_of(fact: dict[str, Any], *cidrs: str) -> dict[int, str]:
    found = pod_cidrs.gateways(tuple(map(parse_prefix, cidrs)), read_fact(fact))
    return {family: address.bare for family, address in found.items()}


KWG0 = interface("kwg0", 9, "10.244.1.0/32", managed=True)


@pytest.mark.parametrize(
    ("fact", "cidrs", "expected"),
    [
        (flannel_fact(), ["10.244.1.0/24", "fd00:10:244:1::/64"], {4: "10.244.1.1", 6: "fd00:10:244:1::1"}),
        (node_fact([ETH0, FLANNEL1, KWG0]), ["10.244.1.0/24"], {4: "10.244.1.0"}),  # before the first pod
        (node_fact([ETH0, KWG0]), ["10.244.1.0/24"], {}),
        (node_fact([ETH0, {**CNI0, "up": False}]), ["10.244.1.0/24"], {}),
        (CALICO, ["10.244.89.64/26"], {4: "10.244.89.64"}),
        (CILIUM, ["10.0.1.0/24"], {4: "10.0.1.23"}),
        (AZURE, ["10.240.0.4/32"], {}),
        (node_fact([]), ["10.244.1.0/24"], {}),
    ],
)
def test_own_address_in_the_pod_network(fact: dict[str, Any], cidrs: list[str], expected: dict[int, str]) -> None:
    assert gateways_of(fact, *cidrs) == expected


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (flannel_fact(), ("cni0",)),
        (CALICO, ("cali*",)),
        (AZURE, ("azv*",)),
        (AMAZON, ("eni*",)),
        (CILIUM, ("cilium_host", "lxc*")),
        (KUBENET, ("cbr0",)),
        (PODMAN, ()),
        (node_fact([ETH0], plugins=[plugin("bridge", bridge="mybr0"), plugin("ptp")]), ("mybr0", "veth*")),
        (node_fact([ETH0], [route("10.1.0.7/32", "veth12"), route("10.1.0.8/32", "eth0")]), ("veth*",)),
        (node_fact([ETH0]), ()),
    ],
)
def test_devices_of_pods(fact: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert pod_cidrs.pod_interfaces(read_fact(fact)) == expected


def test_flannel_before_the_first_pod() -> None:
    fresh = node_fact([ETH0, FLANNEL1], [route("192.0.2.0/24", "eth0")], [plugin("flannel")], ["10.244.1.1/24"])
    assert found("auto", fresh) == (["10.244.1.0/24"], "cni", ())


def test_foreign_blackhole_routes_are_ignored() -> None:
    foreign = node_fact([ETH0], [route("10.244.1.0/24", type="blackhole", protocol=STATIC)])
    assert "no route" in str(find("routes", told(foreign)))
    felix = node_fact([ETH0], [route("10.244.1.0/26", type="blackhole", protocol=FELIX)])
    assert found("routes", felix)[0] == ["10.244.1.0/26"]
