# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that hosts offer, and the one that a pair uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import parse_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.endpoints import choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import Endpoints, HostInput
from planned_fleet import fact_of, host, key_of, peers, planned, remembered, silent


def endpoints(ipv4: str = "", ipv6: str = "", name: str = "") -> Endpoints:
    """Return endpoints out of text."""
    return Endpoints(*(parse_endpoint(text) if text else None for text in (ipv4, ipv6, name)))


BOTH = {"ipv4": "192.0.2.2", "ipv6": "2001:db8::2"}


def offered(name: str = "h2", ansible_host: str = "", variables: Any = None, fact: Any = None) -> Endpoints:
    member = HostInput(name, {"network": "10.42.0.0/24", **(variables or {})}, ansible_host, fact)
    return planned(host("h1"), member).hosts[name].endpoints


@pytest.mark.parametrize(
    ("ansible_host", "fact", "expected"),
    [
        ("", fact_of("h2", **BOTH), endpoints("192.0.2.2:51820", "[2001:db8::2]:51820")),
        ("203.0.113.2", fact_of("h2", **BOTH), endpoints("203.0.113.2:51820", "[2001:db8::2]:51820")),
        ("2001:db8::99", fact_of("h2", **BOTH), endpoints("192.0.2.2:51820", "[2001:db8::99]:51820")),
        ("127.0.0.1", fact_of("h2", **BOTH), endpoints("192.0.2.2:51820", "[2001:db8::2]:51820")),
        ("localhost", None, Endpoints()),
        ("10.42.0.9", fact_of("h2", **BOTH), endpoints("192.0.2.2:51820", "[2001:db8::2]:51820")),
        ("h2.example.org", fact_of("h2", ipv4="192.0.2.2"), endpoints("192.0.2.2:51820")),
        ("H2.example.org", fact_of("h2"), endpoints(name="h2.example.org:51820")),
        ("h2.example.org", None, endpoints(name="h2.example.org:51820")),
        ("203.0.113.2", None, endpoints("203.0.113.2:51820")),
        ("fe80::1", None, Endpoints()),
        ("not a host", None, Endpoints()),
        ("", None, Endpoints()),
    ],
)
def test_automatic(ansible_host: str, fact: Any, expected: Endpoints) -> None:
    assert offered(ansible_host=ansible_host, fact=fact) == expected


def test_an_inventory_name_that_is_an_address() -> None:
    assert offered("192.0.2.77") == endpoints("192.0.2.77:51820")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"endpoint": "none"}, Endpoints()),
        ({"endpoint": "203.0.113.9"}, endpoints("203.0.113.9:51820")),
        ({"endpoint": "203.0.113.9:99"}, endpoints("203.0.113.9:99")),
        ({"endpoint": "2001:DB8::9"}, endpoints(ipv6="[2001:db8::9]:51820")),
        ({"endpoint": "[2001:db8::9]"}, endpoints(ipv6="[2001:db8::9]:51820")),
        ({"endpoint": "[2001:db8::9]:99"}, endpoints(ipv6="[2001:db8::9]:99")),
        ({"endpoint": "fe80::9%eth0"}, endpoints(ipv6="[fe80::9%eth0]:51820")),
        ({"endpoint": "VPN.example.org"}, endpoints(name="vpn.example.org:51820")),
        ({"port": 7000}, endpoints("192.0.2.2:7000", "[2001:db8::2]:7000")),
        ({"port": 0}, Endpoints()),
        ({"endpoint_family": "ipv6"}, endpoints(ipv6="[2001:db8::2]:51820")),
        ({"endpoint_family": "ipv4"}, endpoints("192.0.2.2:51820")),
    ],
)
def test_wanted(variables: dict[str, object], expected: Endpoints) -> None:
    assert offered(variables=variables, fact=fact_of("h2", **BOTH)) == expected


