# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The plan for one kind of object as a stage, and the order in which a run applies its stages.

States precede the policies that refer to them, and routing tables the rules that point at them. So a run applies its
stages in order, and deletes in the reverse order.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import NotConverged
from .reconcile import DELETE, Keyed, Operation
from .result import StageResult

if TYPE_CHECKING:
    from .rollback import Rollback
    from .shown import Change, Diff

T = TypeVar("T", bound=Keyed)


@dataclass(frozen=True)
class Stage:
    """The plan for one kind of object, and the functions that apply it.

    ``apply`` creates and updates, ``delete`` only deletes; both return the number of requests. ``pending`` reads again
    and returns one text for each operation that is still needed. ``rollback`` returns the rollback, also after a part of
    the plan. ``diff``, ``counts``, ``warnings``, ``details`` and ``changes`` are those of the result; ``pending`` may add to the
    warnings.
    irreversible: a deleted object cannot be restored, so deletions run after all else has succeeded.
    next_boot: ``apply`` writes files for the next boot, and nothing else. ``rollback``, and then ``apply``, are values that
    can be written to a checkpoint: functions of modules with their arguments (functools.partial).
    """

    operations: Sequence[Operation[Any]]
    diff: Callable[[], Sequence[Diff]] = field(repr=False)
    apply: Callable[[], int] = field(repr=False)
    delete: Callable[[], int] = field(repr=False)
    pending: Callable[[], Sequence[str]] = field(repr=False)
    rollback: Callable[[], Rollback] = field(repr=False)
    irreversible: bool = False
    next_boot: bool = False
    counts: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    changes: Callable[[], Iterable[Change]] = field(default=tuple, repr=False)

    def result(self, requests: int = 0) -> StageResult:
        """Return the result; ``requests`` is the number of requests sent."""
        return StageResult(
            bool(self.operations), self.counts, self.diff, tuple(self.warnings), requests, self.details, self.changes
        )


RollbackLog = list[Callable[[], "Rollback"]]  # the rollbacks of the stages that a run has started, in that order


def run_stage(stage: Stage, *, check_mode: bool) -> StageResult:
    """Run one stage and read back. Does nothing in check mode, or where the plan is empty.

    Raises NotConverged, and OSError where the kernel refuses; the run is rolled back then, and the error has a note that
    says so.
    """
    if check_mode or not stage.operations:
        return stage.result()
    from .transaction import transaction

    log: RollbackLog = []
    with transaction(lambda: log):
        requests = apply(stage, log) + delete(stage)
        verify([stage])
    return stage.result(requests)


def apply(stage: Stage, log: RollbackLog) -> int:
    """Create and update, and log the rollback. Returns the number of requests."""
    if not stage.operations:
        return 0
    log.append(stage.rollback)
    return stage.apply()


def delete(stage: Stage) -> int:
    """Delete. Returns the number of requests."""
    return stage.delete() if stage.operations else 0


def verify(stages: Iterable[Stage]) -> None:
    """Read again. Raises NotConverged where an operation is still needed."""
    pending = [text for stage in stages for text in stage.pending()]
    if pending:
        raise NotConverged(*pending)


def split_deletions(operations: Sequence[Operation[T]]) -> tuple[Sequence[Operation[T]], Sequence[Operation[T]]]:
    """Return a plan in two parts: up to its last creation or update, and the deletions after it.

    A deletion before a creation makes room for it, and stays in the first part.
    """
    end = len(operations)
    while end and operations[end - 1].action == DELETE:
        end -= 1
    return operations[:end], operations[end:]
