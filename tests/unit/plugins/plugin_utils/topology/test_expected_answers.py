# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who can be expected to answer whom after a run."""

from __future__ import annotations

import planned_fleet
import planned_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.expected_answers import (
    expected_answers,
    reached_so_far,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan
from planned_fleet import host, key_of
from planned_hub_spoke import SECOND, hub, spoke


def asked(plan: FleetPlan, name: str, *reached: str) -> dict[str, str]:
    """Return the interface by which each peer is asked, by name."""
    return {peer["name"]: peer["interface"] for peer in expected_answers(plan, name, reached or tuple(plan.hosts))}


def test_members_of_a_mesh_ask_those_that_were_reached() -> None:
    plan = planned_fleet.planned(host("h1"), host("h2", {"addresses": ["10.42.0.2"]}), host("h3"))
    assert expected_answers(plan, "h1", ("h1", "h2")) == [
        {"interface": "wg0", "public_key": key_of("h2"), "name": "h2", "addresses": ["10.42.0.2"]}
    ]
    assert asked(plan, "h3") == {"h1": "wg0", "h2": "wg0"}
    assert asked(plan, "h3", "h1", "h2", "elsewhere") == {"h1": "wg0", "h2": "wg0"}
    assert asked(plan, "elsewhere") == {}


def test_members_without_a_key_or_a_way_are_not_asked() -> None:
    nowhere = {"endpoint": "none"}
    plan = planned_fleet.planned(host("h1", nowhere), host("h2", nowhere), host("h3"), host("h4", public_key=None))
    assert asked(plan, "h1") == {"h3": "wg0"}
    assert asked(plan, "h3") == {"h1": "wg0", "h2": "wg0"}
    known = {**nowhere, "peer_overrides": {"h2": {"endpoint": "198.51.100.2:1000"}}}
    assert asked(planned_fleet.planned(host("h1", known), host("h2", nowhere)), "h1") == {"h2": "wg0"}


def test_hosts_whose_routes_come_from_elsewhere_ask_nobody() -> None:
    plan = planned_fleet.planned(host("h1", {"routes": False}), host("h2"))
    assert asked(plan, "h1") == {}
    assert asked(plan, "h2") == {"h1": "wg0"}


def test_spokes_and_hubs_ask_hubs() -> None:
    plan = planned_hub_spoke.planned(hub("h1"), hub("h2", SECOND), spoke("s3"), spoke("s4"))
    assert asked(plan, "s3") == {"h1": "wg0", "h2": "wg1"}
    assert asked(plan, "h1") == {"h2": "wg0"}
    assert asked(plan, "h2") == {"h1": "wg1"}
    assert asked(plan, "s3", "s3", "s4", "h2") == {"h2": "wg1"}


def test_hosts_of_later_batches_and_those_that_failed_are_not_reached() -> None:
    everybody = ["a", "b", "c", "d", "e"]
    assert reached_so_far(["a", "c", "d", "e"], ["c", "d"], everybody) == {"a", "c", "d"}
    assert reached_so_far(["a"], [], everybody) == frozenset()
