# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of nodes in every format, and the match of hosts and nodes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.nodes import (
    HostNames,
    Node,
    match,
    read_cluster,
    trimmed,
)

from .node_facts import cluster, document

RECORDED = ("kubeadm_flannel_dual_stack", "aks_azure_cni", "kubeadm_calico")


def test_all_fields_of_a_node_are_read() -> None:
    found = cluster("kubeadm_calico").nodes["worker-a.example.com"]
    assert replace(found, labels={}) == Node(
        "worker-a.example.com",
        {
            "InternalIP": ("198.51.100.1",),
            "Hostname": ("worker-a.example.com",),
            "ExternalIP": ("203.0.113.1",),
        },
        (parse_prefix("10.244.1.0/24"),),
        {},
        {
            "projectcalico.org/IPv4Address": "198.51.100.1/24",
            "projectcalico.org/IPv4IPIPTunnelAddr": "10.244.89.64",
        },
    )
    assert found.labels["kubernetes.io/hostname"] == "worker-a.example.com"


def test_dual_stack_is_read() -> None:
    node1 = cluster("kubeadm_flannel_dual_stack").nodes["node1"]
    assert node1.pod_cidrs == tuple(map(parse_prefix, ("10.244.1.0/24", "fd00:10:244:1::/64")))
    assert node1.internal_ips == ("192.0.2.11", "2001:db8:1::11")
    assert cluster("aks_azure_cni").nodes["aks-nodepool1-31718369-vmss000001"].pod_cidrs == ()


def test_a_cluster_without_dual_stack_has_one_pod_cidr() -> None:
    old = {"items": [{"metadata": {"name": "n"}, "spec": {"podCIDR": "10.244.7.0/24"}}]}
    assert read_cluster(old).nodes["n"].pod_cidrs == (parse_prefix("10.244.7.0/24"),)


def test_pod_cidrs_that_are_no_networks_are_left_out() -> None:
    listed = ["10.244.7.1/24", "none", 7, "10.244.8.0/24", "10.244.8.0/24"]
    odd = {"items": [{"metadata": {"name": "n"}, "spec": {"podCIDRs": listed}}]}
    assert read_cluster(odd).nodes["n"].pod_cidrs == (parse_prefix("10.244.8.0/24"),)


@pytest.mark.parametrize("name", RECORDED)
def test_every_format_of_a_list_has_the_same_result(name: str) -> None:
    whole = document(name)
    expected = read_cluster(whole)
    assert len(expected.nodes) == len(whole["items"])
    k8s_info = {"api_found": True, "changed": False, "resources": whole["items"]}
    for form in (json.dumps(whole), k8s_info, whole["items"], trimmed(whole), json.dumps(trimmed(whole)).encode()):
        assert read_cluster(form) == expected


@pytest.mark.parametrize("name", RECORDED)
def test_trimmed_nodes_are_small(name: str) -> None:
    for node in trimmed(document(name)):
        assert set(node["metadata"]) == {"name", "labels", "annotations"}
        assert set(node["spec"]) <= {"podCIDR", "podCIDRs"}
        assert set(node["status"]) == {"addresses"}
        assert not any(name.startswith(("kubeadm", "volumes")) for name in node["metadata"]["annotations"])


@pytest.mark.parametrize("wrong", ["", "error: no nodes", "{}", "[1]", {"items": "none"}, None, 7])
def test_other_documents_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"is not JSON|not a list of nodes"):
        read_cluster(wrong)


@pytest.mark.parametrize(
    "strange",
    [
        {"metadata": None, "spec": [], "status": 7},
        {"metadata": {"name": "n", "annotations": {"network.cilium.io/ipv4-pod-cidr": 7}}},
        {"metadata": {"name": "n"}, "status": {"addresses": [None, {"type": "InternalIP", "address": "nowhere"}]}},
    ],
)
def test_a_malformed_node_does_not_crash(strange: dict[str, object]) -> None:
    read_cluster([strange])
    trimmed([strange])


def names(inventory_name: str, *addresses: str, node_name: str = "", nodename: str = "") -> HostNames:
    return HostNames(inventory_name, node_name, nodename, tuple(map(parse_prefix, addresses)))


@pytest.mark.parametrize(
    ("host", "node"),
    [
        (names("node2"), "node2"),
        (names("anything", node_name="node3"), "node3"),
        (names("node1", node_name="node3"), "node3"),
        (names("k8s-first", nodename="node1"), "node1"),
        (names("k8s-first", nodename="node1.lan"), "node1"),
        (names("NODE2.example.com"), "node2"),
        (names("k8s-first", "192.0.2.12"), "node2"),
        (names("k8s-first", "2001:db8:1::13"), "node3"),
        (names("node1", "192.0.2.11", "10.0.0.1"), "node1"),
    ],
)
def test_hosts_match_nodes(host: HostNames, node: str) -> None:
    found = match(cluster("kubeadm_flannel_dual_stack"), host)
    assert isinstance(found, Node), found
    assert found.name == node


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        (names("node1", node_name="node9"), "no node 'node9'; it has 'node1', 'node2', 'node3'"),
        (names("node1", "192.0.2.12"), "its name matches the node 'node1', its addresses match 'node2'"),
        (names("gateway", "192.0.2.11", "192.0.2.12"), "its addresses match the nodes 'node1', 'node2'"),
        (names("gateway", "10.0.0.1"), "no node of the cluster has a name or an address of this host"),
    ],
)
def test_a_host_without_a_node_has_a_reason(host: HostNames, reason: str) -> None:
    found = match(cluster("kubeadm_flannel_dual_stack"), host)
    assert isinstance(found, str)
    assert reason in found


def test_a_first_label_that_two_nodes_share_is_no_match() -> None:
    shared = [{"metadata": {"name": f"web.{zone}"}} for zone in ("a", "b")]
    assert isinstance(match(read_cluster(shared), names("web")), str)
    assert isinstance(match(read_cluster(shared), names("web.b")), Node)


def test_an_address_that_two_nodes_claim_is_no_match() -> None:
    address = {"addresses": [{"type": "ExternalIP", "address": "203.0.113.1"}]}
    shared = [{"metadata": {"name": name}, "status": address} for name in ("a", "b")]
    assert isinstance(match(read_cluster(shared), names("web", "203.0.113.1")), str)


def test_an_inventory_name_may_be_an_address() -> None:
    found = match(cluster("kubeadm_flannel_dual_stack"), names("192.0.2.12", "192.0.2.12"))
    assert isinstance(found, Node)
    assert found.name == "node2"
