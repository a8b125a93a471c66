# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused of hubs and spokes, and what gives a warning."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HUB, SPOKE, HostInput
from planned_fleet import key_of, remembered
from planned_hub_spoke import SECOND, applied, hub, planned, problems, silent, spoke, warnings

H1, H2, H3 = hub("h1"), spoke("h2"), spoke("h3")
PHONE = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": "10.43.0.9"}


def test_a_correct_fleet_gives_no_warning() -> None:
    assert warnings(H1, H2, H3) == ()
    assert warnings(H1, hub("h4", SECOND), H2, H3) == ()


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([H2, H3], "hosts 'h2', 'h3': hub_spoke_hubs_group: the fleet has no hub"),
        (
            [H1._replace(parts=(HUB, SPOKE)), H2],
            "host 'h1': hub_spoke_hubs_group: the host is also in hub_spoke_spokes",
        ),
        (
            [hub("h1", {"endpoint": "none"}), H2],
            "host 'h1': hub_spoke_endpoint: spokes initiate the tunnels, so a hub needs an endpoint",
        ),
        (
            [hub("h1", {"port": 0, "endpoint": "192.0.2.1:51820"}), H2],
            "host 'h1': hub_spoke_port: 0 is any port, and others reach this host at a fixed one; write one such as 51820",
        ),
        (
            [H1, spoke("h2", {"ports": {"wg0": 0}, "endpoint": "192.0.2.2:51820"})],
            "host 'h2': hub_spoke_ports: 0 is any port, so packets to 192.0.2.2:51820 do not arrive; write the",
        ),
        ([hub("h1", {"port": 0}), H2], "host 'h1': hub_spoke_port: 0 is any port, and others reach this host"),
        ([hub("h1", ipv4=""), H2], "host 'h1': hub_spoke_endpoint: the hub has no reachable endpoint"),
        (
            [H1, hub("h4", {"priority": 200}), H2],
            "hosts 'h1', 'h4': hub_spoke_interface: hubs 'h1', 'h4' all have wg0, but a spoke needs a different",
        ),
        (
            [H1, hub("h4", {"interface": "wg1"}), H2],
            "hosts 'h1', 'h4': hub_spoke_priority: hubs 'h1', 'h4' all have 100, but spokes prefer the hub with the lowest",
        ),
        ([hub("h1", {"priority": 0}), H2], "host 'h1': hub_spoke_priority: 0 is not a whole number from 2"),
        (
            [hub("h1", {"isolate": True}), hub("h4", SECOND), H2],
            "hosts 'h1', 'h4': hub_spoke_isolate: this is true for 'h1' and false for the other hubs",
        ),
        (
            [H1, spoke("h2", {"isolate": True})],
            "host 'h2': hub_spoke_isolate: true here, but false on the hubs",
        ),
        (
            [H1, spoke("h2", {"network": "10.99.0.0/24"})],
            "hosts 'h1', 'h2': hub_spoke_network: all hosts need the same networks, but there are: "
            "10.43.0.0/24 on 'h1'; 10.99.0.0/24 on 'h2'",
        ),
        (
            [
                hub("h1", {"network": "", "addresses": "10.1.0.1"}),
                spoke("h2", {"network": "", "addresses": "10.1.0.2"}),
            ],
            "hosts 'h1', 'h2': hub_spoke_network: the overlay has no network",
        ),
        (
            [H1, spoke("h2", {"networks": "10.50.0.0/16"}), spoke("h3", {"networks": "10.50.3.0/24"})],
            "host 'h3': hub_spoke_networks: 10.50.3.0/24 overlaps 10.50.0.0/16 of 'h2'; each site needs its own networks",
        ),
        (
            [H1, spoke("h2", {"networks": "10.50.2.0/24"}), spoke("h3", {"networks": "10.50.2.0/24"})],
            "host 'h3': hub_spoke_networks: 10.50.2.0/24 is also h2's",
        ),
        (
            [hub("h1", {"networks": "10.50.0.0/16"}), spoke("h2", {"networks": "10.50.2.0/24"})],
            "host 'h2': hub_spoke_networks: 10.50.2.0/24 overlaps 10.50.0.0/16 of 'h1'",
        ),
        (
            [H1, spoke("h2", {"networks": "10.43.0.0/16"})],
            "hub_spoke_networks: 10.43.0.0/16 overlaps the overlay's own",
        ),
        ([H1, spoke("h2", {"networks": "0.0.0.0/0"})], "would send all traffic of other hosts into one tunnel"),
        (
            [H1, spoke("h2", {"static_peers": [PHONE]})],
            "host 'h2': hub_spoke_static_peers: a spoke has tunnels to hubs",
        ),
        (
            [H1, spoke("h2", {"peer_overrides": {"h3": {"endpoint": "none"}}}), H3],
            "host 'h2': hub_spoke_peer_overrides: 'h3' is a spoke too",
        ),
        (
            [H1, spoke("h2", {"peer_overrides": {"h9": {"endpoint": "none"}}})],
            "host 'h2': hub_spoke_peer_overrides: 'h9' is not another member",
        ),
        ([H1, spoke("h2", {"ports": {"wg7": 5}})], "host 'h2': hub_spoke_ports: no hub has the interface 'wg7'"),
        (
            [H1, spoke("h2", {"ports": {"wg0": 70000}})],
            "host 'h2': hub_spoke_ports: 70000 of wg0 is not a whole number",
        ),
        (
            [H1, hub("h4", SECOND), spoke("h2", {"ports": {"wg1": 51820}})],
            "host 'h2': hub_spoke_ports: 51820 is the port of wg0 and wg1; set a different one for each",
        ),
        (
            [H1, spoke("h2", {"stun_servers": ["stun.example.org", "stun:x"]})],
            "host 'h2': hub_spoke_stun_servers: 'stun:x': ",
        ),
        (
            [H1, spoke("h2", {"stun_servers": ["stun.example.org", "stun.example.org:3478"]})],
            "host 'h2': hub_spoke_stun_servers: 'stun.example.org:3478' is in the list twice; name another server",
        ),
        ([H1, spoke("h2", {"ports": [1]})], "host 'h2': hub_spoke_ports: [1] is not a dictionary"),
        (
            [H1, hub("h4", SECOND), spoke("h2", {"ports": {"wg0": 7, "wg1": 7}})],
            "host 'h2': hub_spoke_ports: 7 is the port of wg0 and wg1",
        ),
        (
            [hub("h1", {"masquerade": "0.0.0.0/0"}), H2],
            "host 'h1': hub_spoke_masquerade: 0.0.0.0/0 is every address",
        ),
        (
            [hub("h1", {"masquerade": "10.43.0.1/24"}), H2],
            "host 'h1': hub_spoke_masquerade: '10.43.0.1/24' has host bits",
        ),
        (
            [H1, spoke("h2", {"networks": "198.51.100.0/24"})],
            "host 'h2': hub_spoke_networks: 198.51.100.0/24 contains the endpoint 198.51.100.1:51820 of 'h1'",
        ),
        (
            [silent(hub("h1"))._replace(unresolved={"network": "undefined"}), H2],
            "host 'h1': hub_spoke_network: every spoke needs it, and it depends on facts of the hub",
        ),
        (
            [silent(hub("h1"))._replace(unresolved={"interface": "undefined"}), H2],
            "host 'h1': hub_spoke_interface: every spoke needs it",
        ),
        ([H1, spoke("h2", devices={"wg0": {"public_key": key_of("h3")}}), H3], "as cloned machines have"),
        ([hub("h1", {"revoked": "h1"}), H2], "host 'h2': hub_spoke_hubs_group: the fleet has no hub"),
    ],
)
def test_refused(hosts: list[HostInput], expected: str) -> None:
    found = problems(*hosts)
    assert [line for line in found if expected in line], found


