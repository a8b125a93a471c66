# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every method to detect a node's address, the interfaces it skips, and its message without a result."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes import node_address
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.host_fact import HostFact, read_fact
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.node_address import (
    METHODS,
    Inputs,
    NodeAddress,
    detect,
    explicit,
    parse_method,
)

from .node_facts import cluster, interface, node_fact

INTERFACES = [
    interface("eth0", 2, "192.0.2.11/24", "2001:db8:1::11/64"),
    interface("eth1", 3, "10.9.0.11/16", mtu=9000),
    interface("eth2", 4, "198.51.100.1/24", up=False),
    interface("docker0", 5, "172.17.0.1/16", kind="bridge"),
    interface("cali0a1b2c", 6, "10.9.7.7/32"),
    interface("kwg0", 7, "10.244.1.0/32", "192.0.2.99/32", kind="wireguard", managed=True, mtu=1440),
    interface("wg7", 8, "10.66.0.1/24", kind="wireguard", mtu=1420),
]
ETH0 = NodeAddress(4, parse_prefix("192.0.2.11"), "eth0", 1500)
ETH0_IPV6 = NodeAddress(6, parse_prefix("2001:db8:1::11"), "eth0", 1500)
ETH1 = NodeAddress(4, parse_prefix("10.9.0.11"), "eth1", 9000)


def fact(*more: dict[str, Any], **other: Any) -> HostFact:
    found = read_fact(node_fact([*INTERFACES, *more], **other))
    assert found is not None
    return found


def told(**changes: Any) -> Inputs:
    node = cluster("kubeadm_flannel_dual_stack").nodes["node1"]
    reach = {"203.0.113.9": {"ipv4": "10.9.0.11", "ipv6": None}, "api.example.com": {"ipv6": "2001:db8:1::11"}}
    default = Inputs(fact(can_reach=reach), node, "there is no node", "192.0.2.11")
    return default._replace(**changes)


@pytest.mark.parametrize(
    ("method", "family", "expected"),
    [
        ("first-found", 4, ETH1),  # the newest that is up, not of a plugin, and no tunnel
        ("first-found", 6, ETH0_IPV6),
        ("skip-interface=eth1", 4, ETH0),
        ("skip-interface=nothing, ^eth1$", 4, ETH0),
        ("interface=eth0", 4, ETH0),
        ("interface=eth", 4, ETH1),
        ("interface=th0", 4, ETH0),
        ("interface=eth7,eth0", 4, ETH0),
        ("interface=docker0", 4, NodeAddress(4, parse_prefix("172.17.0.1"), "docker0", 1500)),
        ("interface=wg7", 4, NodeAddress(4, parse_prefix("10.66.0.1"), "wg7", 1420)),
        ("interface=(eth0|kwg0)", 4, ETH0),  # managed ones come last
        ("interface=kwg0", 4, NodeAddress(4, parse_prefix("10.244.1.0"), "kwg0", 1440)),
        ("cidr=192.0.2.0/24", 4, ETH0),
        ("cidr=203.0.113.0/24,172.16.0.0/12", 4, NodeAddress(4, parse_prefix("172.17.0.1"), "docker0", 1500)),
        ("cidr=2001:db8::/32", 6, ETH0_IPV6),
        ("can-reach=203.0.113.9", 4, ETH1),
        ("can-reach=api.example.com", 6, ETH0_IPV6),
        ("kubernetes-internal-ip", 4, ETH0),
        ("kubernetes-internal-ip", 6, ETH0_IPV6),
        ("ansible_host", 4, ETH0),
    ],
)
def test_an_address_is_detected(method: str, family: int, expected: NodeAddress) -> None:
    assert detect(parse_method(method), family, told()) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("docker0", "cbr0", "dummy0", "podman1", "virbr0", "lxcbr0", "veth12", "lo", "lo1", "br-4f2a", "cali7"),
        *("tunl0", "flannel.1", "kube-ipvs0", "cni0", "vxlan.calico", "vxlan-v6.calico", "wireguard.cali"),
        *("wg-v6.cali", "nodelocaldns", "cilium_host", "lxc1", "kube-bridge", "ovn-k8s-mp0", "antrea-gw0"),
    ],
)
def test_first_found_skips_interfaces_of_plugins(name: str) -> None:
    newest = fact(interface(name, 50, "203.0.113.50/24"))
    assert detect(parse_method("first-found"), 4, told(fact=newest)) == ETH1
    assert detect(parse_method("skip-interface=eth1"), 4, told(fact=newest)) == ETH0
    named = detect(parse_method("interface=^" + name), 4, told(fact=newest))
    assert isinstance(named, NodeAddress)
    assert named.interface == name


