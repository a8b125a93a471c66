# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The checkpoint of a run: what another process needs to roll the run back, or to complete it.

Rollbacks are values: functions of modules, with the state that was read before the run (functools.partial). So the process
that rolls back executes the code with which a failed run rolls back itself.

A checkpoint holds keys, so it is written to memory only, in a directory that only root can enter. pickle(3) runs code of
the file that it reads; whoever could write that file could replace the code beside it as well.

This module is private to the collection.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .rollback import Rollback

_IN_MEMORY = ("tmpfs", "ramfs")


@dataclass(frozen=True)
class Checkpoint:
    """``log`` has the rollbacks of all that a run may change, in the order of its stages, as roll_back() takes them.

    ``remaining`` is the work of the run that waits for its confirmation: to write the files for the next boot.
    """

    log: tuple[Callable[[], Rollback], ...]
    remaining: tuple[Callable[[], object], ...] = ()


def write(checkpoint: Checkpoint, path: str) -> None:
    """Write a checkpoint atomically, with mode 0600. Raises OSError."""
    temporary = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        pickle.dump(checkpoint, file)
    os.rename(temporary, path)


def read(path: str) -> Checkpoint:
    """Return a checkpoint. Raises OSError, and ValueError for a file that is none."""
    with open(path, "rb") as file:
        try:
            found = pickle.load(file)  # noqa: S301   in a directory of root, beside the code that root executes
        except Exception as exc:  # pickle raises errors of any kind
            raise ValueError(f"{path} cannot be read: {exc}") from exc
    if not isinstance(found, Checkpoint):
        raise ValueError(f"{path} is no checkpoint")
    return found


def is_in_memory(path: str, mounts: Iterable[str]) -> bool:
    """Return whether a path is in a file system that never reaches a disk but by swapping. Pure.

    mounts: the lines of /proc/self/mountinfo (proc(5)). The last mount of the longest path counts.
    """
    best, kind = "", ""
    for line in mounts:
        fields, _dash, rest = line.partition(" - ")
        point = fields.split()[4]
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split()[0]
    return kind in _IN_MEMORY
