# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pairs of spokes are direct, are tried, or stay on the hub, by what is known of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_pairs import (
    SESSION_SECONDS,
    Decision,
    DirectSpoke,
    Session,
    Stage,
    State,
    decide,
    decide_all,
    wanted_pairs,
)

PORT = {"a": "198.51.100.1:4001", "b": "198.51.100.2:4002", "c": "198.51.100.3:4003"}
SYMMETRIC = {"ipv4": "address_and_port_dependent"}
FRESH, OLD = Session("", 20), Session("", SESSION_SECONDS)


def spoke(name: str, **known: Any) -> DirectSpoke:
    """Return a spoke behind a NAT, whose device one hub hears."""
    return DirectSpoke(name, f"key {name}", **{"seen": {"hub1": PORT[name]}, "sessions": {}, **known})


def partners(age: Session = FRESH, **changed: Any) -> tuple[DirectSpoke, DirectSpoke]:
    """Return two spokes that remember each other, with a session of some age."""
    return (
        spoke("a", peers={"b": ("key b", "198.51.100.2:1")}, sessions={"key b": age}, **changed),
        spoke("b", peers={"a": ("key a", "198.51.100.1:1")}, sessions={"key a": age}, **changed),
    )


def tried(one: DirectSpoke, other: DirectSpoke, *shaken: str) -> Decision:
    """Return what comes of a pair after a trial in which some ends have shaken hands."""
    ends = [
        replace(end, tried={far.public_key or "": FRESH} if end.name in shaken else {})
        for end, far in ((one, other), (other, one))
    ]
    return decide(*ends, Stage.SETTLE)


def test_two_that_hubs_hear_are_tried_where_these_hear_them() -> None:
    decision = decide(spoke("a"), spoke("b"), Stage.PLAN)
    assert decision == decide(spoke("a"), spoke("b"), Stage.TRY)
    assert (decision.state, decision.endpoints) == (State.TRIAL, (PORT["a"], PORT["b"]))


def test_both_have_to_shake_hands() -> None:
    one, other = spoke("a"), spoke("b")
    assert tried(one, other, "a", "b") == Decision(("a", "b"), State.DIRECT, "", (PORT["a"], PORT["b"]))
    for shaken, silent in ((("a",), "b"), (("b",), "a"), ((), "a and b")):
        decision = tried(one, other, *shaken)
        assert decision.state is State.HUB
        assert decision.reason.startswith(f"no handshake on {silent}, at {PORT['a']} and {PORT['b']}")
        assert decision.note == f"198.51.100.1 198.51.100.2: {decision.reason}"


def test_what_works_stays_where_it_was_called_whatever_is_known_since() -> None:
    moved = {"hub1": "198.51.100.1:9999", "hub2": "198.51.100.1:1111"}
    for stage in Stage:
        for changed in ({}, {"seen": {}}, {"seen": moved}, {"nats": SYMMETRIC}, {"batch": False}):
            decision = decide(*partners(**changed), stage)
            assert decision == Decision(("a", "b"), State.DIRECT, "", ("198.51.100.1:1", "198.51.100.2:1"))


def test_a_dead_tunnel_is_tried_anew_and_told_of() -> None:
    decision = decide(*partners(OLD), Stage.PLAN)
    assert (decision.state, decision.endpoints) == (State.TRIAL, (PORT["a"], PORT["b"]))
    assert decision.reason == "the direct tunnel is dead: no handshake for 180 seconds on a and b"
    one, other = partners()
    assert "on b" in decide(one, replace(other, sessions={}), Stage.PLAN).reason
    assert tried(*partners(OLD), "a", "b").state is State.DIRECT
    assert tried(*partners(OLD)).note


def test_a_dead_tunnel_goes_back_where_it_cannot_be_tried() -> None:
    decision = decide(*partners(OLD, batch=False), Stage.PLAN)
    assert (decision.state, decision.note) == (State.HUB, "")
    assert decision.reason.startswith("the direct tunnel is dead")


@pytest.mark.parametrize("age", [FRESH, OLD])
def test_the_tunnel_to_one_that_is_silent_stays(age: Session) -> None:
    one, other = partners(age)
    gone = replace(other, heard=False, peers={}, sessions=None)
    assert decide(one, gone, Stage.PLAN) == Decision(("a", "b"), State.DIRECT, "", ("", "198.51.100.2:1"))
    assert decide_all({"a": replace(one, heard=False), "b": gone}, Stage.PLAN) == []


def test_a_tunnel_of_one_end_only_or_to_another_key_is_none() -> None:
    one, other = partners()
    for changed in ({}, {"a": ("key of old", "198.51.100.1:1")}):
        decision = decide(one, replace(other, peers=changed), Stage.PLAN)
        assert (decision.state, decision.reason) == (State.TRIAL, "")


