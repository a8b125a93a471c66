# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of hosts that do not report them: whose word counts, and what a run says of it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, interface, key_of, peers, planned, problems, remembered, silent, warnings
from planned_hub_spoke import hub, spoke


def outside(one: HostInput) -> HostInput:
    return one._replace(reached=False, outside=True)


def test_the_word_of_others_is_said_where_a_host_of_the_run_gets_the_peer_from_them() -> None:
    asked = outside(host("h2", peers=remembered("h3")))
    found = warnings(host("h4"), asked, outside(silent("h3")), silent("h1"))
    assert "host 'h3': mesh_public_key: the host is not in this run; its key is taken on the word of 'h2'" in found
    assert any(
        line.startswith("host 'h1': mesh_public_key: the host is unreachable, and the public key") for line in found
    )


def test_nothing_is_said_where_all_hosts_of_the_run_have_stored_it() -> None:
    assert warnings(host("h1", peers=remembered("h2")), outside(silent("h2"))) == ()


def test_others_who_disagree_fill_no_gap_and_stop_no_run() -> None:
    fleet = [silent("h1"), host("h2", peers=remembered("h1")), host("h3", peers=remembered("h1", key=key_of("x")))]
    plan = planned(*fleet)
    assert plan.hosts["h1"].public_key is None
    assert interface(plan, "h2")["unknown_peers"] == ["h1"]
    line = next(one for one in warnings(*fleet) if "stored different keys" in one)
    assert f"{key_of('h1')} by 'h2'" in line and f"{key_of('x')} by 'h3'" in line


def test_a_host_that_answered_without_a_key() -> None:
    text = "\n".join(warnings(host("h1"), outside(host("h2", public_key=None))))
    assert "host 'h2': mesh_public_key: the host is not in this run and has no key yet" in text


def test_members_that_are_lacking() -> None:
    outcome = plan_mesh([host("h1", peers=remembered("h2")), silent("h2"), outside(silent("h3")), host("h4")])
    assert outcome.lacking == ("h3",)
    assert outcome.plan is not None and set(peers(outcome.plan, "h4")) == {"h1", "h2"}


def test_a_spoke_lacks_only_hubs_and_a_hub_all() -> None:
    away, known = outside(spoke("h3")._replace(fact=None)), hub("h1")
    assert plan_hub_spoke([outside(known), spoke("h2"), away]).lacking == ()
    assert plan_hub_spoke([outside(known._replace(fact=None)), spoke("h2"), away]).lacking == ("h1",)
    assert plan_hub_spoke([known, spoke("h2"), away]).lacking == ("h3",)


def test_the_key_of_another_member_fills_no_gap() -> None:
    """Nobody can say whether the one that reports it is a clone, or the one that has stored it is wrong."""
    fleet = [silent("h1"), host("h2"), host("h3", peers=remembered("h1", key=key_of("h2"))), host("h4")]
    plan = planned(*fleet)
    assert plan.refused.keys() == {"h1", "h2"}
    assert (set(peers(plan, "h4")), interface(plan, "h4")["unknown_peers"]) == ({"h3"}, ["h1", "h2"])
    assert any(
        "'h3' has stored h2's key as that of 'h1', which does not report one" in line for line in warnings(*fleet)
    )
    both = "\n".join(remembered(name, key=key_of("x")) for name in ("h1", "h4"))
    plan = planned(silent("h1"), silent("h4"), host("h2"), host("h3", peers=both))
    assert plan.hosts["h1"].public_key is plan.hosts["h4"].public_key is None


def test_a_key_of_the_inventory_or_of_a_host_that_reports_another_is_not_disputed() -> None:
    given = host("h2", {"public_key": key_of("h2")})
    fleet = [silent("h1"), given, host("h3", peers=remembered("h1", key=key_of("h2")))]
    assert (planned(*fleet).refused, planned(*fleet).unknown) == ({}, ("h1",))
    assert any("'h3' has stored h2's key as that of this host, so this is ignored" in line for line in warnings(*fleet))
    fleet = [host("h1"), host("h2"), host("h3", peers=remembered("h1", key=key_of("h2")))]
    assert (planned(*fleet).refused, planned(*fleet).unknown) == ({}, ())


@pytest.mark.parametrize("spelling", ["{key}\n", " {key}", "top bit"])
def test_a_clone_is_found_whatever_the_spelling_of_its_key(spelling: str) -> None:
    raw = bytearray(base64.b64decode(key_of("h1")))
    raw[31] ^= 128
    key = base64.b64encode(raw).decode() if spelling == "top bit" else spelling.format(key=key_of("h1"))
    assert any("has the same key as 'h1'" in line for line in problems(host("h1"), host("h2", public_key=key)))


def test_a_clone_of_an_interface_for_direct_tunnels_is_found() -> None:
    def direct(name: str, key: str) -> HostInput:
        made = spoke(name, {"direct": True})
        fact: dict[str, Any] = dict(made.fact or {})
        fact["interfaces"] = {**fact["interfaces"], "wgdirect": {"public_key": key, "addresses": [], "peers": ""}}
        return made._replace(fact=fact)

    found = plan_hub_spoke([hub("h1"), direct("h2", key_of("x")), direct("h3", key_of("x"))])
    assert any("interface for direct tunnels of this host has the same key as 'h2'" in line for line in found.problems)
