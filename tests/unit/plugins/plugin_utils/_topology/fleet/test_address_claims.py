# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that hosts have whose variables are not known."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import NETWORK, fact_of, host, remembered
from planned_hub_spoke import applied, hub, planned, spoke

UNKNOWN = {"addresses": "is not in list"}


@pytest.mark.parametrize("outside", [True, False], ids=["outside", "unreachable"])
def test_an_address_of_a_host_whose_variables_cannot_be_evaluated_is_given_to_no_other(outside: bool) -> None:
    peer = remembered("h1", "10.42.0.1")
    unheard = HostInput("h1", NETWORK, unresolved=UNKNOWN, reached=False, outside=outside)
    other = host("h2", peers=peer)
    kept = plan_mesh([unheard, other, host("h3", peers=peer)])
    assert kept.plan is not None and "and mesh_addresses is not in list, without its facts; " in kept.warnings[0]
    moved = host("h3", {"addresses": "10.42.0.1"}, peers=peer)
    (problem,) = plan_mesh([unheard, other, moved]).problems
    assert problem == (
        "host 'h3': mesh_addresses: 10.42.0.1 is also h1's according to 'h2', 'h3', and this run does not change that host; give "
        "one of them another address, or run both at once, without --limit and serial"
    )
    # Those who disagree about the host do not prevent a change of another one.
    assert plan_mesh([unheard, host("h2", peers=remembered("h1", "10.42.0.7")), moved]).plan is not None


def test_an_address_that_a_host_reports_whose_variables_cannot_be_evaluated_is_given_to_no_other() -> None:
    """The host was asked, or a fact cache has its facts."""
    fact = fact_of("h1", addresses=["10.42.0.1/24"])
    known = HostInput("h1", NETWORK, "", fact, UNKNOWN, reached=False, outside=True)
    peer = remembered("h1", "10.42.0.9")
    (problem,) = plan_mesh([known, host("h3", {"addresses": "10.42.0.1"}, peers=peer)]).problems
    assert problem.startswith(
        "host 'h3': mesh_addresses: 10.42.0.1 is also h1's, and this run does not change that host"
    )
    assert plan_mesh([known, host("h3", {"addresses": "10.42.0.9"}, peers=peer)]).plan is not None


def test_a_spoke_gets_no_address_of_a_spoke_whose_variables_cannot_be_evaluated() -> None:
    fleet = (hub("h1"), spoke("h2", {"addresses": "10.43.0.2"}), spoke("h3"))
    plan = planned(*fleet)
    gateway, silent, moved = (applied(one, plan) for one in fleet)
    silent = silent._replace(fact=None, variables=NETWORK, unresolved=UNKNOWN, reached=False, outside=True)
    moved = moved._replace(variables={**moved.variables, "addresses": "10.43.0.2"})
    (problem,) = plan_hub_spoke([gateway, silent, moved]).problems
    assert problem.startswith("host 'h3': hub_spoke_addresses: 10.43.0.2 is also h2's according to 'h1', and this run")
