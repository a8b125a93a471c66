# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pairs of spokes are direct, are probed, or go through the hub."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.direct.pairs import (
    SESSION_SECONDS,
    Decision,
    DirectSpoke,
    PairState,
    ProbeStage,
    Session,
    decide,
    decide_all,
    wanted_pairs,
)

PORT = {name: Endpoint(f"198.51.100.{place}", 4000 + place) for place, name in enumerate("abc", start=1)}
SYMMETRIC = {"ipv4": "address_and_port_dependent"}
FRESH, OLD = Session(None, 20), Session(None, SESSION_SECONDS)


def spoke(name: str, **known: Any) -> DirectSpoke:
    """Return a spoke behind NAT whose endpoint one hub sees."""
    return DirectSpoke(name, f"key {name}", **{"seen": {"hub1": PORT[name]}, "sessions": {}, **known})


def partners(age: Session = FRESH, **changed: Any) -> tuple[DirectSpoke, DirectSpoke]:
    """Return two spokes that have each other as peers, with a session of some age."""
    return (
        spoke("a", peers={"b": ("key b", Endpoint("198.51.100.2", 1))}, sessions={"key b": age}, **changed),
        spoke("b", peers={"a": ("key a", Endpoint("198.51.100.1", 1))}, sessions={"key a": age}, **changed),
    )


def probed(one: DirectSpoke, other: DirectSpoke, *completed: str) -> Decision:
    """Return the decision for a pair after a probe in which some ends have completed a handshake."""
    ends = [
        replace(end, probed={far.public_key or "": FRESH} if end.name in completed else {})
        for end, far in ((one, other), (other, one))
    ]
    return decide(*ends, ProbeStage.DECIDE)


def test_a_pair_is_probed_at_the_endpoints_that_hubs_see() -> None:
    decision = decide(spoke("a"), spoke("b"), ProbeStage.PLAN)
    assert decision == decide(spoke("a"), spoke("b"), ProbeStage.PROBE)
    assert (decision.state, decision.endpoints) == (PairState.PROBE, (PORT["a"], PORT["b"]))


def test_both_ends_need_a_handshake() -> None:
    one, other = spoke("a"), spoke("b")
    assert probed(one, other, "a", "b") == Decision(("a", "b"), PairState.DIRECT, "", (PORT["a"], PORT["b"]))
    for completed, silent in ((("a",), "b"), (("b",), "a"), ((), "a and b")):
        decision = probed(one, other, *completed)
        assert decision.state is PairState.HUB
        assert decision.reason.startswith(f"no handshake on {silent}, at {PORT['a']} and {PORT['b']}")
        assert decision.note == f"198.51.100.1 198.51.100.2: {decision.reason}"


def test_a_working_tunnel_keeps_its_endpoints_whatever_the_other_facts() -> None:
    moved = {"hub1": PORT["a"]._replace(port=9999), "hub2": PORT["a"]._replace(port=1111)}
    for stage in ProbeStage:
        for changed in ({}, {"seen": {}}, {"seen": moved}, {"nats": SYMMETRIC}, {"in_batch": False}):
            decision = decide(*partners(**changed), stage)
            assert decision == Decision(
                ("a", "b"), PairState.DIRECT, "", (Endpoint("198.51.100.1", 1), Endpoint("198.51.100.2", 1))
            )


def test_a_dead_tunnel_is_probed_again_and_reported() -> None:
    decision = decide(*partners(OLD), ProbeStage.PLAN)
    assert (decision.state, decision.endpoints) == (PairState.PROBE, (PORT["a"], PORT["b"]))
    assert decision.reason == "the direct tunnel is dead: no handshake for 180 seconds on a and b"
    one, other = partners()
    assert "on b" in decide(one, replace(other, sessions={}), ProbeStage.PLAN).reason
    assert probed(*partners(OLD), "a", "b").state is PairState.DIRECT
    assert probed(*partners(OLD)).note


def test_a_dead_tunnel_goes_through_the_hub_if_it_cannot_be_probed() -> None:
    decision = decide(*partners(OLD, in_batch=False), ProbeStage.PLAN)
    assert (decision.state, decision.note) == (PairState.HUB, "")
    assert decision.reason.startswith("the direct tunnel is dead")


@pytest.mark.parametrize("age", [FRESH, OLD])
def test_the_tunnel_to_an_unreachable_spoke_is_kept(age: Session) -> None:
    one, other = partners(age)
    gone = replace(other, reported=False, peers={}, sessions=None)
    assert decide(one, gone, ProbeStage.PLAN) == Decision(
        ("a", "b"), PairState.DIRECT, "", (None, Endpoint("198.51.100.2", 1))
    )
    assert decide_all({"a": replace(one, reported=False), "b": gone}, ProbeStage.PLAN) == []


def test_a_peer_on_one_end_only_or_with_another_key_is_no_tunnel() -> None:
    one, other = partners()
    for changed in ({}, {"a": ("key of old", Endpoint("198.51.100.1", 1))}):
        decision = decide(one, replace(other, peers=changed), ProbeStage.PLAN)
        assert (decision.state, decision.reason) == (PairState.PROBE, "")


def test_spokes_outside_the_run_are_not_probed() -> None:
    for absent in ({"reported": False}, {"in_batch": False}):
        decision = decide(spoke("a"), spoke("b", **absent), ProbeStage.PLAN)
        assert (decision.state, decision.reason) == (PairState.HUB, "b took no part in this run")
    assert decide(DirectSpoke("a", None), spoke("b"), ProbeStage.PLAN).reason == "the public key of a is unknown"


