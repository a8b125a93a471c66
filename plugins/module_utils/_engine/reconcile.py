# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compare current and desired objects, and return the operations between them. Pure.

An object is any value with a ``key()``, hashable and sortable, that identifies it, and with equality of its state, which
excludes runtime statistics.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

CREATE = "create"
UPDATE = "update"
DELETE = "delete"


class Keyed(Protocol):
    """An object that can be reconciled."""

    def key(self) -> Any:
        """Return what identifies the object among those of its kind."""


T = TypeVar("T", bound=Keyed)


@dataclass(frozen=True)
class Operation(Generic[T]):
    """A change of one object from its state before to its state after; None means that it does not exist."""

    before: T | None
    after: T | None

    @property
    def action(self) -> str:
        """CREATE, UPDATE or DELETE."""
        if self.before is None:
            return CREATE
        return UPDATE if self.after is not None else DELETE

    def key(self) -> Any:
        """The key of the object."""
        present = self.after if self.after is not None else self.before
        if present is None:
            raise ValueError("an operation has a state before or a state after")
        return present.key()


class DuplicateKey(ValueError):
    """Two desired objects have the same key."""

    def __init__(self, key: Hashable) -> None:
        super().__init__(f"two desired objects share the key {key!r}")
        self.key = key


def by_key(objects: Iterable[T]) -> dict[Hashable, T]:
    """Index objects by their key. Raises DuplicateKey."""
    index: dict[Hashable, T] = {}
    for item in objects:
        key = item.key()
        if key in index:
            raise DuplicateKey(key)
        index[key] = item
    return index


def reconcile(
    current: Iterable[T],
    desired: Iterable[T],
    *,
    absent: Collection[Hashable] = (),
    purge: Callable[[T], bool] | None = None,
    settle: Callable[[T | None, T], T] | None = None,
) -> list[Operation[T]]:
    """Return the operations that turn the current objects into the desired ones.

    absent: keys that must not exist. purge: whether an undesired object may be deleted; without it none is.
    ``settle(before, wanted)`` fills the fields that a desired object leaves open from the current one.

    The order is make-before-break and independent of the order of the input: creations and updates by key, then deletions
    by key in reverse. Raises DuplicateKey.
    """
    have = by_key(current)
    want = by_key(desired)
    made: list[Operation[T]] = []
    for key, wanted in want.items():
        before = have.get(key)
        after = settle(before, wanted) if settle else wanted
        if before is not after and before != after:
            made.append(Operation(before, after))
    removed = [
        Operation(item, None)
        for key, item in have.items()
        if key not in want and (key in absent or (purge is not None and purge(item)))
    ]
    made.sort(key=Operation.key)
    removed.sort(key=Operation.key, reverse=True)
    return made + removed


def replay(current: Iterable[T], operations: Iterable[Operation[T]]) -> dict[Hashable, T]:
    """Return the objects by key after the operations, which is the state that check mode predicts."""
    state: dict[Hashable, T] = by_key(current)
    for operation in operations:
        if operation.after is None:
            state.pop(operation.key(), None)
        else:
            state[operation.key()] = operation.after
    return state


def summary(operations: Iterable[Operation[T]]) -> str:
    """Return ``+created ~updated -deleted``, the summary of a run."""
    counts = count(operations)
    return f"+{counts[CREATE]} ~{counts[UPDATE]} -{counts[DELETE]}"


def count(operations: Iterable[Operation[T]]) -> dict[str, int]:
    """Return the number of operations of each action."""
    counts = {CREATE: 0, UPDATE: 0, DELETE: 0}
    for operation in operations:
        counts[operation.action] += 1
    return counts


def counts(operations: Iterable[Operation[T]]) -> dict[str, int]:
    """Return the number of objects created, updated and deleted, with the keys of a module's result."""
    found = count(operations)
    return {"created": found[CREATE], "updated": found[UPDATE], "deleted": found[DELETE]}
