# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All problems and warnings of a fleet."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from hypothesis import given, settings
from hypothesis import strategies as st
from planned_fleet import fact_of, host, key_of, problems, silent, warnings

SECRET = base64.b64encode(b"canary-preshared-key-of-32-bytes").decode()
PHONE = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": ["10.42.0.200/32"]}
H2 = host("h2")
# Without a default route.
CONNECTED = {"routes": "2001:db8:1::/64\teth0\t256\tconnected"}
ONLY_IPV6 = HostInput("h1", {"network": "10.42.0.0/24"}, "2001:db8:1::1", {**fact_of("h1"), **CONNECTED})


def phone(**changes: object) -> dict[str, object]:
    return {"static_peers": [{**PHONE, **changes}]}


ONE_HOST = [
    ({"port": "abc"}, "mesh_port: 'abc' is not a whole number from 0 to 65535"),
    ({"port": 65536}, "mesh_port: 65536 is not"),
    ({"port": True}, "mesh_port: True is not"),
    ({"persistent_keepalive": 70000}, "mesh_persistent_keepalive: 70000 is not a whole number from 0 to 65535"),
    ({"fwmark": "0x1ffffffff"}, "mesh_fwmark: '0x1ffffffff' is not a whole number from 0 to 4294967295"),
    ({"mtu": 500}, "mesh_mtu: 500 is less than the 576 of IPv4"),
    ({"mtu": 1441}, "mesh_mtu: 1441 does not fit into the underlay, which allows 1440"),
    ({"mtu": 1279, "network": "fd42::/64"}, "mesh_mtu: 1279 is less than the 1280 that IPv6 needs"),
    ({"mtu": 1279, "networks": "fd43::/64"}, "mesh_mtu: 1279 is less than the 1280 that IPv6 needs"),
    ({"interface": "a" * 16}, "mesh_interface: 'aaaaaaaaaaaaaaaa' is no interface name"),
    ({"interface": "wg/0"}, "mesh_interface: 'wg/0' is no"),
    ({"interface": "wg 0"}, "mesh_interface: 'wg 0' is no"),
    ({"interface": "all"}, "mesh_interface: 'all' is no"),
    ({"interface": ".."}, "mesh_interface: '..' is no"),
    ({"interface": "wg0\n[Peer]"}, "mesh_interface: 'wg0\\n[Peer]' is not a text on one line"),
    ({"network": "10.42.0.1/24"}, "mesh_network: '10.42.0.1/24' has host bits set; write '10.42.0.0/24'"),
    ({"network": "mesh"}, "mesh_network: 'mesh' is not an IPv4 or IPv6 address or network"),
    ({"network": ["10.0.0.0/8", "10.42.0.0/24"]}, "mesh_network: 10.0.0.0/8 and 10.42.0.0/24 overlap"),
    ({"network": []}, "mesh_network: the host has no overlay address; set mesh_network, or mesh_addresses"),
    ({"addresses": "10.43.0.1"}, "mesh_addresses: 10.43.0.1/32 is outside mesh_network (10.42.0.0/24)"),
    ({"addresses": "10.42.0.0"}, "mesh_addresses: 10.42.0.0/24 is the network or broadcast address of 10.42.0.0/24"),
    ({"addresses": "10.42.0.255"}, "mesh_addresses: 10.42.0.255/24 is the network or broadcast address"),
    (
        {"addresses": "10.42.0.5/16"},
        "mesh_addresses: 10.42.0.5/16 has a shorter prefix than 10.42.0.0/24; write it with /24",
    ),
    ({"addresses": "10.42.0.255/24", "network": ""}, "mesh_addresses: 10.42.0.255/24 is the network or broadcast"),
    ({"addresses": "::ffff:10.42.0.5"}, "mesh_addresses: '::ffff:10.42.0.5' is an IPv4-mapped address"),
    ({"addresses": "224.0.0.1"}, "mesh_addresses: '224.0.0.1' is a multicast or reserved address"),
    ({"addresses": [5]}, "mesh_addresses: [5] is not a list of texts"),
    ({"networks": "192.168.1.5/24"}, "mesh_networks: '192.168.1.5/24' has host bits set"),
    (
        {"networks": "192.168.1.0"},
        "mesh_networks: '192.168.1.0' has no prefix length; write 192.168.1.0/24, or 192.168.1.0/32 for this one address",
    ),
    (
        {"routes_except": ["172.16.0.0"]},
        "mesh_routes_except: '172.16.0.0' has no prefix length; write 172.16.0.0/16, or",
    ),
    ({"network": "10.0.0.0"}, "mesh_network: '10.0.0.0' has no prefix length; write 10.0.0.0/8"),
    (
        {"networks": "fd77::"},
        "mesh_networks: 'fd77::' has no prefix length; write fd77::/64, or fd77::/128 for this one",
    ),
    (
        phone(allowed_ips=["10.7.0.0"]),
        "mesh_static_peers[0].allowed_ips: '10.7.0.0' has no prefix length; write 10.7.0.0/16",
    ),
    ({"networks": "10.42.0.0/28"}, "mesh_networks: 10.42.0.0/28 overlaps the overlay's own network 10.42.0.0/24"),
    ({"networks": "10.0.0.0/8"}, "mesh_networks: 10.0.0.0/8 overlaps the overlay's own network 10.42.0.0/24"),
    ({"networks": "0.0.0.0/0"}, "mesh_networks: 0.0.0.0/0 would send all traffic of other hosts into one tunnel"),
    ({"networks": "::/0"}, "mesh_networks: ::/0 would send all traffic of other hosts into one tunnel"),
    (phone(allowed_ips=["::/0"]), "mesh_static_peers: ::/0 would send all traffic into one tunnel"),
    ({"endpoint": "127.0.0.1"}, "mesh_endpoint: '127.0.0.1' is loopback; write the address or name at which"),
    ({"endpoint": "localhost:51820"}, "mesh_endpoint: 'localhost:51820' is loopback"),
    ({"endpoint": "[::1]:51820"}, "mesh_endpoint: '[::1]:51820' is loopback"),
    ({"endpoint": "0.0.0.0"}, "mesh_endpoint: '0.0.0.0' cannot be the address of a peer"),  # noqa: S104
    ({"endpoint": "fe80::1"}, "mesh_endpoint: 'fe80::1' is link-local"),
    ({"endpoint": "vpn.example.org:0"}, "mesh_endpoint: 'vpn.example.org:0': the port is a number from 1 to 65535"),
    ({"endpoint": "2001:db8::1:51820:x"}, "mesh_endpoint: '2001:db8::1:51820:x': write an IPv6 endpoint with"),
    (
        {"endpoint": "vpn.example.org:51820", "port": 0},
        "mesh_port: 0 is any port, so packets to vpn.example.org:51820 do",
    ),
    ({"endpoint": "vpn.example.org", "port": 0}, "mesh_port: 0 is any port, so packets to vpn.example.org do"),
    (
        {"endpoint": "10.42.0.77"},
        "mesh_endpoint: 10.42.0.77:51820 is inside the tunnel, in 10.42.0.0/24 (the overlay",
    ),
    (
        {"endpoint": "192.0.2.1", "endpoint_family": "ipv6"},
        "mesh_endpoint: 192.0.2.1:51820 contradicts mesh_endpoint_f",
    ),
    ({"endpoint_family": "ipv5"}, "mesh_endpoint_family: 'ipv5' is not one of auto, ipv4, ipv6"),
    ({"endpoint": ":51820"}, "mesh_endpoint: ':51820': '' is neither an IP address nor a host name"),
    (
        {"verify_seconds": -1},
        "mesh_verify_seconds: -1 is not a time in seconds; write 0 for none, or a number from 1 to 600",
    ),
    ({"verify_seconds": 0.5}, "mesh_verify_seconds: 0.5 is not a time in seconds"),
    ({"verify_seconds": 601}, "mesh_verify_seconds: 601 is not a time in seconds"),
    ({"verify_seconds": "soon"}, "mesh_verify_seconds: 'soon' is not a time in seconds"),
    ({"verify_seconds": True}, "mesh_verify_seconds: True is not a time in seconds"),
    ({"persistence": "nm"}, "mesh_persistence: 'nm' is not one of auto, networkd, wg_quick, none"),
    ({"routes": "perhaps"}, "mesh_routes: 'perhaps' is neither true nor false"),
    ({"private_key_file": "wg0.key"}, "mesh_private_key_file: 'wg0.key' is not a plain absolute path"),
    ({"private_key_file": key_of("secret")}, "mesh_private_key_file: this is not a plain absolute path"),
    ({"private_key_file": "/etc/a b"}, "mesh_private_key_file: '/etc/a b' is not a plain absolute path"),
    ({"private_key_file": "/etc/a#b"}, "mesh_private_key_file: '/etc/a#b' is not a plain absolute path"),
    ({"public_key": key_of("other")}, "mesh_public_key: the inventory has another key than the host, whose key is "),
    ({"public_key": "AAAA"}, "mesh_public_key: a WireGuard key is 44 characters of base64"),
    ({"public_key": base64.b64encode(bytes(32)).decode()}, "mesh_public_key: a low-order point"),
    ({"public_key": 5}, "mesh_public_key: a public key is base64 text"),
    ({"static_peers": "phone"}, "mesh_static_peers: this is not a list of dictionaries"),
    ({"static_peers": [{"name": "phone"}]}, "mesh_static_peers[0].public_key: a peer needs a public key"),
    (phone(public_key="nonsense"), "mesh_static_peers[0].public_key: a WireGuard key is"),
    (phone(keepalive=5), "mesh_static_peers[0]: unknown keys 'keepalive'; known are name, public_key"),
    (phone(persistent_keepalive="x"), "mesh_static_peers[0].persistent_keepalive: 'x' is not"),
    (phone(allowed_ips=["10.9.5.7/24"]), "mesh_static_peers[0].allowed_ips: '10.9.5.7/24' has host bits set"),
    (phone(endpoint="192.0.2.1"), "mesh_static_peers[0].endpoint: '192.0.2.1' has no port; write 192"),
    (phone(endpoint="10.42.0.9:1"), "mesh_static_peers: 10.42.0.9:1 is inside the tunnel"),
    (phone(name="h2"), "mesh_static_peers: 'h2' has the name of a member"),
    (phone(name="a\nb"), "mesh_static_peers[0].name: 'a\\nb' is not a text on one line"),
    (phone(public_key=key_of("h2")), "mesh_static_peers: 'phone' has the key of member 'h2'"),
    ({"static_peers": [PHONE, {**PHONE, "name": "twin", "allowed_ips": []}]}, "the key of 'twin' is listed twice"),
    (
        {"static_peers": [PHONE, {**PHONE, "name": "twin", "public_key": key_of("twin")}]},
        "mesh_static_peers: 10.42.0.200/32 of 'twin' is also phone's; a prefix can belong to one peer only",
    ),
    ({"peer_overrides": {"h9": {}}}, "mesh_peer_overrides: 'h9' is not another member"),
    ({"peer_overrides": {"h1": {}}}, "mesh_peer_overrides: 'h1' is not another member"),
    ({"peer_overrides": []}, "mesh_peer_overrides: this is not a dictionary of dictionaries"),
    ({"peer_overrides": {"h2": {"port": 1}}}, "mesh_peer_overrides['h2']: unknown keys 'port'; known are endpoint, p"),
    ({"peer_overrides": {"h2": {"endpoint": "::1"}}}, "mesh_peer_overrides: 'h2': [::1]:51820 is loopback; write"),
    ({"peer_overrides": {"h2": {"endpoint": "1.2.3"}}}, "mesh_peer_overrides: 'h2': '1.2.3' is neither an IP"),
    ({"peer_overrides": {"h2": {"endpoint": "10.42.0.3"}}}, "mesh_peer_overrides: 10.42.0.3:51820 is inside"),
    ({"peer_overrides": {"h2": {"persistent_keepalive": -1}}}, "mesh_peer_overrides['h2'].persistent_keepalive: -1 is"),
]