BOTH = {"network": ["10.43.0.0/24", "fd43::/64"]}
TAKEN = "; give one of them another address"
SAME = "; set hub_spoke_endpoint or hub_spoke_port for one of them"


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (
            [hub("h1", {**BOTH, "addresses": ["fd43::7"]}), spoke("h2", {**BOTH, "addresses": ["fd43:0::0:7/64"]})],
            f"host 'h2': hub_spoke_addresses: fd43::7 is also h1's{TAKEN}",
        ),
        (
            [hub("h1", {**BOTH, "addresses": "10.43.0.7"}), spoke("h2", {**BOTH, "addresses": "10.43.0.7/24"})],
            f"host 'h2': hub_spoke_addresses: 10.43.0.7 is also h1's{TAKEN}",
        ),
        (
            [
                hub("h1", BOTH),
                spoke("h2", {**BOTH, "addresses": ["10.43.0.7", "fd43::7"]}),
                spoke("h3", {**BOTH, "addresses": "fd43::7"}),
            ],
            f"host 'h3': hub_spoke_addresses: fd43::7 is also h2's{TAKEN}",
        ),
        (
            [
                hub("h1", BOTH),
                spoke("h2", BOTH, addresses=["fd43::7/64"]),
                spoke("h3", {**BOTH, "addresses": "fd43::7"}),
            ],
            f"host 'h3': hub_spoke_addresses: fd43::7 is also h2's, which had it before{TAKEN}",
        ),
        (
            [hub("h1", {**BOTH, "addresses": "fd44::7"}), spoke("h2", BOTH)],
            "host 'h1': hub_spoke_addresses: fd44::7/128 is outside hub_spoke_network (10.43.0.0/24, fd43::/64)",
        ),
        (
            [hub("h1", {**BOTH, "addresses": "::ffff:10.43.0.7"}), spoke("h2", BOTH)],
            "host 'h1': hub_spoke_addresses: '::ffff:10.43.0.7' is an IPv4-mapped address; write the IPv4 address",
        ),
        (
            [
                hub("h1", {**BOTH, "endpoint": "2001:db8::1"}),
                hub("h4", {**BOTH, **SECOND, "endpoint": "[2001:db8:0::1]:51820"}),
                spoke("h2", BOTH),
            ],
            f"host 'h4': hub_spoke_endpoint: [2001:db8::1]:51820 is also h1's endpoint{SAME}",
        ),
        (
            [
                hub("h1", {"endpoint": "vpn.example.org"}),
                hub("h4", {**SECOND, "endpoint": "VPN.example.org:51820"}),
                H2,
            ],
            f"host 'h4': hub_spoke_endpoint: vpn.example.org:51820 is also h1's endpoint{SAME}",
        ),
        (
            [hub("h1", {"endpoint": "192.0.2.1"}), spoke("h2", {"endpoint": "192.0.2.1"})],
            f"host 'h2': hub_spoke_endpoint: 192.0.2.1:51820 is also h1's endpoint{SAME}",
        ),
        (
            [H1, spoke("h2", {"endpoint": "192.0.2.9"}), spoke("h3", {"endpoint": "192.0.2.9"})],
            f"host 'h3': hub_spoke_endpoint: 192.0.2.9:51820 is also h2's endpoint{SAME}",
        ),
        (
            [hub("h1", {**BOTH, "endpoint": "fd43::9"}), spoke("h2", BOTH)],
            "host 'h1': hub_spoke_endpoint: [fd43::9]:51820 is inside the tunnel, in fd43::/64 (the overlay's own network); use "
            "an address of the underlay",
        ),
        (
            [hub("h1", {**BOTH, "mtu": 1000}), spoke("h2", BOTH)],
            "host 'h1': hub_spoke_mtu: 1000 is less than the 1280 that IPv6 needs (RFC 8200); raise the underlay's MTU, or use "
            "IPv4 only",
        ),
        (
            [H1, spoke("h2", {"networks": "fd50::/48"}), spoke("h3", {"networks": "fd50::/48"})],
            "host 'h3': hub_spoke_networks: fd50::/48 is also h2's; a prefix can belong to one peer only",
        ),
        (
            [hub("h1", {"networks": "fd50::/48"}), spoke("h2", {"networks": "fd50:0:0:1::/64"})],
            "host 'h2': hub_spoke_networks: fd50:0:0:1::/64 overlaps fd50::/48 of 'h1'; each site needs its own networks",
        ),
        (
            [hub("h1", BOTH), spoke("h2", {**BOTH, "networks": "fd43:0:0:0:8000::/65"})],
            "host 'h2': hub_spoke_networks: fd43::8000:0:0:0/65 overlaps the overlay's own network fd43::/64; list only "
            "networks behind the host",
        ),
    ],
)
def test_what_two_hosts_cannot_share_in_either_family(hosts: list[HostInput], expected: str) -> None:
    """One problem, of the second host, whatever the order of the inventory and the spelling of an address."""
    assert problems(*hosts) == problems(*reversed(hosts)) == (expected,)