def test_nobody_is_tried_who_takes_no_part() -> None:
    for absent in ({"heard": False}, {"batch": False}):
        decision = decide(spoke("a"), spoke("b", **absent), Stage.PLAN)
        assert (decision.state, decision.reason) == (State.HUB, "b took no part in this run")
    assert decide(DirectSpoke("a", None), spoke("b"), Stage.PLAN).reason == "the key of a is not known"


def test_a_new_device_is_waited_for_and_one_that_no_hub_hears_is_not() -> None:
    new = spoke("b", seen={}, is_new=True)
    assert decide(spoke("a"), new, Stage.PLAN).state is State.TRIAL
    for unheard, stage in ((new, Stage.TRY), (new, Stage.SETTLE), (spoke("b", seen={}), Stage.PLAN)):
        decision = decide(spoke("a"), unheard, stage)
        assert (decision.state, decision.note) == (State.HUB, "")
        assert decision.reason == "no hub in this run hears b on the device for direct tunnels"


def test_both_have_to_be_reached_in_one_address_family() -> None:
    six = {"hub1": "[2001:db8::2]:4002"}
    assert decide(spoke("a"), spoke("b", seen=six), Stage.TRY).reason == "one is reached by IPv4 and the other by IPv6"
    both = spoke("a", seen={"hub1": PORT["a"], "hub2": "[2001:db8::1]:4001"})
    assert decide(both, spoke("b", seen=six), Stage.TRY).endpoints == ("[2001:db8::1]:4001", "[2001:db8::2]:4002")


def test_a_symmetric_nat_that_was_measured_stays_on_the_hub_and_is_remembered() -> None:
    decision = decide(spoke("a", nats=SYMMETRIC), spoke("b"), Stage.TRY)
    assert (decision.state, decision.reason) == (
        State.HUB,
        "a is behind a symmetric NAT (address_and_port_dependent)",
    )
    assert decision.note == f"198.51.100.1 198.51.100.2: {decision.reason}"
    assert decide(spoke("a", notes={"b": decision.note}), spoke("b"), Stage.PLAN).reason == decision.reason


def test_two_hubs_that_see_one_port_at_two_places_see_a_symmetric_nat() -> None:
    seen = {"hub1": "198.51.100.1:4001", "hub2": "198.51.100.1:5001"}
    decision = decide(spoke("a", seen=seen), spoke("b"), Stage.PLAN)
    assert decision.reason == "a is behind a symmetric NAT (hubs see 198.51.100.1:4001 and 198.51.100.1:5001)"
    assert decision.note == ""
    same = {"hub1": PORT["a"], "hub2": PORT["a"]}
    assert decide(spoke("a", seen=same), spoke("b"), Stage.PLAN).state is State.TRIAL


def test_a_symmetric_nat_is_tried_with_who_is_behind_none() -> None:
    symmetric = spoke("a", nats=SYMMETRIC)
    for other in (
        spoke("b", own=frozenset({"198.51.100.2"})),
        spoke("b", declared={"ipv4": "203.0.113.9:51900"}),
        spoke("b", declared={"name": "b.example.org:51900"}),
    ):
        decision = decide(symmetric, other, Stage.TRY)
        assert decision.state is State.TRIAL
        assert decision.endpoints[1] == next(iter(other.declared.values()), PORT["b"])
    assert decide(symmetric, spoke("b", nats=SYMMETRIC, own=frozenset({"198.51.100.2"})), Stage.TRY).state is State.HUB


def test_what_has_failed_is_tried_again_only_from_another_address_or_on_request() -> None:
    note = tried(spoke("a"), spoke("b")).note
    for one, other in ((spoke("a", notes={"b": note}), spoke("b")), (spoke("a"), spoke("b", notes={"a": note}))):
        decision = decide(one, other, Stage.PLAN)
        assert (decision.state, decision.note) == (State.HUB, "")
        assert note.endswith(decision.reason)
        other_port = replace(one, seen={"hub1": "198.51.100.1:7777"})
        assert decide(other_port, other, Stage.PLAN).state is State.HUB
        other_address = replace(one, seen={"hub1": "198.51.100.77:4001"})
        assert decide(other_address, other, Stage.PLAN).state is State.TRIAL
        assert decide(replace(one, retry=True), other, Stage.PLAN).state is State.TRIAL


def test_pairs_are_those_that_both_ends_want() -> None:
    spokes = {
        "a": spoke("a"),
        "b": spoke("b", partners=frozenset({"a", "x"})),
        "c": spoke("c", partners=frozenset({"b"})),
    }
    assert [(one.name, other.name) for one, other in wanted_pairs(spokes)] == [("a", "b")]
    everybody = {name: spoke(name) for name in "cab"}
    assert [(one.name, other.name) for one, other in wanted_pairs(everybody)] == [("a", "b"), ("a", "c"), ("b", "c")]
