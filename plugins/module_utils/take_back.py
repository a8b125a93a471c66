# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The way back of a run that failed: what it touched becomes again what it was before, and nothing else does.

A step that failed is done in part, so what is there now is compared with what was there before, and the difference is
carried out: what is missing is put back from the ground up, then what was made is removed.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

from .reconcile import CREATE, DELETE, UPDATE, Keyed, Operation
from .refusal import add_note

T = TypeVar("T", bound=Keyed)

NOTHING = "nothing was changed"
ALL_BACK = "what was changed has been taken back"


class Back(NamedTuple):
    """The way back of one kind: whether anything was changed, what puts back, what removes, and what is left then.

    ``make`` and ``remove`` go on behind what is refused. ``left`` reads again; it returns a text for each object.
    """

    needed: bool
    make: Callable[[], None]
    remove: Callable[[], None]
    left: Callable[[], Sequence[str]]


def inverse(now: Iterable[T], done: Iterable[Operation[T]]) -> list[Operation[T]]:
    """Return the operations by which all that was touched becomes again what it was. Pure.

    done: what was to be done, all of it or a part of which may have been. now: what is there; of this, what was not
    touched is passed over. What comes back stands before what goes, which goes in reverse.
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


def back_of(
    read: Callable[[], Iterable[T]],
    done: Callable[[], Iterable[Operation[T]]],
    apply: Callable[[Sequence[Operation[T]]], object],
    label: Callable[[T], str],
    *,
    arrange: Callable[[list[Operation[T]]], list[Operation[T]]] = list,
    may: Callable[[Operation[T]], bool] = lambda _operation: True,
) -> Back:
    """Return the way back of objects of one kind.

    ``read`` returns what is there now, ``done`` what was to be done, ``apply`` carries operations out, ``label`` names an
    object. ``arrange`` puts operations into an order of the kind's own; ``may`` says which of them are allowed, others
    are left.
    """

    def pending() -> list[Operation[T]]:
        return arrange(inverse(read(), done()))

    def carry_out(removing: bool) -> None:
        def part() -> list[Operation[T]]:
            return [one for one in pending() if (one.action == DELETE) == removing and may(one)]

        try:
            apply(part())
        except Exception:  # at once is quick, and one by one is what gets by a refusal
            for operation in part():
                with suppress(Exception):  # what is left is read, and named
                    apply([operation])

    return Back(
        bool(pending()),
        lambda: carry_out(removing=False),
        lambda: carry_out(removing=True),
        lambda: [to_do(operation, label) for operation in pending()],
    )


def to_do(operation: Operation[T], label: Callable[[T], str]) -> str:
    """Return what was not taken back, as a person would do it."""
    verbs = {CREATE: "put back", UPDATE: "change back to", DELETE: "remove"}
    item: Any = operation.after if operation.after is not None else operation.before
    return f"{verbs[operation.action]} {label(item)}"


def take_back(error: BaseException, begun: Sequence[Callable[[], Back]]) -> None:
    """Take back what was begun, given in the order in which things are made, and note on the error what came of it."""
    left: list[str] = []
    ways: list[Back] = []
    for plan in begun:
        with _noting(left):
            ways.append(plan())
    ways = [way for way in ways if way.needed]
    for way in ways:
        with _noting(left):
            way.make()
    for way in reversed(ways):
        with _noting(left):
            way.remove()
    for way in ways:
        with _noting(left):
            left += way.left()
    done = ALL_BACK if ways or left else NOTHING
    add_note(error, f"{done}, and this is left to do: {'; '.join(left)}" if left else done)


@contextmanager
def _noting(left: list[str]) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        left.append(f"look after what could not be compared with what was before ({exc})")