def test_an_unreachable_host_gets_the_endpoint_that_all_members_have_cached() -> None:
    known = [
        host(f"h{number}", peers=remembered("h9", "10.42.0.9", endpoint))
        for number, endpoint in ((1, "192.0.2.9:5"), (2, "192.0.2.9:5"), (4, "nonsense"), (5, ""))
    ]
    assert planned(silent("h9"), *known).hosts["h9"].endpoints == endpoints("192.0.2.9:5")
    other = host("h3", peers=remembered("h9", "10.42.0.9", "192.0.2.8:5"))
    assert planned(silent("h9"), *known, other).hosts["h9"].endpoints == Endpoints(), "each host keeps its own"
    named = silent("h9", ansible_host="h9.example.org")
    assert planned(named, *known).hosts["h9"].endpoints == endpoints(name="h9.example.org:5"), "the port stays"
    nowhere = silent("h9", {"endpoint": "none"})
    assert planned(nowhere, *known).hosts["h9"].endpoints == Endpoints()


def test_a_host_that_has_no_endpoint_any_more_has_none_in_the_plan() -> None:
    """The peer's option is left out, so that the endpoint in the kernel is not changed."""
    stored = {"peers": remembered("h2", "10.42.0.2", "198.51.100.2:51820"), "notes": {"overlay": "mesh"}}
    plan = planned(host("h1", **stored), host("h2", {"endpoint": "none"}))
    assert peers(plan, "h1")["h2"]["endpoint"] is None


def test_a_reassigned_address_is_no_endpoint_of_an_unreachable_host() -> None:
    known = host("h1", ipv4="192.0.2.9", peers=remembered("h8", "10.42.0.8", "192.0.2.9:51820"))
    plan = planned(silent("h8"), known, host("h2", ipv4="192.0.2.2"))
    assert plan.hosts["h8"].endpoints == Endpoints()
    assert plan.hosts["h1"].endpoints == endpoints("192.0.2.9:51820")
    assert peers(plan, "h2")["h8"]["endpoint"] is None, "whoever holds an endpoint keeps it"


def test_a_cached_endpoint_of_two_unreachable_hosts_is_used_for_neither() -> None:
    cached = [remembered(name, f"10.42.0.{name[1]}", "192.0.2.9:51820") for name in ("h8", "h9")]
    plan = planned(silent("h8"), silent("h9"), host("h1", peers="\n".join(cached)))
    assert {plan.hosts[name].endpoints for name in ("h8", "h9")} == {Endpoints()}


@pytest.mark.parametrize(
    ("families", "offers", "expected"),
    [
        (("ipv4", "ipv6"), endpoints("192.0.2.1:1", "[fd00::1]:1"), ("ipv4", "192.0.2.1:1")),
        (("ipv6",), endpoints("192.0.2.1:1", "[fd00::1]:1"), ("ipv6", "[fd00::1]:1")),
        (("ipv6",), endpoints("192.0.2.1:1"), ("", "None")),
        (("ipv4",), endpoints(name="n:1"), ("name", "n:1")),
        (("ipv4",), replace(endpoints(name="n:1"), name_family="ipv4"), ("ipv4", "n:1")),
        (("ipv4",), replace(endpoints(name="n:1"), name_family="ipv6"), ("", "None")),
        ((), endpoints("192.0.2.1:1", "[fd00::1]:1"), ("", "None")),
    ],
)
def test_choose(families: tuple[str, ...], offers: Endpoints, expected: tuple[str, str]) -> None:
    kind, endpoint = choose(families, offers)
    assert (kind, str(endpoint)) == expected