@pytest.mark.parametrize(("variables", "expected"), ONE_HOST)
def test_one_host(variables: dict[str, object], expected: str) -> None:
    found = problems(host("h1", variables), H2)
    assert any(line.startswith("host 'h1': mesh_") and expected in line for line in found), found


BETWEEN_HOSTS: list[tuple[list[HostInput], str]] = [
    (
        [host("h1", public_key=key_of("h2")), H2],
        "host 'h2': mesh_private_key_file: this host has the same key as 'h1', as cloned machines have; "
        "replace the key on the clone (module wg_key, path=/etc/wireguard/wg0.key, regenerate=true), and run again",
    ),
    (
        [host("h1", {"addresses": "10.42.0.4"}), host("h2", {"addresses": "10.42.0.4/24"})],
        "host 'h2': mesh_addresses: 10.42.0.4 is also h1's; give one of them another address",
    ),
    (
        [host("h1", {"addresses": "10.42.0.4"}), host("h2", addresses=["10.42.0.4/24"])],
        "host 'h1': mesh_addresses: 10.42.0.4 is also h2's, which had it before; give one of them another address",
    ),
    (
        [host("h1", {"networks": "192.168.7.0/24"}), host("h2", {"networks": "192.168.7.0/24"})],
        "host 'h2': mesh_networks: 192.168.7.0/24 is also h1's; a prefix can belong to one peer only",
    ),
    (
        [host("h1", {"addresses": "10.1.0.4/24", "network": ""}), host("h2", {"networks": "10.1.0.4/32"})],
        "host 'h2': mesh_networks: 10.1.0.4/32 is also h1's",
    ),
    (
        [host("h1", phone(allowed_ips=["10.42.0.9"])), host("h2", {"addresses": "10.42.0.9"})],
        "host 'h1': mesh_static_peers: 10.42.0.9/32 of 'phone' is also h2's",
    ),
    (
        [host("h1", {"endpoint": "vpn.example.org"}), host("h2", {"endpoint": "VPN.example.org:51820"})],
        "host 'h2': mesh_endpoint: vpn.example.org:51820 is also h1's endpoint; set mesh_endpoint or mesh_port",
    ),
    (
        [host("h1", ipv4="192.168.122.10"), host("h2", ipv4="192.168.122.10")],
        "host 'h2': mesh_endpoint: 192.168.122.10:51820 is also h1's endpoint",
    ),
    (
        [host("h1", {"addresses": "192.0.2.5", "network": ""}), host("h2", {"endpoint": "192.0.2.5"})],
        "host 'h2': mesh_endpoint: 192.0.2.5:51820 is inside the tunnel, in 192.0.2.5/32 (h1's overlay address)",
    ),
    (
        [host("h1", {"interface": "wg0"}), host("h2", {"interface": "wg1"}), host("h3")],
        "hosts 'h1', 'h2', 'h3': mesh_interface: a mesh needs the same interface name on all hosts: "
        "wg0 on 'h1', 'h3'; wg1 on 'h2'",
    ),
    ([host("a\nb"), H2], "host 'a\\nb': mesh_interface: the name of the host has control characters"),
    (
        [host("h1"), host("h2", {"revoked": [key_of("h1")[:-1]]})],
        f"host 'h2': mesh_revoked: '{key_of('h1')[:-1]}' is neither an inventory name nor a public key: a WireGuard key is "
        "44 characters of base64 that end in '=', not 43 characters",
    ),
    (
        [host("h1"), host("h2", {"revoked": [key_of("h1")]})],
        "host 'h1': mesh_private_key_file: the host's key is revoked (listed in mesh_revoked)",
    ),
    (
        [host("h1", phone()), host("h2", {"revoked": [key_of("phone")]})],
        "host 'h1': mesh_static_peers: the key of 'phone' is revoked",
    ),
    ([host("h1", public_key="AAAA"), H2], "host 'h1': mesh_private_key_file: the host reports an invalid key"),
    (
        [host("h1", {"network": "192.0.2.0/31"}), host("h2", {"network": "192.0.2.0/31"})],
        "",
    ),
    (
        [host(f"h{number}", {"network": "192.0.2.0/30"}) for number in (1, 2, 3)],
        "mesh_network: 192.0.2.0/30 has 2 addresses for hosts, and other hosts or static peers have all of them; write a larger ",
    ),
]


