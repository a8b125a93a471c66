# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a Kubernetes node equal the output of `ip` and the files, and discovery reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.discovery import (
    DiscoverySettings,
    discover,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._kubernetes.node_address import NodeAddress
from external_programs import program_path
from managed_host import ManagedHost

FACTS: dict[str, Any] = {"interface": "wg0", "create_key": False}
CONFIGURATION = "/etc/cni/net.d/10-pods.conflist"

# Objects of flannel's host-gw, Cilium (a route through itself) and Calico (a block), on one node.
NODE = """
ip link add cni0 type bridge
ip addr add 10.244.1.1/24 dev cni0
ip addr add fd00:10:244:1::1/64 dev cni0 nodad
ip link add cali0 type veth peer name podeth
ip link set cni0 up; ip link set cali0 up; ip link set podeth up
ip addr add 169.254.20.10/32 dev podeth
ip link add eth9 type bridge
ip addr add 203.0.113.9/24 dev eth9
ip route add 10.244.2.0/24 via 192.0.2.12 proto 99
ip route add 10.244.77.64/26 via 10.244.1.1 proto 99
ip route add 10.244.88.70/32 dev cali0 proto 99
ip route add blackhole 10.244.88.64/26 proto 80
ip route add 10.99.0.0/16 dev cni0 proto 87
ip addr add 2001:db8:1::99/64 dev eth0 nodad preferred_lft 0 valid_lft 600
ip route add 2001:db8:77::/64 dev eth0 proto ra
"""
CLEAN = """
ip route del blackhole 10.244.88.64/26 2>/dev/null || :
ip route flush proto 87; ip -6 route flush proto ra
ip addr del 2001:db8:1::99/64 dev eth0 2>/dev/null || :
ip netns del pod 2>/dev/null || :
rm -rf /etc/cni /run/flannel /var/lib/cni
"""


@pytest.fixture
def node(host: ManagedHost) -> Iterator[ManagedHost]:
    host.shell(CLEAN)
    yield host
    host.shell(CLEAN)


def node_facts(host: ManagedHost, **node: Any) -> dict[str, Any]:
    """Return the facts of the node, read with and without check mode."""
    found = [host.module("overlay_prepare", check_mode=check_mode, **FACTS, node=node) for check_mode in (True, False)]
    assert not any(result.changed for result in found)
    assert found[0].data == found[1].data
    return dict(found[1].data["ansible_facts"]["wirewright_overlay"]["node"])


def shown_links(host: ManagedHost) -> dict[str, dict[str, Any]]:
    """Return the interfaces with global addresses as `ip` lists them."""
    return {
        link["ifname"]: {
            "name": link["ifname"],
            "index": link["ifindex"],
            "kind": link.get("linkinfo", {}).get("info_kind", ""),
            "managed": link.get("ifalias") == "wirewright.overlay",
            "up": "UP" in link["flags"],
            "mtu": link["mtu"],
            "addresses": [text_of(entry) for entry in link["addr_info"] if is_global(entry)],
            "leased": [text_of(entry) for entry in link["addr_info"] if is_global(entry) and entry.get("dynamic")],
        }
        for link in json.loads(host.run("ip", "-j", "-d", "addr"))
        if any(is_global(entry) for entry in link["addr_info"])
    }


def text_of(entry: dict[str, Any]) -> str:
    return f"{entry['local']}/{entry['prefixlen']}"


def is_global(entry: dict[str, Any]) -> bool:
    usable = not entry.get("deprecated", False)
    return usable and entry["scope"] == "global" and not entry["local"].startswith("169.254.")


