# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback of a failed run, over objects of a name and a value: what it changes, and the note on the error."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import message_with_notes, notes
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation, reconcile, replay
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.rollback import (
    NOTHING,
    ROLLED_BACK,
    Rollback,
    inverse,
    rollback_of,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.transaction import transaction


class Thing(NamedTuple):
    name: str
    value: int

    def key(self) -> str:
        return self.name


def things(**values: int) -> list[Thing]:
    return [Thing(name, value) for name, value in values.items()]


def test_the_inverse_of_a_partly_applied_plan_restores_its_objects_and_no_others() -> None:
    before, after = things(a=1, b=2, c=3), things(a=1, b=7, d=4)
    plan = reconcile(before, after, absent=["c"])
    for done in range(len(plan) + 1):
        now = list(replay(before, plan[:done]).values()) + things(other=9)
        found = inverse(now, plan)
        assert len(found) == done
        assert replay(now, found) == {thing.name: thing for thing in before + things(other=9)}


def test_any_part_of_any_plan_is_reversible() -> None:
    chance = random.Random(7)  # noqa: S311   no secret is made of it
    for _round in range(300):
        before, after = (
            [Thing(name, chance.randrange(3)) for name in "abcdef" if chance.random() < 0.6] for _side in "12"
        )
        plan = reconcile(before, after, purge=lambda _thing: True)
        done = [operation for operation in plan if chance.random() < 0.5]  # a failed operation may be done or not
        now = replay(before, done)
        found = inverse(now.values(), plan)
        assert replay(now.values(), found) == {thing.name: thing for thing in before}
        actions = [operation.action for operation in found]
        assert actions == sorted(actions, key="delete".__eq__), "restored objects precede deleted ones"


def test_two_equal_objects_are_both_restored() -> None:
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

    def rollback(self, plan: Sequence[Operation[Thing]]) -> Rollback:
        return rollback_of(self.held.values, lambda: plan, self.apply, lambda thing: f"thing {thing.name}")


def note_after(*rollbacks: Rollback) -> str:
    """Return the note on the error of a run that had started these stages."""
    with (
        pytest.raises(OSError, match="no room") as raised,
        transaction(lambda: [lambda one=one: one for one in rollbacks]),
    ):  # type: ignore[misc]
        raise OSError("no room")
    assert message_with_notes("no room", raised.value) == f"no room; {notes(raised.value)[0]}"
    return notes(raised.value)[0]


def test_the_error_notes_whether_anything_was_changed() -> None:
    before = things(a=1, b=2)
    plan = reconcile(before, things(a=5, c=3), absent=["b"])
    store = Store(*before)
    assert note_after(store.rollback(plan)) == NOTHING
    store.apply(plan)
    assert note_after(store.rollback(plan)) == ROLLED_BACK
    assert sorted(store.held.values()) == before


def test_refused_objects_are_named_and_all_others_restored() -> None:
    before = things(a=1, b=2, e=6, f=7)
    plan = reconcile(before, things(a=5, c=3, d=4, f=8), absent=["b", "e"])
    store = Store(*replay(before, plan).values(), stuck="bcf")
    pending = "thing b (missing); thing f (changed); thing c (not removed)"
    assert note_after(store.rollback(plan)) == f"{ROLLED_BACK}; could not restore: {pending}"
    assert sorted(store.held.values()) == things(a=1, c=3, e=6, f=8)


def test_stages_are_restored_in_order_and_deleted_in_reverse() -> None:
    ground, upper = Store(*things(new=1)), Store(*things(newer=1))
    steps = ground.steps = upper.steps
    plans = [
        [Operation(None, Thing(made, 1)), Operation(Thing(gone, 1), None)]
        for made, gone in (("new", "old"), ("newer", "older"))
    ]
    note_after(ground.rollback(plans[0]), upper.rollback(plans[1]))
    assert steps == ["old", "older", "newer", "new"]


def test_a_stage_that_cannot_be_read_does_not_stop_the_rollback_of_others() -> None:
    store = Store(*things(new=1))

    def unreadable() -> Rollback:
        raise ValueError("not readable")

    log = [unreadable, lambda: store.rollback([Operation(None, Thing("new", 1))])]
    with pytest.raises(OSError) as raised, transaction(lambda: log):
        raise OSError("no room")
    assert not store.held
    assert "could not restore" in notes(raised.value)[0] and "not readable" in notes(raised.value)[0]


def test_a_successful_run_is_not_rolled_back() -> None:
    with transaction(lambda: pytest.fail("no rollback expected")):
        pass