@pytest.mark.parametrize(("hosts", "expected"), BETWEEN_HOSTS)
def test_between_hosts(hosts: list[HostInput], expected: str) -> None:
    found = problems(*hosts)
    if not expected:
        assert found == ()
    else:
        assert any(expected in line for line in found), found
    assert problems(*reversed(hosts)) == found


WARNED: list[tuple[list[HostInput], str]] = [
    (
        [host("h1", persistence="none"), host("h2", {"persistence": "none"}, persistence="none"), host("h3")],
        "host 'h1': mesh_persistence: the host runs no systemd, so nothing sets up the overlay after a reboot: "
        "run this play after each reboot. If that is intended, set mesh_persistence to none for this host",
    ),
    (
        [host("h1", {"static_peers": [{**PHONE, "allowed_ips": []}]}), host("h2")],
        "host 'h1': mesh_static_peers: 'phone' has no allowed_ips, so no packet goes to or comes from it",
    ),
    ([host("h1")], "host 'h1': mesh_interface: this is the only member, so it has no peers"),
    (
        [host("h1"), silent("h2")],
        "host 'h2': mesh_public_key: the host is unreachable, and the public key of the host is unknown, so it gets no new "
        "tunnels and other hosts keep theirs; run again when it is reachable, or set mesh_public_key",
    ),
    (
        [host("h1", mtu=1400), host("h2")],
        "host 'h1': mesh_mtu: the members' MTUs differ: 1340 on 'h1'; 1440 on 'h2'; large packets to the smaller "
        "ones can be lost; set mesh_mtu to 1340 for all",
    ),
    (
        [host("h1", {"networks": "192.168.0.0/16"}), host("h2", {"networks": "192.168.7.0/24"})],
        "host 'h1': mesh_networks: 192.168.0.0/16 of 'h1' contains allowed IPs of 'h2'; the longer prefix wins",
    ),
    (
        [host("h1", phone(allowed_ips=["192.168.0.0/16"])), host("h2", {"networks": "192.168.7.0/24"})],
        "host 'h1': mesh_static_peers: 192.168.0.0/16 of 'phone' contains allowed IPs of 'h2'",
    ),
    (
        [host("h1", phone(allowed_ips=["192.168.7.5"])), host("h2", {"networks": "192.168.7.0/24"})],
        "host 'h1': mesh_static_peers: 192.168.7.0/24 of 'h2' contains allowed IPs of 'phone'",
    ),
    (
        [host("h1", {"endpoint": "none"}), host("h2", {"endpoint": "none"}), host("h3")],
        "host 'h1': mesh_endpoint: neither end has an endpoint of the other, so no tunnel comes up between 'h1' "
        "and 'h2'",
    ),
    (
        [host("h1", ipv4="192.0.2.1"), host("h2", ipv4="", ipv6="2001:db8::2")],
        "neither end has an endpoint of the other, so no tunnel comes up between 'h1' and 'h2'",
    ),
    (
        [ONLY_IPV6, host("h2", ipv4="192.0.2.2")],
        "neither end has an endpoint of the other, so no tunnel comes up between 'h1' and 'h2'",
    ),
    ([host("h1", {"revoked": ["h9"]}), H2], "host 'h1': mesh_revoked: no key of 'h9' is known, so none is revoked"),
    (
        [host("h1", addresses=["10.42.0.5/24"]), host("h2", addresses=["10.42.0.5/24"])],
        "host 'h2': mesh_addresses: 10.42.0.5, which it reports, is h1's; it gets another one",
    ),
]


