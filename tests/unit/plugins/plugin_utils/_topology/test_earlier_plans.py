# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two overlays of one run on the same hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import format_problems
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.earlier_plans import (
    EARLIER,
    PLANS,
    WITH_NETWORKS,
    conflicts,
    registered_plans,
    replaced_plans,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan
from planned_fleet import host, planned

FIRST = {"network": "10.42.0.0/24", "port": 51820, "interface": "wg0"}


def mesh(*names: str, **variables: Any) -> FleetPlan:
    """Return the plan of a mesh of new hosts."""
    return planned(*(host(name, {**FIRST, **variables}) for name in names))


def found(second: FleetPlan, *earlier: FleetPlan) -> list[str]:
    return format_problems(conflicts(second, [plan.to_dict() for plan in earlier], "mesh_"))


@pytest.mark.parametrize("network", ["10.42.0.0/24", "10.42.0.0/16", "10.42.0.0/25"])
def test_networks_of_two_overlays_do_not_overlap(network: str) -> None:
    second = mesh("h1", "h2", interface="wg1", port=51821, network=network)
    assert found(second, mesh("h1", "h2")) == [
        f"hosts 'h1', 'h2': mesh_network: {network} overlaps 10.42.0.0/24, the network that this run has planned for wg0; "
        "write another one"
    ]


def test_ports_of_two_overlays_differ() -> None:
    second = mesh("h1", "h2", interface="wg1", network="10.43.0.0/24")
    assert found(second, mesh("h1", "h2")) == [
        "hosts 'h1', 'h2': mesh_port: 51820 is the port that this run has planned for wg0 on this host; set another one"
    ]
    unset = mesh("h1", "h2", interface="wg1", network="10.43.0.0/24", port=0)
    assert found(unset, mesh("h1", "h2", port=0)) == []


def test_other_hosts_and_the_same_interface_are_no_conflict() -> None:
    assert found(mesh("h3", "h4", interface="wg1"), mesh("h1", "h2")) == []
    assert found(mesh("h1", "h2", network="10.42.0.0/16"), mesh("h1", "h2")) == []


def test_plans_are_found_in_the_variables_of_a_task() -> None:
    plan = mesh("h1", "h2").to_dict()
    variables = {"__mesh_plan": {"plan": plan}, "__hub_spoke_plan": {"skipped": True}}
    assert registered_plans(variables, WITH_NETWORKS) == [plan]
    assert registered_plans({"__mesh_plan": "text"}, PLANS) == []


def test_the_plans_that_a_result_replaces_are_those_of_other_interfaces() -> None:
    plans = [mesh("h1", interface=f"wg{number}", network=f"10.4{number}.0.0/24").to_dict() for number in range(3)]
    variables = {"__mesh_plan": {"plan": plans[1], EARLIER: [plans[0]]}}
    assert registered_plans(variables, PLANS) == plans[:2]
    assert replaced_plans(mesh("h1", interface="wg2"), variables) == plans[:2]
    assert replaced_plans(mesh("h1", interface="wg0"), variables) == [plans[1]], "the overlay is planned again"
    assert replaced_plans(mesh("h1"), {}) == []


def test_the_third_overlay_of_a_run_is_compared_with_both() -> None:
    earlier = [mesh("h1").to_dict(), mesh("h1", interface="wg1", network="10.43.0.0/24", port=2).to_dict()]
    third = mesh("h1", interface="wg2", port=3)
    plans = registered_plans({"__mesh_plan": {"plan": earlier[1], EARLIER: [earlier[0]]}}, WITH_NETWORKS)
    (problem,) = conflicts(third, plans, "mesh_")
    assert "has planned for wg0" in problem.text
