# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Roll back a failed run: objects that the run touched return to their previous state, all others stay untouched.

A failed step may be done in part. So the current objects are compared with the previous ones, and only the difference is
applied: missing objects are restored first, in dependency order, then new ones are deleted in reverse order.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

from .errors import add_note
from .reconcile import CREATE, DELETE, UPDATE, Keyed, Operation

T = TypeVar("T", bound=Keyed)

NOTHING = "nothing was changed"
ROLLED_BACK = "rolled back"


class Rollback(NamedTuple):
    """The rollback of one stage.

    needed: whether the stage changed anything. ``apply`` restores and changes back, ``delete`` deletes what the stage
    created; both continue after an object that is refused. ``pending`` reads again and returns one text for each object
    that could not be restored.
    """

    needed: bool
    apply: Callable[[], None]
    delete: Callable[[], None]
    pending: Callable[[], Sequence[str]]


def inverse(now: Iterable[T], done: Iterable[Operation[T]]) -> list[Operation[T]]:
    """Return the operations that return every touched object to its previous state. Pure.

    done: the planned operations, of which all or a part were applied. now: the current objects; those that no operation
    touches are ignored. Restored objects precede deleted ones; deletions are in reverse order.
    """
    was: dict[Hashable, list[T]] = {}
    for operation in done:
        was.setdefault(operation.key(), []).extend([] if operation.before is None else [operation.before])
    surplus: dict[Hashable, list[T]] = {key: [] for key in was}
    missing = {key: list(items) for key, items in was.items()}
    for item in now:
        key = item.key()
        if key not in was:
            continue
        if item in missing[key]:
            missing[key].remove(item)
        else:
            surplus[key].append(item)
    found = [Operation(before, after) for key in was for before, after in zip_longest(surplus[key], missing[key])]
    made = sorted((operation for operation in found if operation.action != DELETE), key=Operation.key)
    removed = sorted((operation for operation in found if operation.action == DELETE), key=Operation.key, reverse=True)
    return made + removed


def rollback_of(
    read: Callable[[], Iterable[T]],
    done: Callable[[], Iterable[Operation[T]]],
    apply: Callable[[Sequence[Operation[T]]], object],
    label: Callable[[T], str],
    *,
    arrange: Callable[[list[Operation[T]]], list[Operation[T]]] = list,
    may: Callable[[Operation[T]], bool] = lambda _operation: True,
) -> Rollback:
    """Return the rollback of objects of one kind.

    ``read`` returns the current objects, ``done`` the planned operations, ``apply`` applies operations, ``label`` names an
    object. ``arrange`` sorts operations in an order that the kind requires. ``may`` tells whether an operation is
    allowed; operations that are not allowed stay pending.
    """

    def plan() -> list[Operation[T]]:
        return arrange(inverse(read(), done()))

    def run(deletions: bool) -> None:
        def part() -> list[Operation[T]]:
            return [one for one in plan() if (one.action == DELETE) == deletions and may(one)]

        try:
            apply(part())
        except Exception:  # all at once is fast; one by one passes a refused object
            for operation in part():
                with suppress(Exception):  # pending() reads and names it
                    apply([operation])

    return Rollback(
        bool(plan()),
        lambda: run(deletions=False),
        lambda: run(deletions=True),
        lambda: [describe_pending(operation, label) for operation in plan()],
    )


def describe_pending(operation: Operation[T], label: Callable[[T], str]) -> str:
    """Name the object of an operation that the rollback could not do, and its present state."""
    states = {CREATE: "missing", UPDATE: "changed", DELETE: "not removed"}
    item: Any = operation.after if operation.after is not None else operation.before
    return f"{label(item)} ({states[operation.action]})"


def roll_back(error: BaseException, log: Sequence[Callable[[], Rollback]]) -> None:
    """Roll back the stages in ``log``, which are in the order of their start, and note the result on the error."""
    pending: list[str] = []
    rollbacks: list[Rollback] = []
    for plan in log:
        with _noting(pending):
            rollbacks.append(plan())
    rollbacks = [one for one in rollbacks if one.needed]
    for one in rollbacks:
        with _noting(pending):
            one.apply()
    for one in reversed(rollbacks):
        with _noting(pending):
            one.delete()
    for one in rollbacks:
        with _noting(pending):
            pending += one.pending()
    done = ROLLED_BACK if rollbacks or pending else NOTHING
    add_note(error, f"{done}; could not restore: {'; '.join(pending)}" if pending else done)


@contextmanager
def _noting(pending: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        pending.append(f"an object that cannot be compared with its previous state ({exc})")
