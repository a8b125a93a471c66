# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Discovery of whole hosts: recorded cluster, fact and settings in; addresses, pods and problems out."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.discovery import (
    Discovery,
    DiscoverySettings,
    discover,
    shared_nodes,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.node_address import NodeAddress
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.nodes import read_cluster
from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import format_problems

from .node_facts import CNI0, ETH0, cluster, document, flannel_fact, interface, node_fact

DEFAULTS = DiscoverySettings()
FLANNEL = cluster("kubeadm_flannel_dual_stack")


def test_a_dual_stack_node_of_flannel() -> None:
    settings = replace(DEFAULTS, node_ip_families=(4, 6))
    assert discover("node1", settings, flannel_fact(), FLANNEL) == (
        Discovery(
            addresses=(
                NodeAddress(4, parse_prefix("192.0.2.11"), "eth0", 1500),
                NodeAddress(6, parse_prefix("2001:db8:1::11"), "eth0", 1500),
            ),
            pod_cidrs=(parse_prefix("10.244.1.0/24"), parse_prefix("fd00:10:244:1::/64")),
            source="kubernetes",
            pod_gateways={4: parse_prefix("10.244.1.1"), 6: parse_prefix("fd00:10:244:1::1")},
            pod_interfaces=("cni0",),
            node="node1",
            has_fact=True,
        ),
        (),
    )


def test_settings_alone_are_enough() -> None:
    settings = replace(DEFAULTS, node_ip=(parse_address("192.0.2.11"),), pod_cidrs=(parse_prefix("10.244.1.0/24"),))
    found, problems = discover("alpha", settings, node_fact([ETH0, CNI0]), None)
    assert problems == ()
    assert found.addresses == (NodeAddress(4, parse_prefix("192.0.2.11"), "eth0", 1500),)
    assert (tuple(map(str, found.pod_cidrs)), found.source, found.pod_gateways) == (
        ("10.244.1.0/24",),
        "inventory",
        {4: parse_prefix("10.244.1.1")},
    )
    assert found.node == ""


def test_a_family_without_an_address_is_detected() -> None:
    settings = replace(
        DEFAULTS,
        node_ip=(parse_address("192.0.2.11"),),
        node_ip_detection="interface=eth1",
        node_ip_families=(6, 4),
        pod_cidr_source="kubernetes",
    )
    fact = node_fact([ETH0, interface("eth1", 3, "fd01::5/64", "10.9.0.1/16", mtu=9000)])
    found, problems = discover("node1", settings, fact, FLANNEL)
    assert problems == ()
    assert [entry.address.bare for entry in found.addresses] == ["fd01::5", "192.0.2.11"]
    assert [entry.mtu for entry in found.addresses] == [9000, 1500]


def lines(settings: DiscoverySettings, fact: dict[str, Any] | None, *, asked: bool = True) -> list[str]:
    return format_problems(discover("node1", settings, fact, FLANNEL if asked else None)[1])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"node_ip_detection": "eth0"},
            ["host 'node1': node_encryption_node_ip_detection: 'eth0' is not a detection method"],
        ),
        (
            {"node_ip": (parse_address("192.0.2.99"),)},
            ["node_encryption_node_ip: 192.0.2.99 is on no interface of the host"],
        ),
        ({"pod_cidr_source": "inventory"}, ["node_encryption_pod_cidrs: inventory: the inventory has none"]),
        (
            {"node_name": "node9", "pod_cidr_source": "kubernetes"},
            ["node_encryption_node_name: the cluster has no node 'node9'; it has 'node1', 'node2', 'node3'"],
        ),
        (
            {
                "node_ip_detection": "interface=cni0",
                "pod_cidr_source": "inventory",
                "pod_cidrs": (parse_prefix("10.244.1.0/24"),),
            },
            [
                "node_ip_detection: 10.244.1.1 (cni0) is inside 10.244.1.0/24, the node's own pod network; set its address"
            ],
        ),
        (
            {"node_ip_detection": "interface=nothing", "node_ip_families": (4, 6), "pod_cidr_source": "inventory"},
            ["finds no IPv4 address", "finds no IPv6 address", "the inventory has none"],
        ),
    ],
)
def test_all_problems_are_reported_at_once(changes: dict[str, Any], expected: list[str]) -> None:
    found = lines(replace(DEFAULTS, **changes), flannel_fact())
    assert len(found) == len(expected)
    assert all(text in line for text, line in zip(expected, found)), found