def test_all_problems_at_once() -> None:
    found = problems(
        hub("h1", {"endpoint": "none", "mtu": 10}), hub("h4"), spoke("h2", {"port": "abc", "networks": "10.43.0.0/25"})
    )
    variables = {line.split(": ")[1] for line in found}
    assert variables >= {
        f"hub_spoke_{name}" for name in ("endpoint", "mtu", "interface", "priority", "port", "networks")
    }


def test_a_hub_reports_the_key_of_its_own_device_only() -> None:
    """A hub's report of a spoke's key is used for the device to that hub only."""
    first = planned(H1, hub("h4", SECOND), H2)
    again = planned(applied(H1, first), applied(hub("h4", SECOND), first), silent(H2))
    assert again.hosts["h2"].public_keys == first.hosts["h2"].public_keys


def test_a_hub_reported_with_different_keys() -> None:
    one = spoke("h2", devices={"wg0": {"peers": remembered("h1")}})
    other = spoke("h3", devices={"wg0": {"peers": remembered("h1", key=key_of("older"))}})
    lines = warnings(silent(H1), one, other)
    text = "host 'h1': hub_spoke_public_key: the host is unreachable, and others have stored different keys of it"
    assert any(line.startswith(text) for line in lines), lines


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([H1], "host 'h1': hub_spoke_spokes_group: the fleet has no spoke"),
        (
            [H1, spoke("h2", ipv4="", ipv6="2001:db8::2"), spoke("h3", ipv4="", ipv6="2001:db8::3")],
            "hosts 'h2', 'h3': hub_spoke_endpoint_family: no tunnel to hub 'h1' comes up: this host uses IPv6, but the "
            "hub's endpoint is IPv4 only; set a name or",
        ),
        (
            [hub("h1", ipv4="", ipv6="2001:db8::1"), H2],
            "host 'h2': hub_spoke_endpoint_family: no tunnel to hub 'h1' comes up: this host uses IPv4",
        ),
        (
            [H1, hub("h4", SECOND, ipv4="", ipv6="2001:db8::4"), H2],
            "no tunnel to hub 'h4' comes up",
        ),
        ([silent(hub("left")), H2], "host 'left': hub_spoke_endpoint: the hub is unreachable and has no known address"),
        ([H1, spoke("h2", mtu=1400)], "the members' MTUs differ"),
        (
            [H1, hub("h4", SECOND), spoke("h2", devices={"wg0": {}})],
            "host 'h2': hub_spoke_interface: the facts of this host have no key for 'wg1'; set the names",
        ),
        (
            [H1, silent(H2)],
            "host 'h2': hub_spoke_public_key: the host is unreachable, and the public key of the host is unknown",
        ),
    ],
)
def test_warnings(hosts: list[HostInput], expected: str) -> None:
    found = warnings(*hosts)
    assert [line for line in found if expected in line], found


