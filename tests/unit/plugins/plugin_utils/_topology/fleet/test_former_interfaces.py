# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that an overlay had on its hosts are removed by the run that no longer plans them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from planned_fleet import host, key_of, remembered
from planned_hub_spoke import SECOND, hub, spoke

MESH, HUBS = "mesh", "hub_spoke hubs spokes"


def having(given: HostInput, overlay: str, **addresses: str) -> HostInput:
    """Return a host that has interfaces of an overlay, each with an address and a peer."""
    assert given.fact is not None
    devices = {
        name: {
            "public_key": key_of(f"{given.name} before"),
            "addresses": [address],
            "peers": remembered("gone", "10.42.0.200", key=key_of("old")),
            "revoked": {key_of("thief"): "thief"},
            "notes": {"overlay": overlay},
        }
        for name, address in addresses.items()
    }
    return given._replace(fact={**given.fact, "interfaces": {**devices, **given.fact["interfaces"]}})


def renamed(name: str, address: str, variables: Mapping[str, object] | None = None) -> HostInput:
    """Return a member of a mesh whose interface was wg0 and is now wg5."""
    wanted = host(name, {"interface": "wg5", **(variables or {})})
    assert wanted.fact is not None
    new = {"public_key": key_of(name), "addresses": [], "peers": "", "revoked": {}}
    routes = "10.42.0.0/24\twg0\t0\tconnected"
    return having(
        wanted._replace(fact={**wanted.fact, "interfaces": {"wg5": new}, "routes": routes}), MESH, wg0=address
    )


def mesh(*hosts: HostInput) -> FleetPlan:
    outcome = plan_mesh(hosts, overlay=MESH)
    assert outcome.plan is not None, outcome.problems
    return outcome.plan


def states(plan: FleetPlan, name: str) -> dict[str, str]:
    entries: list[dict[str, Any]] = host_document(plan, name)["interfaces"]
    return {entry["name"]: entry.get("state", "present") for entry in entries}


def test_a_renamed_interface_of_a_mesh_keeps_addresses_and_revoked_keys() -> None:
    plan = mesh(renamed("h1", "10.42.0.77/24"), renamed("h2", "10.42.0.78/24"))
    assert states(plan, "h1") == {"wg5": "present", "wg0": "absent"}
    assert [str(plan.hosts[name].addresses[0]) for name in ("h1", "h2")] == ["10.42.0.77/24", "10.42.0.78/24"]
    assert plan.hosts["h1"].public_key == key_of("h1"), "the key is that of the new interface"
    assert plan.revoked == {}
    (new,) = (one for one in host_document(plan, "h1")["interfaces"] if one["name"] == "wg5")
    assert new["revoked"] == {key_of("thief"): "thief"}


def test_an_interface_with_an_explicit_address_outside_all_networks_is_known_by_it() -> None:
    addresses = {"network": [], "addresses": ["10.9.9.1/24"]}
    plan = mesh(
        renamed("h1", "10.9.9.1/24", addresses),
        renamed("h2", "10.9.9.3/24", {**addresses, "addresses": ["10.9.9.2/24"]}),
    )
    assert states(plan, "h1") == {"wg5": "present", "wg0": "absent"}
    assert states(plan, "h2") == {"wg5": "present"}


def test_another_mesh_of_the_host_stays() -> None:
    plan = mesh(having(host("h1"), MESH, wg7="10.99.0.1/24"), host("h2"))
    assert states(plan, "h1") == {"wg0": "present"}


def test_an_interface_without_a_stored_overlay_stays() -> None:
    plan = mesh(having(host("h1"), "", wg7="10.42.0.9/24"), host("h2"))
    assert states(plan, "h1") == {"wg0": "present"}


def test_a_name_that_no_interface_can_have_is_ignored() -> None:
    plan = mesh(having(host("h1"), MESH, **{"../../etc/passwd": "10.42.0.9/24"}), host("h2"))
    assert states(plan, "h1") == {"wg0": "present"}


def test_without_purge_it_stays_and_is_reported() -> None:
    kept = renamed("h1", "10.42.0.77/24", {"purge": False})
    problems = plan_mesh([kept, renamed("h2", "10.42.0.78/24")], overlay=MESH).problems
    assert problems and "10.42.0.0/24 (the network on wg0)" in problems[0]
    without_network = kept._replace(fact={**(kept.fact or {}), "routes": ""})
    outcome = plan_mesh([without_network, renamed("h2", "10.42.0.78/24")], overlay=MESH)
    assert outcome.plan is not None and states(outcome.plan, "h1") == {"wg5": "present"}
    (warning,) = outcome.warnings
    assert "'h1': mesh_interface: 'wg0' on this host belongs to this overlay, which no longer uses it" in warning


def test_spokes_remove_the_interface_to_a_hub_that_left_its_group() -> None:
    before = having(spoke("s3", devices={"wg1": {}}), HUBS, wg0="10.43.0.3/32")
    outcome = plan_hub_spoke([hub("h2", SECOND), before, spoke("s4")], overlay=HUBS)
    assert outcome.plan is not None and outcome.warnings == ()
    assert states(outcome.plan, "s3") == {"wg1": "present", "wg0": "absent"}
    assert states(outcome.plan, "s4") == {"wg1": "present"}


def test_hubs_and_spokes_rename_the_interface_of_a_hub() -> None:
    other = {"interface": "wg5"}
    hosts = [
        having(hub("h1", other), HUBS, wg0="10.43.0.61/24"),
        hub("h2", SECOND),
        having(spoke("s3", devices={"wg5": {}, "wg1": {}}), HUBS, wg0="10.43.0.63/32"),
    ]
    plan = plan_hub_spoke(hosts, overlay=HUBS).plan
    assert plan is not None
    assert states(plan, "h1") == {"wg5": "present", "wg0": "absent"}
    assert states(plan, "s3") == {"wg5": "present", "wg1": "present", "wg0": "absent"}
    assert [plan.hosts[name].addresses[0].bare for name in ("h1", "s3")] == ["10.43.0.61", "10.43.0.63"]


def test_a_renamed_interface_for_direct_tunnels_is_removed_and_nothing_of_it_is_continued() -> None:
    wanted = {"direct": True, "direct_interface": "wgd2"}
    devices = {"wg0": {}, "wgd2": {}}
    hosts = [
        hub("h1"),
        *(
            having(spoke(name, wanted, devices), HUBS + " direct", wgdirect=f"10.43.0.{name[1:]}/32")
            for name in ("s3", "s4")
        ),
    ]
    plan = plan_hub_spoke(hosts, overlay=HUBS).plan
    assert plan is not None
    assert states(plan, "s3") == {"wg0": "present", "wgd2": "present", "wgdirect": "absent"}
    entries = {entry["name"]: entry for entry in host_document(plan, "s3")["interfaces"]}
    assert entries["wgd2"]["notes"] == {"overlay": HUBS + " direct"} and entries["wg0"]["notes"]["overlay"] == HUBS
    assert "gone" not in str(entries), "a peer of the former one"


def test_a_spoke_that_becomes_a_hub_removes_the_interfaces_it_had_to_hubs() -> None:
    plan = plan_hub_spoke(
        [hub("h1"), having(hub("h2", {"interface": "wg2", "priority": 200}), HUBS, wg0="10.43.0.2/32"), spoke("s3")],
        overlay=HUBS,
    ).plan
    assert plan is not None and states(plan, "h2") == {"wg2": "present", "wg0": "absent"}
