# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The guard of a run: a process that waits for the deadline, and then rolls the run back as a failed run does.

It reads the checkpoint before the run changes anything, and has all its code in a copy in memory: it needs neither the
network, nor the controller, nor the process that applies the run, nor space on a disk.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import syslog
import time

from .._engine import checkpoint
from .._engine.errors import notes
from .._engine.rollback import roll_back
from . import lock, pending
from .pending import PendingRun, RevertedRun

_OOM_SCORE = "-900"  # proc(5): almost never the first to be killed where memory is short


class Reverted(RuntimeError):
    """The run was rolled back, because it was not confirmed in time, or could not be completed."""


def main() -> None:
    """Wait for the deadline of the pending run, and roll it back unless it was confirmed or has failed before."""
    if pending.read() is None:
        return
    with pending.guarding() as first:
        if not first:
            return
        checkpoint.read(pending.path_of(pending.CHECKPOINT))  # imports all that a rollback needs
        _prepare()
        pending.ready(os.getpid())
        while True:
            run = pending.read()
            if run is None:
                return
            left = run.deadline - time.monotonic()
            if left > 0:
                time.sleep(left)
            elif _revert_late():
                return


def revert(run: PendingRun, reason: str) -> Reverted:
    """Roll back a pending run, say so in the system's log, and return the error. The caller holds the lock of the host."""
    log = checkpoint.read(pending.path_of(pending.CHECKPOINT)).log
    error = Reverted(f"{reason}: the run was reverted")
    roll_back(error, log)
    error = Reverted("; ".join((str(error), *(note for note in notes(error) if "could not restore" in note))))
    pending.write_reverted(RevertedRun(run.token, time.time(), str(error)))
    pending.discard()
    syslog.openlog("wirewright.overlay", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR, str(error))
    sys.stderr.write(f"{error}\n")  # the journal of the guard's unit
    return error


def seconds(timeout: float) -> str:
    """Return a time for a message."""
    return f"{timeout:g} second{'s' if timeout != 1 else ''}"


def _prepare() -> None:
    """Import what a rollback imports in functions, and be the last process to be killed."""
    from .._interface import rollback  # noqa: F401

    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(_OOM_SCORE)


def _revert_late() -> bool:
    """Roll back at the deadline; False where the run has got another deadline in the meantime."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.hold(check_mode=False))
        except (OSError, ValueError):  # the run hangs, or the lock cannot be used
            run = pending.read()
            if run is not None and not run.applied and start_time(run.process) == run.started:
                with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(run.process, signal.SIGKILL)
            # Another program hangs, or changed the lock. A host that is locked out is worse than a race.
            with contextlib.suppress(OSError, ValueError):
                stack.enter_context(lock.hold(check_mode=False))
        run = pending.read()
        if run is None:
            return True
        if run.deadline > time.monotonic():
            return False
        if run.applied:
            reason = f"no confirmation arrived over a new connection within {seconds(run.timeout)}"
        else:
            reason = f"the process that applied the run ended, or hung, for {seconds(run.timeout)}"
        revert(run, reason)
        return True


def start_time(process: int) -> str:
    """Return the start time of a process in clock ticks, "" for none (proc(5), field 22 of /proc/PID/stat)."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""
