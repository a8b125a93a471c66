# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Plans of several kinds of object, carried out in a safe order: what is new from the ground up, then what goes.

States come before the policies that need them and tables before the rules that point at them, so a run makes its
stages in order, and removes in the reverse order.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from .reconcile import DELETE, Keyed, Operation
from .refusal import NotConverged

if TYPE_CHECKING:
    from .take_back import Back

T = TypeVar("T", bound=Keyed)


@dataclass(frozen=True)
class Stage:
    """The plan for one kind of object, and how it is carried out.

    ``make`` carries out what creates and changes, ``remove`` what only deletes; both return how many requests that
    took. ``left`` reads again and returns what is still to be done, one text for each object. ``back`` returns the way
    back where some of it was done. ``diff`` returns the two sides of the plan, as people read it.
    ``final`` says that what was removed cannot come back, so that this is done when all else has succeeded.
    """

    operations: Sequence[Operation[Any]]
    diff: Callable[[], dict[str, Any]] = field(repr=False)
    make: Callable[[], int] = field(repr=False)
    remove: Callable[[], int] = field(repr=False)
    left: Callable[[], Sequence[str]] = field(repr=False)
    back: Callable[[], Back] = field(repr=False)
    final: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be, to one kind of object."""

    stage: Stage
    requests: int = 0

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.stage.operations)


Begun = list[Callable[[], "Back"]]  # the ways back of what was begun, in the order in which things are made


def carry_out(stage: Stage, *, check_mode: bool) -> Outcome:
    """Carry out a stage, and read back what came of it. Raises NotConverged, and OSError where the kernel refuses.

    What was done by then is taken back, and the error has a note of that. In check mode, and where nothing is to be
    done, nothing is.
    """
    if check_mode or not stage.operations:
        return Outcome(stage)
    from .all_or_nothing import all_or_nothing

    begun: Begun = []
    with all_or_nothing(lambda: begun):
        requests = sum(make([stage], begun) + remove([stage]))
        verify([stage])
    return Outcome(stage, requests)


def make(stages: Sequence[Stage], begun: Begun) -> list[int]:
    """Carry out what creates and changes, in order; returns the requests of each stage, and notes what was begun."""
    requests = []
    for stage in stages:
        if stage.operations:
            begun.append(stage.back)
        requests.append(stage.make() if stage.operations else 0)
    return requests


def remove(stages: Sequence[Stage]) -> list[int]:
    """Carry out what only deletes, in reverse order; returns the requests of each stage, in the order given."""
    return [stage.remove() if stage.operations else 0 for stage in reversed(stages)][::-1]


def verify(stages: Sequence[Stage]) -> None:
    """Read again. Raises NotConverged where something is left to do."""
    left = [text for stage in stages for text in stage.left()]
    if left:
        raise NotConverged(*left)


def halves(operations: Sequence[Operation[T]]) -> tuple[Sequence[Operation[T]], Sequence[Operation[T]]]:
    """Return the operations of a plan up to the last that makes or changes something, and the deletions behind it.

    A deletion that stands before makes room for what follows, and must stay there.
    """
    end = len(operations)
    while end and operations[end - 1].action == DELETE:
        end -= 1
    return operations[:end], operations[end:]
