# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interface of another overlay is refused, together with all other problems."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.overlay_rules import Scope
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from planned_fleet import host, remembered
from planned_hub_spoke import SECOND, hub, spoke

FIRST_GROUPS, OTHER_GROUPS = "hub_spoke hubs spokes", "hub_spoke gateways branches"


def belonging(given: HostInput, **overlays: str) -> HostInput:
    """Return a host with notes of the overlays of its interfaces."""
    assert given.fact is not None
    devices = given.fact["interfaces"]
    noted = {name: {**devices.get(name, {}), "notes": {"overlay": overlay}} for name, overlay in overlays.items()}
    return given._replace(fact={**given.fact, "interfaces": {**devices, **noted}})


def test_a_spoke_of_two_overlays_with_one_interface_is_refused() -> None:
    hosts = [hub("h1"), hub("h2", SECOND), belonging(spoke("s3"), wg0=FIRST_GROUPS), spoke("s4", {"port": "none"})]
    assert plan_hub_spoke(hosts[:3], overlay=FIRST_GROUPS).problems == ()
    problems = plan_hub_spoke(hosts, overlay=OTHER_GROUPS).problems
    assert len(problems) == 2, problems
    assert any(
        "'s3': hub_spoke_interface: 'wg0' on this host belongs to another overlay (hub_spoke hubs spokes), whose peers "
        "this one (hub_spoke gateways branches) would replace" in problem
        for problem in problems
    )


def test_devices_to_all_hubs_are_checked() -> None:
    hosts = [hub("h1"), hub("h2", SECOND), belonging(spoke("s3"), wg1="mesh")]
    (problem,) = plan_hub_spoke(hosts, overlay=FIRST_GROUPS).problems
    assert "'wg1' on this host belongs to another overlay (mesh)" in problem


@pytest.mark.parametrize(
    ("noted", "adopt", "refused"),
    [("mesh", False, False), ("", False, False), (FIRST_GROUPS, False, True), (FIRST_GROUPS, True, False)],
)
def test_a_mesh_uses_its_own_and_adopted_interfaces(noted: str, adopt: bool, refused: bool) -> None:
    outcome = plan_mesh([host("h1"), belonging(host("h2", {"adopt": adopt}), wg0=noted)], overlay="mesh")
    assert bool(outcome.problems) == refused


def test_hosts_store_the_overlay_of_an_interface() -> None:
    plan = plan_hub_spoke([hub("h1"), hub("h2", SECOND), spoke("s3")], overlay=FIRST_GROUPS).plan
    assert plan is not None
    again = FleetPlan.from_dict(plan.to_dict())
    for name, number in (("h1", 1), ("s3", 2)):
        notes = [interface["notes"]["overlay"] for interface in host_document(again, name)["interfaces"]]
        assert notes == [FIRST_GROUPS] * number


def test_the_interface_to_a_hub_that_left_its_group_is_reported() -> None:
    remembers = belonging(spoke("s3"), wg0=FIRST_GROUPS, wg1=FIRST_GROUPS, wg2=OTHER_GROUPS, wg3="mesh")
    outcome = plan_hub_spoke([hub("h1"), remembers, spoke("s4")], overlay=FIRST_GROUPS)
    assert outcome.plan is not None and outcome.problems == ()
    (warning,) = outcome.warnings
    assert "'s3': hub_spoke_interface: 'wg1' on this host belongs to this overlay, which no longer uses it" in warning


def test_the_interface_to_a_revoked_hub_is_removed_without_a_warning() -> None:
    remembers = belonging(spoke("s3"), wg0=FIRST_GROUPS, wg1=FIRST_GROUPS)
    hosts = [hub("h1"), hub("h2", {**SECOND, "revoked": ["h2"]}), remembers]
    outcome = plan_hub_spoke(hosts, overlay=FIRST_GROUPS)
    assert outcome.plan is not None and outcome.plan.retired == ("wg1",)
    assert not [warning for warning in outcome.warnings if "no more" in warning]


def test_the_old_interface_of_a_hub_is_reported() -> None:
    (warning,) = plan_hub_spoke([belonging(hub("h1"), wg9=FIRST_GROUPS), spoke("s3")], overlay=FIRST_GROUPS).warnings
    assert "'h1': hub_spoke_interface: 'wg9' on this host" in warning


def test_a_play_of_single_hosts_that_leaves_members_out_is_refused() -> None:
    member = host("h1", peers="\n".join(map(remembered, ("h2", "h3", "gone", "web1"))))
    (problem,) = plan_mesh([member, host("h2", {"revoked": "h3"})], scope=Scope(others={"h3", "web1", "web2"})).problems
    assert problem.startswith("host 'h1': mesh_group: 'web1' would be removed as peers")
    assert plan_mesh([member, host("h2")]).problems == ()


def test_the_only_member_of_a_play_of_single_hosts_is_refused() -> None:
    (problem,) = plan_mesh([host("h1")], scope=Scope(others={"h2"})).problems
    assert problem.startswith("host 'h1': mesh_group: this is the only member")
    assert plan_mesh([host("h1")]).problems == ()


def noted(name: str, groups: str, *peers: str) -> HostInput:
    """Return a host that has recorded the groups of all members, and has peers."""
    return host(name, notes={"overlay": "mesh", "groups": groups}, peers="\n".join(map(remembered, peers)))


def test_a_play_with_another_group_that_would_remove_members_is_refused() -> None:
    hosts = [noted("web1", "vpn", "web2", "db1"), noted("web2", "vpn", "web1", "db1")]
    (problem,) = plan_mesh(hosts, scope=Scope("web", {"db1"})).problems
    assert problem == (
        "hosts 'web1', 'web2': mesh_group: 'db1' would be removed as peers, because the hosts of this play are those of 'web', "
        "and this host had those of 'vpn' as peers; set mesh_group to the group of the whole fleet, whatever hosts the play has, "
        "use another mesh_interface and mesh_port for another overlay, or list it in mesh_revoked if it is to leave"
    )


@pytest.mark.parametrize(
    ("groups", "others"),
    [("vpn", {"db1"}), ("all", {"db2"}), ("web", set())],
    ids=["a host left the group", "another group with the same hosts", "a host left the inventory"],
)
def test_a_host_may_leave_and_a_group_may_have_another_name(groups: str, others: set[str]) -> None:
    hosts = [noted("web1", "vpn", "web2", "db1"), noted("web2", "vpn", "web1", "db1")]
    outcome = plan_mesh(hosts, scope=Scope(groups, others))
    assert outcome.problems == () and outcome.plan is not None
    documents = [host_document(outcome.plan, name)["interfaces"][0] for name in ("web1", "web2")]
    assert [document["notes"]["groups"] for document in documents] == [groups, groups]
