# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages tell a host that failed from one that is unreachable and from one that is not in this run: in every topology."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import planned_fleet
import planned_hub_spoke
import planned_nodes
import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import NotInPlan, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.absence import why_absent
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    Absence,
    FleetPlan,
    HostInput,
    HostPlan,
    PlanResult,
)

ABSENT = {
    Absence.OUTSIDE: {"outside": True, "reached": False},
    Absence.UNREACHABLE: {"lost": Absence.UNREACHABLE, "reached": False},
    Absence.FAILED: {"lost": Absence.FAILED, "reached": False},
    Absence.SILENT: {"lost": Absence.SILENT, "reached": False},
}


def mesh(change: Callable[[HostInput], HostInput]) -> PlanResult:
    return plan_mesh([planned_fleet.host("h1"), change(planned_fleet.silent("h2"))])


def hub_spoke(change: Callable[[HostInput], HostInput]) -> PlanResult:
    hub = planned_hub_spoke.hub
    return plan_hub_spoke([hub("h1"), change(planned_hub_spoke.silent(hub("h2"))), planned_hub_spoke.spoke("h3")])


def nodes(change: Callable[[HostInput], HostInput]) -> PlanResult:
    fleet = [planned_nodes.node(1), change(planned_nodes.silent(planned_nodes.node(2)))]
    return plan_node_encryption(fleet, now=planned_nodes.NOW)


def said(outcome: PlanResult) -> str:
    return "\n".join((*outcome.problems, *outcome.warnings))


@pytest.mark.parametrize("plan", [mesh, hub_spoke, nodes])
@pytest.mark.parametrize("absence", list(ABSENT))
def test_no_message_gives_another_reason(plan: Callable[..., PlanResult], absence: Absence) -> None:
    text = said(plan(lambda one: one._replace(**ABSENT[absence])))
    assert f"the host {absence.words}" in text, text
    assert not [other for other in Absence if other is not absence and other.words in text], text


def test_hosts_are_listed_by_reason() -> None:
    hosts = {
        "h1": HostInput("h1", {}, fact={}, outside=True),
        "h2": HostInput("h2", {}),
        "h3": HostInput("h3", {}, fact={}, lost=Absence.FAILED),
        "h4": HostInput("h4", {}, fact={}, reached=False),
        "h5": HostInput("h5", {}, lost=Absence.FAILED),
    }
    assert why_absent(hosts, hosts) == (
        "'h1' is not in this run, 'h2' is unreachable, 'h3', 'h5' failed earlier in this run, "
        "'h4' is in a later batch of this run"
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["h1"], "run again when it is reachable"), (["h1", "h2"], "run again when they are reachable")],
)
def test_a_remedy_agrees_with_the_number_of_hosts(names: Iterable[str], expected: str) -> None:
    assert Absence.UNREACHABLE.remedy(list(names)) == expected


def test_a_host_without_a_document_is_told_why() -> None:
    plan = FleetPlan(
        "wg0", {"h1": HostPlan(None), "h2": HostPlan(None)}, silent={"h1": "failed earlier in this run; run again"}
    )
    with pytest.raises(
        NotInPlan, match="the plan has no facts of 'h1': this host failed earlier in this run; run again"
    ):
        host_document(plan, "h1")
    with pytest.raises(NotInPlan, match="the plan has no facts of 'h2': this host is not in this run; run it too"):
        host_document(plan, "h2")
