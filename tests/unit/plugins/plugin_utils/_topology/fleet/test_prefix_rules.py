# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A member announces what its static peer has, so that all members reach the peer through it."""

from __future__ import annotations

import planned_hub_spoke
import pytest
from planned_fleet import host, interface, key_of, peers, planned, problems, warnings
from planned_hub_spoke import hub, spoke


def phone(allowed_ips: str) -> dict[str, object]:
    return {"static_peers": [{"name": "phone", "public_key": key_of("phone"), "allowed_ips": allowed_ips}]}


@pytest.mark.parametrize(
    ("network", "allowed_ips"),
    [
        ("10.42.0.200/32", "10.42.0.200"),
        ("10.99.0.2/32", "10.99.0.2/32"),
        ("10.99.0.0/24", "10.99.0.0/24"),
        ("10.99.0.0/24", "10.99.0.2"),
    ],
)
def test_a_member_announces_what_its_static_peer_has(network: str, allowed_ips: str) -> None:
    hosts = [host("h1", {**phone(allowed_ips), "networks": network}), host("h2"), host("h3")]
    assert warnings(*hosts) == ()
    plan = planned(*hosts)
    for other in ("h2", "h3"):
        assert network in peers(plan, other)["h1"]["allowed_ips"]
        assert "phone" not in peers(plan, other)
    assert peers(plan, "h1")["phone"]["allowed_ips"][0].split("/")[0] == allowed_ips.split("/")[0]
    assert interface(plan, "h1")["sysctls"]["net.ipv4.ip_forward"] == "1"


def test_a_static_peer_that_is_not_announced_is_reached_by_its_members_only() -> None:
    plan = planned(host("h1", phone("10.42.0.200")), host("h2"))
    assert peers(plan, "h2")["h1"]["allowed_ips"] == [f"{plan.hosts['h1'].addresses[0].bare}/32"]


def test_another_member_cannot_have_what_is_announced() -> None:
    (problem,) = problems(host("h1", {"networks": "10.99.0.2/32"}), host("h2", phone("10.99.0.2")))
    assert problem.startswith("host 'h2': mesh_static_peers: 10.99.0.2/32 of 'phone' is also h1's")
    both = phone("10.99.0.2")
    (problem,) = problems(host("h1", {**both, "networks": "10.99.0.2/32"}), host("h2", both))
    assert problem.startswith("host 'h2': mesh_static_peers: 10.99.0.2/32 of 'phone' is also h1's")


def test_the_own_network_cannot_be_announced() -> None:
    (problem,) = problems(host("h1", {"networks": "10.42.0.0/28"}), host("h2"))
    assert problem.startswith("host 'h1': mesh_networks: 10.42.0.0/28 overlaps the overlay's own network")


def test_a_hub_needs_not_announce_an_address_of_its_network() -> None:
    first = hub("h1", {**phone("10.43.0.200"), "networks": "10.43.0.200/32"})
    (problem,) = planned_hub_spoke.problems(first, spoke("h2"))
    assert problem == (
        "host 'h1': hub_spoke_networks: 10.43.0.200/32 of a static peer is reached through this hub without it; remove it"
    )
