# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files as a diff shows them: readable text, without keys and without bookkeeping. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._engine.reconcile import Operation
from .._engine.shown import Diff
from .files import BootFile

_SECRET_LINE = re.compile(r"^(\s*(?:PrivateKey|PresharedKey)\s*=).*$", re.MULTILINE | re.IGNORECASE)
_HIDDEN = "(hidden)"


def describe_files(operations: Iterable[Operation[BootFile]]) -> list[Diff]:
    """Return one diff for each file, named after its path; none for what the collection records for itself."""
    return [_described(one) for one in operations if not _is_record(one)]


def describe_records(operations: Iterable[Operation[BootFile]]) -> list[Diff]:
    """Return one diff for each file that describe_files leaves out: for a run that changes nothing else."""
    return [_described(one) for one in operations if _is_record(one)]


def _is_record(operation: Operation[BootFile]) -> bool:
    return any(file is not None and is_bookkeeping(file) for file in (operation.before, operation.after))


def _described(operation: Operation[BootFile]) -> Diff:
    before, after = operation.before, operation.after
    sides = _text(before), _text(after)
    hidden = before is not None and after is not None and before.content != after.content and sides[0] == sides[1]
    return Diff(operation.key(), sides[0], sides[1] + ("(a hidden key differs)\n" if hidden else ""))


def is_bookkeeping(file: BootFile) -> bool:
    """Return whether a file is a record of the collection, such as the state file of an interface."""
    return file.ours_by_path and not file.secret


def _text(file: BootFile | None) -> str:
    """Return a file as text; its first line has what is not content."""
    if file is None:
        return ""
    if file.target is not None:
        return f"(link to {file.target})\n"
    content = _HIDDEN + "\n" if file.secret else _SECRET_LINE.sub(rf"\1 {_HIDDEN}", file.content)
    return f"(mode {file.mode:04o}{f', group {file.group}' if file.group else ''})\n{content}"
