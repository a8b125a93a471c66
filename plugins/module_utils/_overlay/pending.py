# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The run that waits for its confirmation, and the last one that was reverted, as files in a directory of root below /run.

Its states: armed (nothing changed yet), applied, and then confirmed or reverted. Both remove it, and leave a record until the
next run. A reboot removes it too, and starts the host with its old configuration, because files for the next boot are written
with the confirmation.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, TypeVar

from .._engine.errors import Refused
from .._host import file_changes, files
from .._host.files import BootFile, UnsafeFile
from .lock import GUARD

T = TypeVar("T")

DIRECTORY = GUARD
CHECKPOINT, CODE = "checkpoint", "code.zip"
_RUN, _PROCESS, _REVERTED, _CONFIRMED = "run.json", "process", "reverted.json", "confirmed.json"
_FILES = (_RUN, _PROCESS, _REVERTED, _CONFIRMED, CHECKPOINT, f"{CHECKPOINT}.new", CODE)
_ATTEMPTS, _PAUSE = 10, 0.02  # seconds between them


@dataclass(frozen=True)
class PendingRun:
    """token: SHA-256 of the token in hexadecimal. timeout: seconds. armed, deadline: on the monotonic clock, in seconds.

    process, started: ID of the process that applies the run, and its start time in clock ticks (proc(5)). interfaces: by
    name, whether the run keeps the interface.
    """

    token: str
    timeout: float
    armed: float
    deadline: float
    process: int
    started: str
    interfaces: dict[str, bool]
    applied: bool = False


@dataclass(frozen=True)
class RevertedRun:
    """token: as in PendingRun. time: seconds since the epoch. text: the reason, and what could not be restored."""

    token: str
    time: float
    text: str


def path_of(name: str) -> str:
    """Return the path of a file in the directory."""
    return os.path.join(DIRECTORY, name)


def digest(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def refuse_planted() -> None:
    """Raise UnsafeFile where something else is in place of the directory or of a file in it, as a link that leads elsewhere."""
    files.refuse_unsafe_directories(path_of(_RUN))
    found: list[str] = []
    for path in map(path_of, _FILES):
        try:
            files.refuse_unsafe(path, os.lstat(path), stat.S_IFREG)
        except FileNotFoundError:
            continue
        except UnsafeFile as exc:
            found.append(str(exc))
    if found:
        raise UnsafeFile("; ".join(found))


def create_directory() -> None:
    """Create the directory, which nobody but root can enter. Raises OSError, and UnsafeFile."""
    file_changes.make_directories(os.path.dirname(DIRECTORY))
    with contextlib.suppress(FileExistsError):
        os.mkdir(DIRECTORY, 0o700)
    files.refuse_unsafe(DIRECTORY, os.lstat(DIRECTORY), stat.S_IFDIR)  # chmod(2) follows a link
    os.chmod(DIRECTORY, 0o700)


def read() -> PendingRun | None:
    """Return the pending run, None if there is none. Raises ValueError for a damaged file."""
    return _read(_RUN, PendingRun)


def write(run: PendingRun) -> None:
    """Write the pending run atomically."""
    _write(_RUN, asdict(run))


def read_reverted() -> RevertedRun | None:
    """Return the last run if it was reverted and no run has said so since. Raises ValueError for a damaged file."""
    return _read(_REVERTED, RevertedRun)


def write_reverted(run: RevertedRun) -> None:
    """Keep a reverted run, for its confirmation and for the next run."""
    _write(_REVERTED, asdict(run))


def forget_reverted() -> None:
    """Remove the record of a reverted run."""
    _remove(_REVERTED)


def read_confirmed() -> PendingRun | None:
    """Return the last run under a guard if it was confirmed. Raises ValueError for a damaged file."""
    return _read(_CONFIRMED, PendingRun)


def write_confirmed(run: PendingRun) -> None:
    """Keep a confirmed run, for a controller that did not get the answer and confirms again. A full disk is no error."""
    with contextlib.suppress(OSError, UnsafeFile):
        create_directory()
        _write(_CONFIRMED, asdict(run))


def forget_confirmed() -> None:
    """Remove the record of a confirmed run."""
    _remove(_CONFIRMED)


def discard() -> None:
    """Remove the pending run. From the first removal on it does not exist, and its guard ends without an effect."""
    _remove(_RUN, _PROCESS, CHECKPOINT, f"{CHECKPOINT}.new", CODE)


def guard_process() -> int | None:
    """Return the process ID of the guard, None if none is ready. A guard holds a lock while it runs."""
    try:
        descriptor = os.open(path_of(_PROCESS), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = file.read()
            return int(text) if text.isdigit() else None
    return None


def refuse_guarded(run: PendingRun) -> None:
    """Raise Refused while a guard is ready to revert a pending run."""
    if guard_process() is None:
        return
    now = time.monotonic()
    raise Refused(
        f"another run changed this host {now - run.armed:.0f} seconds ago and waits for its confirmation, without which "
        f"it is reverted in {max(0.0, run.deadline - now):.0f} seconds: run again then"
    )


@contextlib.contextmanager
def guarding() -> Iterator[bool]:
    """Hold the lock of the guard; False where another guard holds it."""
    descriptor = os.open(path_of(_PROCESS), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        is_first = _locks(file)
        if is_first:
            file.truncate(0)  # of a guard that was killed
        yield is_first


def _locks(file: IO[str]) -> bool:
    """Take the lock of the guard. Whoever asks for a guard, as the run does that starts it, has the lock for a moment."""
    for attempt in range(_ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if attempt < _ATTEMPTS - 1:
            time.sleep(_PAUSE)
    return False


def ready(process: int) -> None:
    """Say that the guard is ready."""
    with open(path_of(_PROCESS), "r+", encoding="ascii") as file:
        file.write(str(process))


def _read(name: str, kind: Callable[..., T]) -> T | None:
    found = files.read(path_of(name))
    try:
        return None if found is None else kind(**json.loads(found.content))
    except (ValueError, TypeError):
        raise ValueError(f"{path_of(name)} is damaged: remove the directory, and run again") from None


def _write(name: str, values: dict[str, object]) -> None:
    file_changes.write(BootFile(path_of(name), json.dumps(values) + "\n", 0o600))


def _remove(*names: str) -> None:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path_of(name))
    with contextlib.suppress(OSError):  # the record of a reverted run may be left
        os.rmdir(DIRECTORY)