@pytest.mark.parametrize(("hosts", "expected"), WARNED)
def test_warnings(hosts: list[HostInput], expected: str) -> None:
    found = warnings(*hosts)
    assert any(expected in line for line in found), found


def test_a_healthy_fleet_has_no_problems_and_no_warnings() -> None:
    hosts = [host(f"h{number}", phone()) for number in range(1, 20)]
    assert (problems(*hosts), warnings(*hosts)) == ((), ())


def test_many_pairs_without_endpoints_are_counted() -> None:
    (line,) = warnings(*(host(f"h{number}", {"endpoint": "none"}) for number in range(10, 20)))
    assert "'h10' and 'h11', 'h10' and 'h12', " in line
    assert line.endswith(" and 40 more pairs")


def test_an_override_gives_a_pair_an_endpoint() -> None:
    none = {"endpoint": "none"}
    override = {"peer_overrides": {"h2": {"endpoint": "192.0.2.9"}}}
    assert warnings(host("h1", {**none, **override}), host("h2", none)) == ()


@pytest.mark.parametrize("networks", ["192.168.1.0/32", "192.168.1.7", "fd00::7", "192.168.1.0/24"])
def test_networks_with_a_length_and_single_addresses(networks: str) -> None:
    assert problems(host("h1", {"networks": networks}), H2) == ()


