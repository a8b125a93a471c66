# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Boot files, and the unit that loads them, as a stage.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .._engine.reconcile import Operation, counts, reconcile
from .._engine.shown import Diff
from .._engine.stage import Stage
from . import file_changes, files, systemd, systemd_units
from .files import BootFile

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

_UNITS = "/etc/systemd/system/"

Plan = Callable[[], list[Operation[BootFile]]]


def stage(plan: Plan, unit: str, *, start: bool, warnings: Sequence[str] = ()) -> Stage:
    """Return the stage of files. One of them can be the unit ``unit``; it is stopped before it is deleted.

    start: whether to start a unit that was written.
    """
    operations = plan()

    apply_to_unit = partial(apply, unit=unit, start=start)
    return Stage(
        operations,
        diff=lambda: _diff(operations),
        apply=partial(apply_to_unit, operations),
        delete=lambda: 0,
        pending=lambda: [f"{operation.action} {operation.key()}" for operation in plan()],
        rollback=partial(files_rollback, operations, apply_to_unit),
        next_boot=True,
        counts=counts(operations),
        warnings=tuple(warnings),
    )


def apply(operations: Sequence[Operation[BootFile]], unit: str, *, start: bool) -> int:
    """Write and delete files, and reload systemd; ``unit`` and ``start`` are as in stage(). Returns 0."""
    units = [one for one in operations if one.key().startswith(_UNITS)]
    of_unit = [one for one in operations if os.path.basename(one.key()) == unit and not _is_link(one)]
    if systemd.is_running() and any(one.after is None for one in of_unit):
        systemd_units.retire(unit)
    file_changes.write_files(operations)
    if systemd.is_running() and units:
        systemd_units.reload()
        if start and any(one.after is not None for one in of_unit):
            systemd_units.start(unit)
    return 0  # requests to the kernel


def files_rollback(
    done: Sequence[Operation[BootFile]],
    apply: Callable[[Sequence[Operation[BootFile]]], object] = file_changes.write_files,
) -> Rollback:
    """Return the rollback of files: content, mode, owner and group are restored, new files are deleted."""
    from .._engine.rollback import rollback_of

    def read() -> list[BootFile]:
        return [file for file in (files.read(one.key()) for one in done) if file is not None]

    return rollback_of(read, lambda: done, apply, lambda file: file.path)


def plan_files(paths: Iterable[str], wanted: Iterable[BootFile]) -> list[Operation[BootFile]]:
    """Return the operations after which only the wanted files exist at these paths. Raises ForeignFile."""
    found = [file for file in map(files.read, dict.fromkeys(paths)) if file is not None]
    for file in found:
        files.refuse_foreign(file)
    return reconcile(found, wanted, absent=[file.path for file in found], settle=files.settle)


def listed(directory: str) -> list[str]:
    """Return the paths of the entries of a directory, none if it does not exist. Raises UnsafeFile."""
    files.refuse_unsafe_directories(os.path.join(directory, ""))
    try:
        return [os.path.join(directory, name) for name in os.listdir(directory)]
    except FileNotFoundError:
        return []


def _is_link(operation: Operation[BootFile]) -> bool:
    file = operation.after or operation.before
    return file is not None and file.target is not None


def _diff(operations: Sequence[Operation[BootFile]]) -> list[Diff]:
    from .file_diff import describe_files

    return describe_files(operations)