def test_hubs_wait_for_a_new_interface_and_not_for_one_without_session() -> None:
    new = spoke("b", seen={}, is_new=True)
    assert decide(spoke("a"), new, ProbeStage.PLAN).state is PairState.PROBE
    for unseen, stage in ((new, ProbeStage.PROBE), (new, ProbeStage.DECIDE), (spoke("b", seen={}), ProbeStage.PLAN)):
        decision = decide(spoke("a"), unseen, stage)
        assert (decision.state, decision.note) == (PairState.HUB, "")
        assert decision.reason == "no hub in this run has a session with the interface for direct tunnels of b"


def test_both_ends_must_be_reached_in_one_address_family() -> None:
    six = {"hub1": Endpoint("2001:db8::2", 4002)}
    assert (
        decide(spoke("a"), spoke("b", seen=six), ProbeStage.PROBE).reason
        == "one spoke is reached by IPv4 and the other by IPv6"
    )
    both = spoke("a", seen={"hub1": PORT["a"], "hub2": Endpoint("2001:db8::1", 4001)})
    assert decide(both, spoke("b", seen=six), ProbeStage.PROBE).endpoints == (
        Endpoint("2001:db8::1", 4001),
        Endpoint("2001:db8::2", 4002),
    )


def test_a_measured_symmetric_nat_is_noted_and_goes_through_the_hub() -> None:
    decision = decide(spoke("a", nats=SYMMETRIC), spoke("b"), ProbeStage.PROBE)
    assert (decision.state, decision.reason) == (
        PairState.HUB,
        "a is behind a symmetric NAT (address_and_port_dependent)",
    )
    assert decision.note == f"198.51.100.1 198.51.100.2: {decision.reason}"
    assert decide(spoke("a", notes={"b": decision.note}), spoke("b"), ProbeStage.PLAN).reason == decision.reason


def test_two_hubs_that_see_different_ports_detect_a_symmetric_nat() -> None:
    seen = {"hub1": PORT["a"], "hub2": PORT["a"]._replace(port=5001)}
    decision = decide(spoke("a", seen=seen), spoke("b"), ProbeStage.PLAN)
    assert decision.reason == "a is behind a symmetric NAT (hubs see 198.51.100.1:4001 and 198.51.100.1:5001)"
    assert decision.note == ""
    same = {"hub1": PORT["a"], "hub2": PORT["a"]}
    assert decide(spoke("a", seen=same), spoke("b"), ProbeStage.PLAN).state is PairState.PROBE


def test_a_symmetric_nat_is_probed_with_a_spoke_without_nat() -> None:
    symmetric = spoke("a", nats=SYMMETRIC)
    for other in (
        spoke("b", own=frozenset({"198.51.100.2"})),
        spoke("b", declared={"ipv4": Endpoint("203.0.113.9", 51900)}),
        spoke("b", declared={"name": Endpoint("b.example.org", 51900)}),
    ):
        decision = decide(symmetric, other, ProbeStage.PROBE)
        assert decision.state is PairState.PROBE
        assert decision.endpoints[1] == next(iter(other.declared.values()), PORT["b"])
    assert (
        decide(symmetric, spoke("b", nats=SYMMETRIC, own=frozenset({"198.51.100.2"})), ProbeStage.PROBE).state
        is PairState.HUB
    )


def test_a_failed_pair_is_probed_again_only_from_another_address_or_on_request() -> None:
    note = probed(spoke("a"), spoke("b")).note
    for one, other in ((spoke("a", notes={"b": note}), spoke("b")), (spoke("a"), spoke("b", notes={"a": note}))):
        decision = decide(one, other, ProbeStage.PLAN)
        assert (decision.state, decision.note) == (PairState.HUB, "")
        assert note.endswith(decision.reason)
        other_port = replace(one, seen={"hub1": PORT["a"]._replace(port=7777)})
        assert decide(other_port, other, ProbeStage.PLAN).state is PairState.HUB
        other_address = replace(one, seen={"hub1": PORT["a"]._replace(host="198.51.100.77")})
        assert decide(other_address, other, ProbeStage.PLAN).state is PairState.PROBE
        assert decide(replace(one, retry=True), other, ProbeStage.PLAN).state is PairState.PROBE


def test_both_ends_must_want_a_pair() -> None:
    spokes = {
        "a": spoke("a"),
        "b": spoke("b", partners=frozenset({"a", "x"})),
        "c": spoke("c", partners=frozenset({"b"})),
    }
    assert [(one.name, other.name) for one, other in wanted_pairs(spokes)] == [("a", "b")]
    everybody = {name: spoke(name) for name in "cab"}
    assert [(one.name, other.name) for one, other in wanted_pairs(everybody)] == [("a", "b"), ("a", "c"), ("b", "c")]


def test_the_reason_says_that_both_ends_have_one_public_address() -> None:
    here = Endpoint("198.51.100.1", 4009)
    decision = probed(spoke("a"), spoke("b", seen={"hub1": here}))
    assert decision.reason.startswith(
        f"no handshake on a and b, at {PORT['a']} and {here}; both have the public address"
    )
    assert "198.51.100.1, and their router does not send packets to it back inside (hairpinning)" in decision.reason
    assert "public address" not in probed(spoke("a"), spoke("b")).reason