def test_without_a_cluster_the_remedy_is_named() -> None:
    bare = node_fact([ETH0])
    found = lines(DEFAULTS, bare, asked=False)
    assert any(
        "node_ip_detection: the list of the cluster's nodes is missing; configure how to get it" in line
        for line in found
    )
    assert any("pod_cidr_source: no source has its pod networks; inventory: " in line for line in found)


@pytest.mark.parametrize("fact", [None, {"boot_id": "x"}])
def test_an_unreachable_host_is_planned_from_the_list_of_nodes(fact: dict[str, Any] | None) -> None:
    found, problems = discover("node2", DEFAULTS, fact, FLANNEL)
    assert problems == ()
    assert found.addresses == (NodeAddress(4, parse_prefix("192.0.2.12")),)
    assert tuple(map(str, found.pod_cidrs)) == ("10.244.2.0/24", "fd00:10:244:2::/64")
    assert (found.pod_gateways, found.pod_interfaces, found.warnings) == ({}, (), ())


def test_unknown_facts_of_an_unreachable_host_are_warnings() -> None:
    found, problems = discover("node2", replace(DEFAULTS, node_ip_detection="first-found"), None, None)
    assert problems == ()
    assert len(found.warnings) == 2
    assert "is unreachable" in found.warnings[0].text


def test_contradictions_are_warnings() -> None:
    settings = replace(DEFAULTS, node_name="node2", node_ip_detection="first-found")
    found, problems = discover("node1", settings, flannel_fact(), FLANNEL)
    assert problems == ()
    assert tuple(map(str, found.pod_cidrs)) == ("10.244.2.0/24", "fd00:10:244:2::/64")
    assert [warning.variable for warning in found.warnings] == ["node_encryption_pod_cidr_source"] * 2
    assert "routing table has 10.244.1.0/24, fd00:10:244:1::/64, which is left out" in found.warnings[1].text


def test_hosts_that_match_the_same_node_are_named() -> None:
    first, second, third = (Discovery(node=node) for node in ("node1", "node1", "node2"))
    found = format_problems(shared_nodes({"a": first, "b": second, "c": third, "d": Discovery(), "e": Discovery()}))
    assert found == [
        "hosts 'a', 'b': node_encryption_node_name: the hosts 'a', 'b' all match the node 'node1'; "
        "set the node of each of them"
    ]


@pytest.mark.parametrize(
    "nonsense",
    [
        {"node": {}},
        {"node": {"interfaces": [None, 7, {"name": 7, "addresses": "10.0.0.1"}, {"addresses": ["x", None]}]}},
        {
            "node": {
                "routes": [{"destination": "x"}, {}],
                "cni": [],
                "flannel": "x",
                "can_reach": [],
                "notes": [7],
            }
        },
        {"node": {"cni": {"file": 7, "plugins": [{"type": []}, None]}, "flannel": {"subnets": ["x"]}}},
    ],
)
def test_a_malformed_fact_does_not_crash(nonsense: dict[str, Any]) -> None:
    for source in ("auto", "cni", "routes"):
        for method in ("first-found", "can-reach=192.0.2.1", "kubernetes-internal-ip"):
            discover("node1", replace(DEFAULTS, pod_cidr_source=source, node_ip_detection=method), nonsense, FLANNEL)


def test_time_of_two_hundred_nodes() -> None:
    sample = document("kubeadm_flannel_dual_stack")["items"][0]
    items = []
    for number in range(200):
        spec = {"podCIDRs": [f"10.{number}.0.0/16"]}
        addresses = {"addresses": [{"type": "InternalIP", "address": f"192.0.2.{number}"}]}
        items.append({**sample, "metadata": {"name": f"n{number}"}, "spec": spec, "status": addresses})
    pods = [{"destination": f"10.0.1.{last}/32", "type": "unicast", "interface": "veth1"} for last in range(110)]
    start = time.process_time()
    nodes = read_cluster({"items": items})
    for number in range(200):
        fact = node_fact([interface("eth0", 2, f"192.0.2.{number}/24")], pods)
        assert discover(f"host{number}", DEFAULTS, fact, nodes)[0].node == f"n{number}"
    assert time.process_time() - start < 1  # 0.16 s when measured first