@pytest.mark.parametrize("name", ["eth9", "enp0s3", "bond0", "ens192", "mycali0", "vxlan0", "br0", "bridge"])
def test_first_found_takes_other_names(name: str) -> None:
    found = detect(parse_method("first-found"), 4, told(fact=fact(interface(name, 50, "203.0.113.50/24"))))
    assert found == NodeAddress(4, parse_prefix("203.0.113.50"), name, 1500)


@pytest.mark.parametrize(
    ("method", "family", "reason"),
    [
        ("interface=eth7", 4, "interface=eth7 finds no IPv4 address; the host has 192.0.2.11 (eth0), 10.9.0.11 (eth1)"),
        ("interface=eth1", 6, "finds no IPv6 address; the host has 2001:db8:1::11 (eth0)"),
        ("interface=eth2", 4, "198.51.100.1 (eth2, down)"),
        ("cidr=203.0.113.0/24", 4, "cidr=203.0.113.0/24 finds no IPv4 address"),
        ("cidr=10.244.0.0/16", 4, "finds no IPv4 address"),  # kwg0 alone
        ("can-reach=203.0.113.9", 6, "the host has no IPv6 route to '203.0.113.9'"),
        ("can-reach=192.0.2.200", 4, "the route to '192.0.2.200' was not looked up"),
        ("ansible_host", 6, "ansible_host is '192.0.2.11', which is not an IPv6 address"),
    ],
)
def test_message_without_an_address_lists_the_hosts_addresses(method: str, family: int, reason: str) -> None:
    found = detect(parse_method(method), family, told())
    assert isinstance(found, str)
    assert reason in found


def test_an_internal_ip_must_be_on_the_host() -> None:
    other = cluster("aks_azure_cni").nodes["aks-nodepool1-31718369-vmss000000"]
    found = str(detect(parse_method("kubernetes-internal-ip"), 4, told(node=other)))
    assert found.startswith(
        "10.240.0.4, the InternalIP of node 'aks-nodepool1-31718369-vmss000000', is on no interface"
    )
    assert detect(parse_method("kubernetes-internal-ip"), 4, told(node=None)) == "there is no node"


def test_a_node_without_the_family_is_reported() -> None:
    single = cluster("kubeadm_calico").nodes["worker-a.example.com"]
    found = detect(parse_method("kubernetes-internal-ip"), 6, told(node=single))
    assert isinstance(found, str)
    assert "has no IPv6 InternalIP, only 198.51.100.1" in found


def test_an_unreachable_host_has_the_address_of_other_sources() -> None:
    silent = told(fact=None)
    assert detect(parse_method("kubernetes-internal-ip"), 4, silent) == NodeAddress(4, parse_prefix("192.0.2.11"))
    assert detect(parse_method("ansible_host"), 4, silent) == NodeAddress(4, parse_prefix("192.0.2.11"))
    assert explicit(parse_address("192.0.2.11"), 4, None) == NodeAddress(4, parse_prefix("192.0.2.11"))
    for method in ("first-found", "interface=eth0", "can-reach=203.0.113.9"):
        assert "is unreachable" in str(detect(parse_method(method), 4, silent))


def test_an_explicit_address_must_be_on_the_host() -> None:
    assert explicit(parse_address("10.9.0.11"), 4, fact()) == ETH1
    wrong = explicit(parse_address("10.9.0.12"), 4, fact())
    assert wrong.startswith("10.9.0.12 is on no interface of the host; it has 192.0.2.11 (eth0)")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("", "write one of first-found, kubernetes-internal-ip, ansible_host, interface=..."),
        ("firstfound", "'firstfound' is not a detection method"),
        ("interface=", "is not a detection method"),
        ("first-found=eth0", "is not a detection method"),
        ("interface=eth[", "'eth[' is not a regular expression"),
        ("cidr=10.0.0.1/8", "has host bits set; write '10.0.0.0/8'"),
        ("cidr=here", "is not an IPv4 or IPv6 address or network"),
    ],
)
def test_invalid_methods_are_refused(method: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_method(method)
    assert reason in str(refused.value)


def test_all_methods_are_named() -> None:
    assert {parse_method(method.replace("...", "192.0.2.0/24")).name for method in METHODS} == {
        *node_address._WITH_ARGUMENTS,
        *node_address._WITHOUT,
    }