@pytest.mark.parametrize(
    "views",
    [
        (spoke("h2", {"peer_overrides": {"h1": {"endpoint": "[2001:db8::1]:51820"}}}, ipv4="", ipv6="2001:db8::2"),),
        (spoke("h2", {"endpoint": "192.0.2.2"}, ipv4="", ipv6="2001:db8::2"),),
    ],
)
def test_no_warning_if_an_endpoint_is_configured(views: tuple[HostInput, ...]) -> None:
    assert not [line for line in warnings(H1, *views) if "no tunnel" in line]


@pytest.mark.parametrize("clone", ["h2", "h0"])
def test_a_hub_with_the_key_of_another_one_is_refused(clone: str) -> None:
    """Spokes have stored the key of the first hub; the name of a clone may come before or after its name."""
    spokes = [applied(one, planned(H1, spoke("h3"), spoke("h4"))) for one in (spoke("h3"), spoke("h4"))]
    copy = hub(clone, SECOND)
    assert copy.fact is not None
    copy.fact["interfaces"]["wg1"]["public_key"] = key_of("h1")
    original = applied(H1, planned(H1, spoke("h3"), spoke("h4")))
    found = plan_hub_spoke([original, copy, *spokes])
    assert found.plan is None
    assert any("has the same key as" in line and f"'{clone}'" in line and "'h1'" in line for line in found.problems)
    assert not [line for line in found.warnings if "does not report one" in line]


def test_no_plan_with_problems() -> None:
    assert plan_hub_spoke([H2]).plan is None