def test_all_problems_at_once_sorted() -> None:
    found = problems(host("h2", {"port": "x", "mtu": -1}), host("h1", {"network": "x"}))
    assert [line.split(": ")[:2] for line in found] == [
        ["host 'h1'", "mesh_network"],
        ["host 'h2'", "mesh_mtu"],
        ["host 'h2'", "mesh_port"],
    ]


def test_default_routes_are_allowed_without_managed_routes() -> None:
    routes = {"routes": False}
    assert problems(host("h1", {**phone(allowed_ips=["0.0.0.0/0"]), **routes}), H2) == ()


@pytest.mark.parametrize(
    "variables",
    [
        phone(preshared_key=SECRET, keepalive=1),
        phone(preshared_key=SECRET, public_key=SECRET[:-3]),
        {"public_key": SECRET + "x"},
        {"static_peers": [{"public_key": [SECRET]}]},
        {"static_peers": [[SECRET]]},
        {"static_peers": {"preshared_key": SECRET}},
    ],
)
def test_no_message_shows_a_secret(variables: dict[str, Any]) -> None:
    found = problems(host("h1", variables), H2)
    assert found
    assert SECRET[:20] not in "".join(found)


NAMES = st.sampled_from(["h1", "h2", "h3", "", "\n"])
VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, -5, 1.5, "", "auto", "none", "10.42.0.1", "10.0.0.0/8", "::/0", "h1:1", "\n"])
    | NAMES.map(key_of),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.sampled_from(["name", "public_key", "endpoint", "allowed_ips"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["port", "network", "addresses", "endpoint", "static_peers"])
        | st.sampled_from(["peer_overrides", "networks", "mtu", "revoked", "public_key", "interface", "forward"]),
        VALUES,
        max_size=5,
    ),
    st.dictionaries(st.sampled_from(["underlay", "interfaces", "persistence"]), VALUES),
)
def test_no_variable_and_no_fact_raises_an_exception(variables: dict[str, Any], fact: dict[str, Any]) -> None:
    strange = HostInput("h1", variables, "", {**fact_of("h1"), **fact})
    outcome = plan_mesh([strange, H2])
    assert all("\n" not in line for line in outcome.problems + outcome.warnings)
    assert (outcome.plan is None) == bool(outcome.problems)


def test_an_ipv6_address_of_a_host_without_ipv6_is_refused() -> None:
    both = {"network": ["10.42.0.0/24", "fd42::/64"]}
    own = {**both, "addresses": ["10.42.0.1", "fd42::1"]}
    (problem,) = problems(host("h1", own, without_ipv6=True), host("h2", both))
    assert problem.startswith("host 'h1': mesh_addresses: IPv6 is disabled on this host")
    assert "it cannot have fd42::1; set it to ['10.42.0.1'], or enable IPv6" in problem
    for value in (False, "yes", None):
        assert problems(host("h1", own, without_ipv6=value), host("h2", both)) == ()
    assert problems(host("h1", {**both, "addresses": ["10.42.0.1"]}, without_ipv6=True), host("h2", both)) == ()