def test_pairs_use_a_common_family() -> None:
    plan = planned(
        host("h1", ipv4="192.0.2.1"),
        host("h2", ipv4="", ipv6="2001:db8::2"),
        host("h3", ipv4="192.0.2.3", ipv6="2001:db8::3"),
        host("h4", {"endpoint_family": "ipv6"}, ipv4="192.0.2.4", ipv6="2001:db8::4"),
    )
    used = {name: {other: peer["endpoint"] for other, peer in peers(plan, name).items()} for name in plan.hosts}
    assert used["h1"] == {"h2": None, "h3": "192.0.2.3:51820", "h4": None}
    assert used["h2"] == {"h1": None, "h3": "[2001:db8::3]:51820", "h4": "[2001:db8::4]:51820"}
    assert used["h3"] == {"h1": "192.0.2.1:51820", "h2": "[2001:db8::2]:51820", "h4": "[2001:db8::4]:51820"}
    assert used["h4"] == {"h1": None, "h2": "[2001:db8::2]:51820", "h3": "[2001:db8::3]:51820"}


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("2001:db8:1::/64\teth0\t256\tconnected", "[2001:db8::2]:51820"),
        ("192.0.2.0/24\teth0\t0\tconnected", "192.0.2.2:51820"),
        ("192.0.2.0/24\teth0\t0\tconnected\n2001:db8:1::/64\teth0\t256\trouted", "192.0.2.2:51820"),
        # Of its own tunnel.
        ("10.42.0.0/24\twg0\t0\tconnected\n2001:db8:1::/64\teth0\t256\trouted", "[2001:db8::2]:51820"),
        ("", "192.0.2.2:51820"),
        ("nonsense", "192.0.2.2:51820"),
    ],
)
def test_without_a_default_route_a_host_reaches_the_families_of_its_networks(routes: str, expected: str) -> None:
    # h1 is reached by a name, so that nothing but its routes is known of it.
    alone = HostInput("h1", {"network": "10.42.0.0/24"}, "h1.example.org", {**fact_of("h1"), "routes": routes})
    assert peers(planned(alone, host("h2", **BOTH)), "h1")["h2"]["endpoint"] == expected


def test_a_member_keeps_its_key_when_only_its_name_is_known() -> None:
    plan = planned(host("h1"), silent("h2", {"public_key": key_of("h2")}, ansible_host="h2.example.org"))
    assert peers(plan, "h1")["h2"]["endpoint"] == "h2.example.org:51820"


def test_a_name_has_addresses_of_the_families_of_both_ends() -> None:
    named = {"h2": ("h2.example.org", ""), "h3": ("h3.example.org", "ipv4"), "h4": ("h4.example.org", "ipv6")}
    static = {"public_key": key_of("phone"), "endpoint": "phone.example.org:1", "allowed_ips": ["10.9.0.0/24"]}
    override = {"h2": {"endpoint": "other.example.org"}, "h3": {"endpoint": "203.0.113.3"}}

    def entries(family: str, overrides: Any = None) -> dict[str, Any]:
        variables = {"endpoint_family": family, "static_peers": [static], "peer_overrides": overrides or {}}
        others = [host(name, {"endpoint": text, "endpoint_family": of or "auto"}) for name, (text, of) in named.items()]
        found = peers(planned(host("h1", variables, ipv4="192.0.2.1", ipv6="2001:db8::1"), *others), "h1")
        return {name: (entry["endpoint"], entry.get("endpoint_family")) for name, entry in found.items()}

    h2, h3, h4 = (f"{text}:51820" for text, _family in named.values())
    phone = "phone.example.org:1"
    assert entries("auto") == {"": (phone, None), "h2": (h2, None), "h3": (h3, "ipv4"), "h4": (h4, "ipv6")}
    assert entries("ipv4") == {"": (phone, "ipv4"), "h2": (h2, "ipv4"), "h3": (h3, "ipv4"), "h4": (None, None)}
    assert entries("ipv6", override) == {
        "": (phone, "ipv6"),
        "h2": ("other.example.org:51820", "ipv6"),
        "h3": ("203.0.113.3:51820", None),
        "h4": (h4, "ipv6"),
    }


def test_the_name_of_an_unreachable_host_has_its_family_too() -> None:
    cached = remembered("h9", "10.42.0.9", "h9.example.org:5")
    plan = planned(silent("h9", {"endpoint_family": "ipv6"}), host("h1", peers=cached))
    assert plan.hosts["h9"].endpoints == replace(endpoints(name="h9.example.org:5"), name_family="ipv6")
