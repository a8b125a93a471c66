# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hubs and spokes in real plays: the groups of the fleet, and the variables of each host."""

from __future__ import annotations

from typing import Any

import pytest
from fleet_project import Project, fact_of, key_of

pytestmark = pytest.mark.plays

TASKS: list[dict[str, Any]] = [
    {"name": "Facts", "wirewright.overlay.overlay_prepare": {"fact": "{{ fake_fact }}"}},
    {
        "name": "Plan",
        "wirewright.overlay.overlay_plan": {
            "topology": "hub_spoke",
            "hubs_group": "{{ hub_spoke_hubs_group }}",
            "spokes_group": "{{ hub_spoke_spokes_group }}",
        },
        "run_once": True,
        "register": "__hub_spoke_plan",
    },
    {"name": "Apply", "wirewright.overlay.overlay_apply": {"plan_from": "__hub_spoke_plan"}},
]
DEFAULTS = {"hub_spoke_interface": "wg0", "hub_spoke_hubs_group": "hubs", "hub_spoke_spokes_group": "spokes"}


@pytest.fixture
def fleet(project: Project) -> Project:
    """Return a project with one hub, h1, and the spokes s2 and s3, in a play for all of them."""
    project.play = {"hosts": "all", "gather_facts": False, "roles": [{"role": "hub_spoke"}]}
    project.write("roles/hub_spoke/tasks/main.yml", TASKS)
    project.write("roles/hub_spoke/defaults/main.yml", DEFAULTS)
    inventory(project, hubs={"h1": {}}, spokes={"s2": {}, "s3": {}})
    return project


def inventory(project: Project, **groups: dict[str, dict[str, Any]]) -> None:
    """Write an inventory of groups of hosts with their variables."""
    names = sorted({name for hosts in groups.values() for name in hosts})
    children = {
        group: {
            "hosts": {name: {"fake_fact": fact_of(name, names.index(name) + 1), **own} for name, own in hosts.items()}
        }
        for group, hosts in groups.items()
    }
    common = {"ansible_connection": "local", "hub_spoke_network": "10.43.0.0/24"}
    project.write("hosts.yml", {"all": {"children": children, "vars": common}})


def test_spokes_have_the_hub_and_the_hub_has_the_spokes(fleet: Project) -> None:
    run = fleet.run()
    assert run.code == 0, run.output
    assert set(run.peers("h1")) == {"s2", "s3"}
    assert set(run.peers("s2")) == set(run.peers("s3")) == {"h1"}
    assert run.documents["h1"]["nftables"]["wg0"]["clamp_mss"] is True
    assert run.documents["s2"]["nftables"] is None


def test_the_fleet_is_both_groups_whatever_the_play_and_the_limit(fleet: Project) -> None:
    fleet.play["hosts"] = "spokes"
    run = fleet.run("--limit", "s2")
    assert run.code == 0, run.output
    assert set(run.documents) == {"s2"}
    assert "h1" in run.peers("s2"), "the hub is asked, although the run does not have it"


def test_variables_of_each_host_with_exact_precedence(fleet: Project) -> None:
    fleet.write("group_vars/hubs.yml", {"hub_spoke_isolate": "{{ strict }}", "strict": True, "hub_spoke_priority": 7})
    fleet.write("host_vars/h1.yml", {"hub_spoke_networks": ["10.60.{{ inventory_hostname[1:] }}.0/24"]})
    fleet.play["roles"] = [{"role": "hub_spoke", "hub_spoke_open_firewall": True}]
    run = fleet.run()
    assert run.code == 0, run.output
    assert run.peers("s2")["h1"]["allowed_ips"][1:] == ["10.60.1.0/24"]
    assert run.interface("s2")["route_metric"] == 7
    assert run.documents["h1"]["nftables"]["wg0"]["isolate"] is True
    assert run.documents["s2"]["open_firewall"] is True


def test_groups_of_other_names(fleet: Project) -> None:
    inventory(fleet, gateways={"h1": {}}, branches={"s2": {}}, others={"x9": {}})
    fleet.play["hosts"] = "gateways:branches"
    run = fleet.run("-e", "hub_spoke_hubs_group=gateways", "-e", "hub_spoke_spokes_group=branches")
    assert run.code == 0, run.output
    assert (set(run.peers("h1")), set(run.peers("s2"))) == ({"s2"}, {"h1"})


def test_a_fleet_without_spokes_is_planned(fleet: Project) -> None:
    inventory(fleet, hubs={"h1": {}})
    run = fleet.run()
    assert run.code == 0, run.output
    assert "the fleet has no spoke" in run.output
    assert run.interface("h1")["peers"] == []


def test_a_missing_group_of_hubs_is_refused(fleet: Project) -> None:
    inventory(fleet, hub={"h1": {}}, spokes={"s2": {}})
    run = fleet.run()
    assert run.code != 0
    assert "hub_spoke_hubs_group: 'hubs' is not a group with hosts; groups with hosts: all, hub, spokes" in run.output
    assert not run.documents


def test_a_host_in_both_groups_is_refused_with_all_other_problems(fleet: Project) -> None:
    inventory(fleet, hubs={"h1": {"hub_spoke_endpoint": "none"}}, spokes={"h1": {}, "s2": {"hub_spoke_port": "abc"}})
    run = fleet.run()
    assert run.code != 0
    for line in (
        "host 'h1': hub_spoke_hubs_group: the host is also in hub_spoke_spokes_group",
        "host 'h1': hub_spoke_endpoint: spokes initiate the tunnels",
        "host 's2': hub_spoke_port: 'abc' is not a whole number",
    ):
        assert line in run.output, run.output
    assert not run.documents


def test_a_host_without_the_key_of_a_device_gets_no_tunnels_without_preshared_keys(fleet: Project) -> None:
    second = {"hub_spoke_interface": "wg1", "hub_spoke_priority": 200, "fake_fact": fact_of("h4", 9)}
    second["fake_fact"]["interfaces"] = {"wg1": second["fake_fact"]["interfaces"]["wg0"]}
    inventory(fleet, hubs={"h1": {}, "h4": second}, spokes={"s2": {}})
    run = fleet.run("-e", "hub_spoke_psk_master=correct-horse-battery")
    assert "'s2' has no key yet" in run.output
    assert set(run.documents) == {"h1", "h4"}
    assert set(run.documents["h1"]["preshared_keys"]["wg0"]) == {key_of("s2"), key_of("h4")}
