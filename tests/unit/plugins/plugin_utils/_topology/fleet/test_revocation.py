# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose word revokes a key: that of the inventory for all hosts, and that of a host for itself."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from planned_fleet import host, interface, key_of, peers, planned, remembered, silent, warnings
from planned_hub_spoke import hub, spoke


def test_no_member_revokes_the_key_of_another() -> None:
    liar = host("h3", revoked={key_of("h1"): "h1", **{key_of(f"x{number}"): "" for number in range(1000)}})
    fleet = [host("h1"), host("h2", peers=remembered("h1")), liar]
    plan = planned(*fleet)
    assert plan.revoked == {}
    assert set(peers(plan, "h2")) == {"h1", "h3"}
    assert interface(plan, "h2")["revoked"] == {}


def test_a_host_refuses_for_itself_what_it_has_stored_as_revoked() -> None:
    fleet = [host("h1"), host("h2", peers=remembered("h1"), revoked={key_of("h1"): "h1"}), host("h3")]
    plan = planned(*fleet)
    assert (set(peers(plan, "h2")), set(peers(plan, "h3"))) == ({"h3"}, {"h1", "h2"})
    assert interface(plan, "h2")["revoked"] == {key_of("h1"): "h1"}
    (line,) = (one for one in warnings(*fleet) if "revoked" in one)
    assert line.startswith("host 'h2': mesh_revoked: this host has stored keys of 'h1' as revoked")
    assert (
        "replace the key there (module wg_key, path=/etc/wireguard/wg0.key, regenerate=true), or" in line
        and "/var/lib/wirewright.overlay/wg0.json" in line
    )


def test_a_refused_static_peer_is_left_out() -> None:
    phone = {"name": "phone", "public_key": key_of("phone"), "allowed_ips": "10.42.0.9/32"}
    plan = planned(host("h1", {"static_peers": [phone]}, revoked={key_of("phone"): "phone"}), host("h2"))
    assert set(peers(plan, "h1")) == {"h2"}


@pytest.mark.parametrize("claims", [{"public_key": key_of("h1")}, {"public_key": key_of("h3")}], ids=["own", "silent"])
def test_a_revoked_name_revokes_no_key_of_another_member(claims: dict[str, str]) -> None:
    """h3 is revoked. It reports the key of h1, or h4 has stored that key under the name h3."""
    liar = host("h4", peers=remembered("h3", key=key_of("h1")))
    honest = host("h2", peers="\n".join((remembered("h1"), remembered("h3"))))
    fleet = [host("h1", {"revoked": "h3"}), honest, host("h3", **claims), liar]
    plan = planned(*fleet)
    assert plan.revoked == {key_of("h3"): "h3"}
    assert "h1" in peers(plan, "h2")
    assert "h1" not in peers(plan, "h4")  # its own word
    assert any("also" in line or "according to" in line for line in warnings(*fleet))


def test_a_revoked_name_revokes_no_key_of_an_unreachable_member() -> None:
    liar = host("h4", peers=remembered("h3", key=key_of("h1")))
    fleet = [silent("h1"), host("h2", {"revoked": "h3"}, peers=remembered("h1")), liar]
    plan = planned(*fleet)
    assert plan.revoked == {}
    assert "h1" in peers(plan, "h2")
    line = next(one for one in warnings(*fleet) if "according to" in one)
    assert "is the key of 'h3', which is revoked, according to 'h4', and that of 'h1' according to 'h2'" in line


def test_a_key_in_the_inventory_is_revoked_whoever_has_it() -> None:
    plan = planned(host("h1", {"revoked": key_of("gone")}), host("h2"))
    assert plan.revoked == {key_of("gone"): ""}


def test_hubs_and_spokes_refuse_for_themselves() -> None:
    outcome = plan_hub_spoke([hub("h1"), spoke("h2", revoked={key_of("h1"): "h1"}), spoke("h3")])
    assert outcome.plan is not None, outcome.problems
    of = {name: host_document(outcome.plan, name)["interfaces"][0]["peers"] for name in ("h2", "h3")}
    assert (of["h2"], [peer["name"] for peer in of["h3"]]) == ([], ["h1"])
    assert outcome.plan.revoked == {}


def test_large_facts_are_cut() -> None:
    lines = peer_lines({key_of(f"x{number}"): KnownPeer(f"x{number}") for number in range(30000)})
    liar = host("h1", addresses=["10.42.0.9/24"] * 100000, peers=lines + "\t" * 10**7, revoked={"x" * 10**6: "y"})
    assert planned(liar, host("h2")).hosts["h1"].public_key == key_of("h1")
