# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""One at a time changes a host: a run of overlay_apply, or one of the programs that roles leave on hosts.

A run reads, plans, writes and reads again; a route that a program moves in between would be taken for one that the
kernel did not keep. The lock is flock(2) on a file below /run, so it ends with its holder, whatever ends that.

This module is private to the collection.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ..host import files
from ..refusal import Refused

# The programs have the same path, and open the file as we do.
LOCK = "/run/wirewright.overlay/lock"
DEADLINE = 60.0  # seconds; another run may take that long where names do not resolve, programs take less than one
_PAUSE = 0.05


@contextmanager
def hold(*, check_mode: bool) -> Iterator[None]:
    """Hold the lock, for which others are waited for up to a minute. Raises Refused then, and OSError.

    In check mode nothing is made: where there is no file, there is nobody to wait for.
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
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(LOCK, flags)
    except FileNotFoundError:
        if not create:
            return None
    files.make_directories(os.path.dirname(LOCK))
    return os.open(LOCK, flags | os.O_CREAT, 0o600)  # others could hold it, and keep us out, if they could open it


def _wait(descriptor: int) -> None:
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise Refused(
                    f"for {DEADLINE:g} seconds this host was being changed by {_holder(descriptor)}, which holds {LOCK}: "
                    "wait until that is done, or end it, and run again"
                ) from None
            time.sleep(_PAUSE)


def _holder(descriptor: int) -> str:
    """Return who holds the lock, as far as the kernel tells (proc(5), /proc/locks)."""
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