def test_all_facts_of_a_node(node: ManagedHost) -> None:
    node.shell(NODE)
    node.write("/etc/cni/net.d/05-broken.conf", "{")
    node.write(CONFIGURATION, json.dumps({"name": "cbr0", "plugins": [{"type": "flannel", "token": "canary"}]}))
    node.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n")
    node.shell("echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter")
    node.shell("ip addr add 198.51.100.7/32 dev cni0 valid_lft 3600 preferred_lft 3600")
    found = node_facts(node, can_reach=["192.0.2.12", "203.0.113.77", "2001:db8:1::12", "no-such-name.invalid"])
    assert found["nodename"] == node.run("uname", "-n").strip()
    links = shown_links(node)
    assert sorted(links) == ["cni0", "eth0", "eth9"]
    assert {entry["name"]: entry for entry in found["interfaces"]} == links
    assert links["cni0"]["leased"] == ["198.51.100.7/32"]
    assert found["gateway_interfaces"] == ["eth0"]
    assert [entry["index"] for entry in found["interfaces"]] == sorted(entry["index"] for entry in links.values())
    assert found["rp_filter"] == {
        name: node.run("cat", f"/proc/sys/net/ipv4/conf/{name}/rp_filter").strip() for name in ["all", *links]
    }
    assert found["rp_filter"]["eth0"] == "1"
    routes = {(entry["destination"], entry["type"], entry["interface"], entry["protocol"]) for entry in found["routes"]}
    assert routes >= {
        ("192.0.2.0/24", "unicast", "eth0", 2),
        ("10.244.1.0/24", "unicast", "cni0", 2),
        ("fd00:10:244:1::/64", "unicast", "cni0", 2),
        ("10.244.88.70/32", "unicast", "cali0", 99),
        ("10.244.88.64/26", "blackhole", "", 80),
    }
    destinations = {destination for destination, _type, _interface, _protocol in routes}
    assert not destinations & {"10.244.2.0/24", "10.99.0.0/16", "0.0.0.0/0", "::/0", "fe80::/64", "2001:db8:77::/64"}
    assert found["cni"] == {
        "file": CONFIGURATION,
        "name": "cbr0",
        "plugins": [{"type": "flannel", "bridge": "", "ipam": "", "subnets": []}],
    }
    assert found["flannel"] == {"networks": ["10.244.0.0/16"], "subnets": ["10.244.1.1/24"]}
    assert found["can_reach"] == {
        "192.0.2.12": {"ipv4": "192.0.2.11"},
        "203.0.113.77": {"ipv4": None},  # eth9 is down
        "2001:db8:1::12": {"ipv6": "2001:db8:1::11"},
        "no-such-name.invalid": {},
    }
    assert found["notes"] == [
        "/etc/cni/net.d/05-broken.conf: not JSON",
        "can_reach: 'no-such-name.invalid' does not resolve on the host",
    ]

    fact = {"node": found}
    by_files, problems = discover("h1", DiscoverySettings(node_ip_detection="first-found"), fact, None)
    assert problems == ()
    assert by_files.addresses == (NodeAddress(4, parse_prefix("192.0.2.11"), "eth0", 1500),)
    assert (tuple(map(str, by_files.pod_cidrs)), by_files.source) == (("10.244.1.0/24",), "cni")
    assert by_files.pod_gateways == {4: parse_prefix("10.244.1.1")}
    assert by_files.pod_interfaces == ("cali*", "cni0")
    assert "10.244.88.64/26, fd00:10:244:1::/64, which is left out" in by_files.warnings[0].text
    reached = DiscoverySettings(
        node_ip_detection="can-reach=2001:db8:1::12", node_ip_families=(6,), pod_cidr_source="routes"
    )
    by_routes, problems = discover("h1", reached, fact, None)
    assert problems == ()
    assert by_routes.addresses == (NodeAddress(6, parse_prefix("2001:db8:1::11"), "eth0", 1500),)
    assert tuple(map(str, by_routes.pod_cidrs)) == (
        "10.244.1.0/24",
        "10.244.77.64/26",
        "10.244.88.64/26",
        "fd00:10:244:1::/64",
    )
    assert by_routes.warnings == ()


def test_tunnels_are_not_node_addresses(node: ManagedHost) -> None:
    node.make_key("kwg0")
    assert node.apply(name="kwg0", userspace=True, addresses=["10.244.1.0/32"], peers=[]).changed
    found = node_facts(node)
    (tunnel,) = [entry for entry in found["interfaces"] if entry["managed"]]
    assert (tunnel["name"], tunnel["addresses"]) == ("kwg0", ["10.244.1.0/32"])
    assert tunnel["index"] == max(entry["index"] for entry in found["interfaces"]), (
        "first-found would take it otherwise"
    )
    settings = DiscoverySettings(node_ip_detection="first-found", pod_cidr_source="inventory")
    assert discover("h1", settings, {"node": found}, None)[0].addresses[0].interface == "eth0"


def test_no_node_facts_without_the_option(node: ManagedHost) -> None:
    found = node.module("overlay_prepare", **FACTS).data["ansible_facts"]["wirewright_overlay"]
    assert "node" not in found


def test_discovery_with_real_plugins(node: ManagedHost) -> None:
    plugins = program_path("host-local").parent  # iproute2 has a `bridge`, too
    plugin = {
        "type": "bridge",
        "bridge": "cbr7",
        "isGateway": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.22.7.0/24"}], [{"subnet": "fd22:7::/64"}]]},
    }
    node.write(CONFIGURATION, json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [plugin]}))
    node.shell(
        f"ip netns add pod; CNI_COMMAND=ADD CNI_CONTAINERID=pod CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 "
        f"CNI_PATH={plugins} {plugins}/bridge",
        input=json.dumps({"cniVersion": "0.4.0", "name": "pods", **plugin}),
    )
    fact = {"node": node_facts(node)}
    settings = DiscoverySettings(node_ip=(parse_address("192.0.2.11"),))
    for source, name in (("auto", "cni"), ("cni", "cni"), ("routes", "routes")):
        found, problems = discover("h1", DiscoverySettings(settings.node_ip, pod_cidr_source=source), fact, None)
        assert problems == ()
        assert (tuple(map(str, found.pod_cidrs)), found.source) == (("10.22.7.0/24", "fd22:7::/64"), name)
        assert found.pod_gateways == {4: parse_prefix("10.22.7.1"), 6: parse_prefix("fd22:7::1")}
        assert found.pod_interfaces == ("cbr7",)
        assert found.warnings == ()
