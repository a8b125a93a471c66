# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers that are expected to answer after a run."""

from __future__ import annotations

import planned_fleet
import planned_hub_spoke
from ansible_collections.wirewright.overlay.plugins.action.overlay_plan import hubs
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.expected_peers import (
    expected_answers,
    reached_so_far,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan
from planned_fleet import host, key_of
from planned_hub_spoke import SECOND, hub, spoke


def asked(plan: FleetPlan, name: str, *reached: str) -> dict[str, str]:
    """Return the interface over which each peer is probed, by name."""
    return {peer["name"]: peer["interface"] for peer in expected_answers(plan, name, reached or tuple(plan.hosts))}


def test_members_of_a_mesh_probe_reached_members() -> None:
    plan = planned_fleet.planned(host("h1"), host("h2", {"addresses": ["10.42.0.2"]}), host("h3"))
    assert expected_answers(plan, "h1", ("h1", "h2")) == [
        {"interface": "wg0", "public_key": key_of("h2"), "name": "h2", "addresses": ["10.42.0.2"]}
    ]
    assert asked(plan, "h3") == {"h1": "wg0", "h2": "wg0"}
    assert asked(plan, "h3", "h1", "h2", "elsewhere") == {"h1": "wg0", "h2": "wg0"}
    assert asked(plan, "elsewhere") == {}


def test_members_without_a_key_or_an_endpoint_are_not_probed() -> None:
    nowhere = {"endpoint": "none"}
    plan = planned_fleet.planned(host("h1", nowhere), host("h2", nowhere), host("h3"), host("h4", public_key=None))
    assert asked(plan, "h1") == {"h3": "wg0"}
    assert asked(plan, "h3") == {"h1": "wg0", "h2": "wg0"}
    known = {**nowhere, "peer_overrides": {"h2": {"endpoint": "198.51.100.2:1000"}}}
    assert asked(planned_fleet.planned(host("h1", known), host("h2", nowhere)), "h1") == {"h2": "wg0"}


def test_hosts_without_managed_routes_probe_no_peers() -> None:
    plan = planned_fleet.planned(host("h1", {"routes": False}), host("h2"))
    assert asked(plan, "h1") == {}
    assert asked(plan, "h2") == {"h1": "wg0"}


def test_spokes_and_hubs_probe_hubs() -> None:
    plan = planned_hub_spoke.planned(hub("h1"), hub("h2", SECOND), spoke("s3"), spoke("s4"))
    assert asked(plan, "s3") == {"h1": "wg0", "h2": "wg1"}
    assert asked(plan, "h1") == {"h2": "wg0"}
    assert asked(plan, "h2") == {"h1": "wg1"}
    assert asked(plan, "s3", "s3", "s4", "h2") == {"h2": "wg1"}


def test_only_addresses_of_a_common_family_are_probed() -> None:
    both = {"network": ["10.42.0.0/24", "fd42::/64"]}

    def addresses(plan: FleetPlan, name: str) -> dict[str, list[str]]:
        return {peer["name"]: peer["addresses"] for peer in expected_answers(plan, name, tuple(plan.hosts))}

    old, new = {"addresses": ["10.42.0.1"]}, {"addresses": ["fd42::2"]}
    dual = {"addresses": ["10.42.0.3", "fd42::3"]}
    plan = planned_fleet.planned(
        *(host(name, {**both, **own}) for name, own in (("h1", old), ("h2", new), ("h3", dual)))
    )
    assert addresses(plan, "h1") == {"h3": ["10.42.0.3"]}
    assert addresses(plan, "h2") == {"h3": ["fd42::3"]}
    assert addresses(plan, "h3") == {"h1": ["10.42.0.1"], "h2": ["fd42::2"]}
    both = {"network": ["10.43.0.0/24", "fd43::/64"]}
    hubs = planned_hub_spoke.planned(
        hub("h1", {**both, "addresses": ["10.43.0.1", "fd43::1"]}), spoke("s3", {**both, "addresses": ["10.43.0.3"]})
    )
    assert addresses(hubs, "s3") == {"h1": ["10.43.0.1"]}


def test_the_failover_service_probes_an_address_of_a_family_that_all_spokes_have() -> None:
    both = {"network": ["10.43.0.0/24", "fd43::/64"]}
    dual = {**both, "addresses": ["10.43.0.1", "fd43::1"]}
    for own, expected in (
        ({}, "10.43.0.1"),
        ({"addresses": ["10.43.0.3"]}, "10.43.0.1"),
        ({"addresses": ["fd43::3"]}, "fd43::1"),
    ):
        plan = planned_hub_spoke.planned(hub("h1", dual), spoke("s3", {**both, **own}), spoke("s4", both))
        assert hubs(plan) == [{"name": "h1", "dev": "wg0", "address": expected}], own


def test_hosts_of_later_batches_and_those_that_failed_are_not_reached() -> None:
    everybody = ["a", "b", "c", "d", "e"]
    assert reached_so_far(["a", "c", "d", "e"], ["c", "d"], everybody) == {"a", "c", "d"}
    assert reached_so_far(["a"], [], everybody) == frozenset()
