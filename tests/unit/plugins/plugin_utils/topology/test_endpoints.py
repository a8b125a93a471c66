# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts offer, and what a pair has in common."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Endpoints, HostInput
from planned_fleet import fact_of, host, key_of, peers, planned, remembered, silent

BOTH = {"ipv4": "192.0.2.2", "ipv6": "2001:db8::2"}


def offered(name: str = "h2", ansible_host: str = "", variables: Any = None, fact: Any = None) -> Endpoints:
    member = HostInput(name, {"network": "10.42.0.0/24", **(variables or {})}, ansible_host, fact)
    return planned(host("h1"), member).hosts[name].endpoints


@pytest.mark.parametrize(
    ("ansible_host", "fact", "expected"),
    [
        ("", fact_of("h2", **BOTH), Endpoints("192.0.2.2:51820", "[2001:db8::2]:51820")),
        ("203.0.113.2", fact_of("h2", **BOTH), Endpoints("203.0.113.2:51820", "[2001:db8::2]:51820")),
        ("2001:db8::99", fact_of("h2", **BOTH), Endpoints("192.0.2.2:51820", "[2001:db8::99]:51820")),
        ("127.0.0.1", fact_of("h2", **BOTH), Endpoints("192.0.2.2:51820", "[2001:db8::2]:51820")),
        ("localhost", None, Endpoints()),
        ("10.42.0.9", fact_of("h2", **BOTH), Endpoints("192.0.2.2:51820", "[2001:db8::2]:51820")),
        ("h2.example.org", fact_of("h2", ipv4="192.0.2.2"), Endpoints("192.0.2.2:51820")),
        ("H2.example.org", fact_of("h2"), Endpoints(name="h2.example.org:51820")),
        ("h2.example.org", None, Endpoints(name="h2.example.org:51820")),
        ("203.0.113.2", None, Endpoints("203.0.113.2:51820")),
        ("fe80::1", None, Endpoints()),
        ("not a host", None, Endpoints()),
        ("", None, Endpoints()),
    ],
)
def test_automatic(ansible_host: str, fact: Any, expected: Endpoints) -> None:
    assert offered(ansible_host=ansible_host, fact=fact) == expected


def test_an_inventory_name_that_is_an_address() -> None:
    assert offered("192.0.2.77") == Endpoints("192.0.2.77:51820")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"endpoint": "none"}, Endpoints()),
        ({"endpoint": "203.0.113.9"}, Endpoints("203.0.113.9:51820")),
        ({"endpoint": "203.0.113.9:99"}, Endpoints("203.0.113.9:99")),
        ({"endpoint": "2001:DB8::9"}, Endpoints(ipv6="[2001:db8::9]:51820")),
        ({"endpoint": "[2001:db8::9]"}, Endpoints(ipv6="[2001:db8::9]:51820")),
        ({"endpoint": "[2001:db8::9]:99"}, Endpoints(ipv6="[2001:db8::9]:99")),
        ({"endpoint": "fe80::9%eth0"}, Endpoints(ipv6="[fe80::9%eth0]:51820")),
        ({"endpoint": "VPN.example.org"}, Endpoints(name="vpn.example.org:51820")),
        ({"port": 7000}, Endpoints("192.0.2.2:7000", "[2001:db8::2]:7000")),
        ({"port": 0}, Endpoints()),
        ({"endpoint_family": "ipv6"}, Endpoints(ipv6="[2001:db8::2]:51820")),
        ({"endpoint_family": "ipv4"}, Endpoints("192.0.2.2:51820")),
    ],
)
def test_wanted(variables: dict[str, object], expected: Endpoints) -> None:
    assert offered(variables=variables, fact=fact_of("h2", **BOTH)) == expected


def test_what_most_neighbours_remember_of_a_host_that_is_down() -> None:
    known = [
        host(f"h{number}", peers=remembered("h9", "10.42.0.9", endpoint))
        for number, endpoint in ((1, "192.0.2.9:5"), (2, "192.0.2.9:5"), (3, "192.0.2.8:5"), (4, "nonsense"), (5, ""))
    ]
    assert planned(silent("h9"), *known).hosts["h9"].endpoints == Endpoints("192.0.2.9:5")
    named = silent("h9", ansible_host="h9.example.org")
    assert planned(named, *known).hosts["h9"].endpoints == Endpoints(name="h9.example.org:51820")
    nowhere = silent("h9", {"endpoint": "none"})
    assert planned(nowhere, *known).hosts["h9"].endpoints == Endpoints()


def test_an_address_that_went_to_another_host_is_no_endpoint_of_one_that_is_down() -> None:
    known = host("h1", ipv4="192.0.2.9", peers=remembered("h8", "10.42.0.8", "192.0.2.9:51820"))
    plan = planned(silent("h8"), known, host("h2", ipv4="192.0.2.2"))
    assert plan.hosts["h8"].endpoints == Endpoints()
    assert plan.hosts["h1"].endpoints == Endpoints("192.0.2.9:51820")
    assert peers(plan, "h2")["h8"]["endpoint"] is None, "whoever holds an endpoint keeps it"


def test_an_address_that_two_silent_hosts_had_belongs_to_neither() -> None:
    memories = [remembered(name, f"10.42.0.{name[1]}", "192.0.2.9:51820") for name in ("h8", "h9")]
    plan = planned(silent("h8"), silent("h9"), host("h1", peers="\n".join(memories)))
    assert {plan.hosts[name].endpoints for name in ("h8", "h9")} == {Endpoints()}


@pytest.mark.parametrize(
    ("families", "endpoints", "expected"),
    [
        (("ipv4", "ipv6"), Endpoints("a", "b"), ("ipv4", "a")),
        (("ipv6",), Endpoints("a", "b"), ("ipv6", "b")),
        (("ipv6",), Endpoints("a"), ("", "")),
        (("ipv4",), Endpoints(name="n"), ("name", "n")),
        ((), Endpoints("a", "b"), ("", "")),
    ],
)
def test_choose(families: tuple[str, ...], endpoints: Endpoints, expected: tuple[str, str]) -> None:
    assert choose(families, endpoints) == expected


def test_pairs_meet_in_a_family_both_have() -> None:
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


def test_a_member_keeps_its_key_when_only_its_name_is_known() -> None:
    plan = planned(host("h1"), silent("h2", {"public_key": key_of("h2")}, ansible_host="h2.example.org"))
    assert peers(plan, "h1")["h2"]["endpoint"] == "h2.example.org:51820"
