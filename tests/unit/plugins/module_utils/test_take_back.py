# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a failed run, over objects that are a name and a value: what it touches, and what is said of it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.all_or_nothing import all_or_nothing
from ansible_collections.wirewright.overlay.plugins.module_utils.reconcile import Operation, reconcile, replay
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import notes, with_notes
from ansible_collections.wirewright.overlay.plugins.module_utils.take_back import (
    ALL_BACK,
    NOTHING,
    Back,
    back_of,
    inverse,
)


class Thing(NamedTuple):
    name: str
    value: int

    def key(self) -> str:
        return self.name


def things(**values: int) -> list[Thing]:
    return [Thing(name, value) for name, value in values.items()]


def test_a_plan_that_was_carried_out_in_part_leads_back_and_touches_nothing_else() -> None:
    before, after = things(a=1, b=2, c=3), things(a=1, b=7, d=4)
    plan = reconcile(before, after, absent=["c"])
    for done in range(len(plan) + 1):
        now = list(replay(before, plan[:done]).values()) + things(other=9)
        found = inverse(now, plan)
        assert len(found) == done
        assert replay(now, found) == {thing.name: thing for thing in before + things(other=9)}


def test_any_part_of_any_plan_leads_back() -> None:
    chance = random.Random(7)  # noqa: S311   no secret is made of it
    for _round in range(300):
        before, after = (
            [Thing(name, chance.randrange(3)) for name in "abcdef" if chance.random() < 0.6] for _side in "12"
        )
        plan = reconcile(before, after, purge=lambda _thing: True)
        done = [operation for operation in plan if chance.random() < 0.5]  # what failed may be done or not
        now = replay(before, done)
        found = inverse(now.values(), plan)
        assert replay(now.values(), found) == {thing.name: thing for thing in before}
        actions = [operation.action for operation in found]
        assert actions == sorted(actions, key="delete".__eq__), "what comes back stands before what goes"


def test_of_two_alike_each_comes_back() -> None:
    twin = Thing("a", 1)
    plan: list[Operation[Thing]] = [Operation(twin, None), Operation(twin, None)]
    assert inverse([], plan) == [Operation(None, twin)] * 2
    assert inverse([twin], plan) == [Operation(None, twin)]


class Store:
    """Objects of one kind; some of them cannot be changed."""

    def __init__(self, *held: Thing, stuck: str = "") -> None:
        self.held, self.stuck = {thing.name: thing for thing in held}, stuck
        self.steps: list[str] = []

    def apply(self, operations: Sequence[Operation[Thing]]) -> None:
        for operation in operations:
            name = operation.key()
            if name in self.stuck:
                raise OSError(f"{name} is stuck")
            self.steps.append(name)
            if operation.after is None:
                del self.held[name]
            else:
                self.held[name] = operation.after

    def back(self, plan: Sequence[Operation[Thing]]) -> Back:
        return back_of(self.held.values, lambda: plan, self.apply, lambda thing: f"thing {thing.name}")


def said_of(*backs: Back) -> str:
    """Return what is noted on an error of a run that had begun what these take back."""
    with (
        pytest.raises(OSError, match="no room") as raised,
        all_or_nothing(lambda: [lambda one=one: one for one in backs]),
    ):  # type: ignore[misc]
        raise OSError("no room")
    assert with_notes("no room", raised.value) == f"no room; {notes(raised.value)[0]}"
    return notes(raised.value)[0]


def test_an_error_says_whether_nothing_was_changed_or_all_is_taken_back() -> None:
    before = things(a=1, b=2)
    plan = reconcile(before, things(a=5, c=3), absent=["b"])
    store = Store(*before)
    assert said_of(store.back(plan)) == NOTHING
    store.apply(plan)
    assert said_of(store.back(plan)) == ALL_BACK
    assert sorted(store.held.values()) == before


def test_what_is_stuck_is_named_and_the_others_go_back() -> None:
    before = things(a=1, b=2, e=6)
    plan = reconcile(before, things(a=5, c=3, d=4), absent=["b", "e"])
    store = Store(*replay(before, plan).values(), stuck="bc")
    assert said_of(store.back(plan)) == f"{ALL_BACK}, and this is left to do: put back thing b; remove thing c"
    assert sorted(store.held.values()) == things(a=1, c=3, e=6)


def test_kinds_come_back_in_the_order_in_which_they_are_made_and_go_in_reverse() -> None:
    ground, upper = Store(*things(new=1)), Store(*things(newer=1))
    steps = ground.steps = upper.steps
    plans = [
        [Operation(None, Thing(made, 1)), Operation(Thing(gone, 1), None)]
        for made, gone in (("new", "old"), ("newer", "older"))
    ]
    said_of(ground.back(plans[0]), upper.back(plans[1]))
    assert steps == ["old", "older", "newer", "new"]


def test_what_cannot_be_read_keeps_no_other_from_going_back() -> None:
    store = Store(*things(new=1))

    def unreadable() -> Back:
        raise ValueError("not readable")

    begun = [unreadable, lambda: store.back([Operation(None, Thing("new", 1))])]
    with pytest.raises(OSError) as raised, all_or_nothing(lambda: begun):
        raise OSError("no room")
    assert not store.held
    assert "left to do" in notes(raised.value)[0] and "not readable" in notes(raised.value)[0]


def test_a_run_that_succeeds_is_left_alone() -> None:
    with all_or_nothing(lambda: pytest.fail("nothing is to be taken back")):
        pass
