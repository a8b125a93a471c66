# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The lock of a host: one process at a time changes it, a run of overlay_apply or a program that a role has installed.

A run reads, plans, writes and reads again. A route that a program changes in between would look like one that the kernel
did not keep. The lock is flock(2) on a file below /run, so the kernel releases it when its holder ends.

This module is private to the collection.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .._engine.errors import Refused
from .._host import files

# The programs use the same path, and open the file in the same mode.
LOCK = "/run/wirewright.overlay/lock"
GUARD = "/run/wirewright.overlay/guard"  # a run that waits for its confirmation, or had it, or was reverted
CONNECTIONS = (
    "/run/wirewright.overlay/connections"  # a process replaces masqueraded connections, or was killed meanwhile
)
DEADLINE = 60.0  # seconds; a run can take that long if names do not resolve, a program takes less than one
_PAUSE = 0.05


@contextmanager
def hold(*, check_mode: bool) -> Iterator[None]:
    """Hold the lock. Raises Refused if another process holds it for a minute, UnsafeFile, and OSError.

    Check mode does not create the file: without a file, no process holds the lock.
    """
    descriptor = _open(create=not check_mode)
    if descriptor is None:
        yield
        return
    try:
        _wait(descriptor)
        yield
    finally:
        os.close(descriptor)


def _open(*, create: bool) -> int | None:
    descriptor = files.open_file(LOCK)
    if descriptor is not None or not create:
        return descriptor
    from .._host.file_changes import make_directories

    make_directories(os.path.dirname(LOCK))
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_CREAT
    return os.open(LOCK, flags, 0o600)  # a user who could open it could block every run


def _wait(descriptor: int) -> None:
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise Refused(
                    f"{_holder(descriptor)} has held {LOCK} for {DEADLINE:g} seconds: wait until it ends, or stop it, "
                    "and run again"
                ) from None
            time.sleep(_PAUSE)


def _holder(descriptor: int) -> str:
    """Return the process that holds the lock, if the kernel lists it (proc(5), /proc/locks)."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError), open("/proc/locks", encoding="ascii") as locks:
        for fields in map(str.split, locks):
            if "FLOCK" in fields and "->" not in fields and fields[5].rpartition(":")[2] == inode:
                return f"process {fields[4]} ({_command(int(fields[4]))})"
    return "another process"


def _command(process: int) -> str:
    with suppress(OSError), open(f"/proc/{process}/cmdline", encoding="utf-8", errors="replace") as file:
        return file.read().rstrip("\0").replace("\0", " ")[:200]
    return "of another namespace"
