# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of reconcile() that hold for any kind of object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import (
    CREATE,
    DELETE,
    UPDATE,
    DuplicateKey,
    Operation,
    by_key,
    count,
    reconcile,
    replay,
    summary,
)
from hypothesis import given
from hypothesis import strategies as st


@dataclass(frozen=True)
class Thing:
    """Any object: a name, a value that may be open, and whether it is foreign."""

    name: str
    value: int | None = 0
    ours: bool = True

    def key(self) -> str:
        return self.name


def settle(before: Thing | None, wanted: Thing) -> Thing:
    """Fill an open value from the current state."""
    if wanted.value is not None:
        return wanted
    return replace(wanted, value=before.value if before else 0)


NAMES = list("abcdef")
things = st.builds(Thing, st.sampled_from(NAMES), st.integers(0, 2), st.booleans())
states = st.lists(things, unique_by=Thing.key)
wishes = st.lists(st.builds(Thing, st.sampled_from(NAMES), st.none() | st.integers(0, 2)), unique_by=Thing.key)
keys = st.frozensets(st.sampled_from(NAMES))


def is_ours(thing: Thing) -> bool:
    return thing.ours


@given(states, wishes, keys, st.booleans())
def test_planning_from_the_planned_state_is_empty(
    current: list[Thing], desired: list[Thing], absent: frozenset[str], purge: bool
) -> None:
    rule = is_ours if purge else None
    operations = reconcile(current, desired, absent=absent, purge=rule, settle=settle)
    after = replay(current, operations).values()
    assert reconcile(after, desired, absent=absent, purge=rule, settle=settle) == []


@given(states, states, keys, st.booleans())
def test_replaying_the_plan_gives_the_desired_state_and_changes_nothing_else(
    current: list[Thing], desired: list[Thing], absent: frozenset[str], purge: bool
) -> None:
    operations = reconcile(current, desired, absent=absent, purge=is_ours if purge else None)
    untouched = {thing.name: thing for thing in current if thing.name not in absent and not (purge and thing.ours)}
    assert replay(current, operations) == {**untouched, **by_key(desired)}


@given(states, wishes, keys, st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter(
    current: list[Thing], desired: list[Thing], absent: frozenset[str], random: Random
) -> None:
    planned = reconcile(current, desired, absent=absent, purge=is_ours, settle=settle)
    random.shuffle(current)
    random.shuffle(desired)
    assert reconcile(current, desired, absent=sorted(absent), purge=is_ours, settle=settle) == planned


@given(states, wishes)
def test_purge_keeps_foreign_objects(current: list[Thing], desired: list[Thing]) -> None:
    operations = reconcile(current, desired, purge=is_ours, settle=settle)
    after = replay(current, operations)
    asked_for = {thing.name for thing in desired}
    for thing in current:
        if not thing.ours and thing.name not in asked_for:
            assert after[thing.name] is thing


@given(states, wishes)
def test_without_purge_nothing_is_deleted(current: list[Thing], desired: list[Thing]) -> None:
    assert all(operation.action != DELETE for operation in reconcile(current, desired, settle=settle))


@given(states, wishes, keys)
def test_make_before_break_and_keys_in_order(
    current: list[Thing], desired: list[Thing], absent: frozenset[str]
) -> None:
    operations = reconcile(current, desired, absent=absent, purge=is_ours, settle=settle)
    made = [operation.key() for operation in operations if operation.action != DELETE]
    removed = [operation.key() for operation in operations if operation.action == DELETE]
    assert [operation.action == DELETE for operation in operations] == [False] * len(made) + [True] * len(removed)
    assert made == sorted(made)
    assert removed == sorted(removed, reverse=True)


@given(states, wishes)
def test_every_operation_starts_from_the_current_state(current: list[Thing], desired: list[Thing]) -> None:
    state = by_key(current)
    for operation in reconcile(current, desired, purge=is_ours, settle=settle):
        assert operation.before == state.get(operation.key())
        assert operation.before != operation.after


@pytest.mark.parametrize("side", ["current", "desired"])
def test_two_objects_with_one_key_are_refused(side: str) -> None:
    twins = [Thing("a", 1), Thing("a", 2)]
    arguments = {"current": [], "desired": [], side: twins}
    with pytest.raises(DuplicateKey, match="'a'") as caught:
        reconcile(**arguments)
    assert caught.value.key == "a"


def test_a_desired_object_overrides_absent() -> None:
    (operation,) = reconcile([], [Thing("a")], absent=["a"])
    assert operation.action == CREATE


def test_equal_objects_need_no_operation() -> None:
    assert reconcile([Thing("a", 1)], [Thing("a", 1)]) == []


def test_counts_and_summary() -> None:
    operations = reconcile(
        [Thing("a", 1), Thing("b", 1), Thing("gone")], [Thing("a", 2), Thing("b", 1), Thing("c")], purge=is_ours
    )
    assert count(operations) == {CREATE: 1, UPDATE: 1, DELETE: 1}
    assert summary(operations) == "+1 ~1 -1"


def test_an_operation_without_states_has_no_key() -> None:
    with pytest.raises(ValueError, match="before or a state after"):
        Operation(None, None).key()
