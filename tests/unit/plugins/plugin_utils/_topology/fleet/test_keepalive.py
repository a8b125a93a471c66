# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that may be behind NAT send keepalives, also those with an endpoint."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from planned_fleet import host, interface
from planned_hub_spoke import SECOND, hub, interfaces, peers, planned, spoke

PRIVATE, OWN = "192.168.1.2", "203.0.113.3"
# Endpoint, address of the host, and keepalive: of a host that listens on port 51820.
ENDPOINTS = [
    (f"{OWN}:51820", OWN, 0),
    (OWN, OWN, 0),
    (f"{OWN}:40001", OWN, 25),
    ("198.51.100.9:51820", PRIVATE, 25),
    ("198.51.100.9:51820", OWN, 25),
    ("site.example.org", PRIVATE, 25),
    ("site.example.org", "100.64.0.9", 25),
    ("site.example.org", OWN, 0),
    ("site.example.org:40001", OWN, 25),
    ("[2001:db8::3]:51820", PRIVATE, 0),
    ("none", OWN, 25),
]


@pytest.mark.parametrize(("endpoint", "address", "expected"), ENDPOINTS)
def test_a_member_of_a_mesh(endpoint: str, address: str, expected: int) -> None:
    outcome = plan_mesh([host("h1"), host("h2", {"endpoint": endpoint}, ipv4=address)])
    assert outcome.plan is not None
    (peer,) = interface(outcome.plan, "h2")["peers"]
    assert peer["persistent_keepalive"] == expected
    (peer,) = interface(outcome.plan, "h1")["peers"]
    assert peer["persistent_keepalive"] == 0


@pytest.mark.parametrize(("endpoint", "address", "expected"), ENDPOINTS)
def test_a_spoke(endpoint: str, address: str, expected: int) -> None:
    plan = planned(hub("h1"), spoke("h2", {"endpoint": endpoint}, ipv4=address))
    assert peers(plan, "h2")["h1"]["persistent_keepalive"] == expected
    assert peers(plan, "h1")["h2"]["persistent_keepalive"] == 0


def test_a_hub_behind_a_port_forward() -> None:
    plan = planned(hub("h1", {"endpoint": "198.51.100.9:40001"}, ipv4=PRIVATE), spoke("h2"))
    assert peers(plan, "h1")["h2"]["persistent_keepalive"] == 25


def test_a_host_that_its_ansible_host_reaches_by_nat() -> None:
    behind = host("h2", ipv4=PRIVATE)._replace(ansible_host="198.51.100.9")
    outcome = plan_mesh([host("h1"), behind])
    assert outcome.plan is not None
    assert interface(outcome.plan, "h2")["peers"][0]["persistent_keepalive"] == 25


@pytest.mark.parametrize(
    ("ports", "address", "expected"),
    [
        ({}, OWN, {"wg0": 0, "wg1": 25}),
        ({"wg1": 51821}, OWN, {"wg0": 0, "wg1": 0}),
        ({"wg1": 51821}, PRIVATE, {"wg0": 25, "wg1": 25}),
    ],
)
def test_each_interface_of_a_spoke_by_its_own_port(
    ports: dict[str, int], address: str, expected: dict[str, int]
) -> None:
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", {"endpoint": OWN, "ports": ports}, ipv4=address))
    found = {name: entry["peers"][0]["persistent_keepalive"] for name, entry in interfaces(plan, "h3").items()}
    assert found == expected


def test_the_inventory_has_the_last_word() -> None:
    variables = {"endpoint": "198.51.100.9:40001", "persistent_keepalive": 0}
    plan = planned(hub("h1"), hub("h2", SECOND), spoke("h3", variables, ipv4=PRIVATE))
    assert {entry["peers"][0]["persistent_keepalive"] for entry in interfaces(plan, "h3").values()} == {0}
