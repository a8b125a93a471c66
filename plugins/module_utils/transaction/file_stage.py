# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Boot files as a stage: planned, written and deleted, and the unit that loads them.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..host import files, systemd
from ..host.files import BootFile
from ..reconcile import Operation, counts, reconcile
from ..stage import Stage

if TYPE_CHECKING:
    from ..take_back import Back

_UNITS = "/etc/systemd/system/"

Plan = Callable[[], list[Operation[BootFile]]]


def stage(plan: Plan, unit: str, *, start: bool, warnings: Sequence[str] = ()) -> Stage:
    """Return the stage of files of which one may be the unit of this name.

    ``start`` says whether a unit that is written is started too; one that is deleted is stopped before.
    """
    operations = plan()

    def make() -> int:
        _carry_out(operations, unit, start=start)
        return 0

    return Stage(
        operations,
        diff=lambda: _sides(operations),
        make=make,
        remove=lambda: 0,
        left=lambda: [f"{operation.action} {operation.key()}" for operation in plan()],
        back=lambda: files_back(operations, lambda found: _carry_out(found, unit, start=start)),
        counts=counts(operations),
        warnings=tuple(warnings),
    )


def _carry_out(operations: Sequence[Operation[BootFile]], unit: str, *, start: bool) -> None:
    units = [one for one in operations if one.key().startswith(_UNITS)]
    of_unit = [one for one in operations if os.path.basename(one.key()) == unit and not _is_link(one)]
    if systemd.is_running() and any(one.after is None for one in of_unit):
        systemd.retire(unit)
    files.carry_out(operations)
    if systemd.is_running() and units:
        systemd.reload()
        if start and any(one.after is not None for one in of_unit):
            systemd.start(unit)


def files_back(
    done: Sequence[Operation[BootFile]], carry_out: Callable[[Sequence[Operation[BootFile]]], None] = files.carry_out
) -> Back:
    """Return the way back of files: to their bytes, mode, group and owner, or away."""
    from ..take_back import back_of

    def read() -> list[BootFile]:
        return [file for file in (files.read(one.key()) for one in done) if file is not None]

    return back_of(read, lambda: done, carry_out, lambda file: file.path)


def plan_files(paths: Iterable[str], wanted: Iterable[BootFile]) -> list[Operation[BootFile]]:
    """Return the operations after which of these paths exactly those that are wanted exist. Raises ForeignFile."""
    found = [file for file in map(files.read, dict.fromkeys(paths)) if file is not None]
    for file in found:
        files.refuse_foreign(file)
    return reconcile(found, wanted, absent=[file.path for file in found], settle=files.settle)


def listed(directory: str) -> list[str]:
    """Return the paths of what stands in a directory, nothing where there is none."""
    try:
        return [os.path.join(directory, name) for name in os.listdir(directory)]
    except FileNotFoundError:
        return []


def _is_link(operation: Operation[BootFile]) -> bool:
    file = operation.after or operation.before
    return file is not None and file.target is not None


def _sides(operations: Iterable[Operation[BootFile]]) -> dict[str, dict[str, Any]]:
    sides: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for operation in operations:
        for side, file in (("before", operation.before), ("after", operation.after)):
            if file is not None:
                sides[side][file.path] = file.describe()
    return sides
