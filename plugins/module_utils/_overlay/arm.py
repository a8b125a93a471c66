# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Start the guard of a run, and wait until it is ready.

Where systemd runs the host, the guard is a transient service: it survives the session that started it, and starts again if
it is killed. Elsewhere it is a process with a session of its own.

This module is private to the collection.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from .._engine import checkpoint
from .._engine.checkpoint import Checkpoint
from .._engine.errors import Refused
from .._host import systemd
from . import guard, pending
from .pending import PendingRun

UNIT = "wirewright-overlay-guard"
_READY = 30.0  # seconds; a small host needs some to start Python
_PAUSE = 0.02
_SYSTEMD = 10.0  # seconds
_PACKAGE = "/ansible_collections/"
_PROGRAM = (
    "import sys; sys.path[:0] = sys.argv[1:]; "
    "from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.guard import main; main()"
)


class CannotGuard(Refused):
    """This host cannot have a guard; nothing was changed."""


def arm(token: str, timeout: float, interfaces: dict[str, bool], found: Checkpoint) -> None:
    """Write the checkpoint and start the guard. Raises CannotGuard where it is not ready; nothing remains then.

    timeout: seconds. interfaces: as in PendingRun. The caller holds the lock of the host, and no run is pending.
    """
    now = time.monotonic()
    run = PendingRun(
        pending.digest(token), timeout, now, now + timeout, os.getpid(), guard.start_time(os.getpid()), interfaces
    )
    _refuse_disk()
    pending.forget_confirmed()
    pending.create_directory()
    try:
        checkpoint.write(found, pending.path_of(pending.CHECKPOINT))
        pending.write(run)
        _start([sys.executable, "-I", "-c", _PROGRAM, _code(), *filter(os.path.isdir, sys.path)])
        if not _wait(lambda: pending.guard_process() is not None, _READY):
            raise Refused(f"it was not ready after {guard.seconds(_READY)}")
    except (OSError, Refused, subprocess.TimeoutExpired) as exc:
        disarm()
        raise CannotGuard(
            f"the guard that would revert this run cannot be started: {exc}; mend that, or set O(confirm_timeout=0)"
        ) from None
    except BaseException:
        disarm()
        raise


def applied() -> None:
    """Say that the run is applied: its time to be confirmed starts now."""
    run = pending.read()
    if run is not None:
        now = time.monotonic()
        pending.write(PendingRun(**{**vars(run), "deadline": now + run.timeout, "applied": True}))


def extend(found: Checkpoint) -> None:
    """Replace the checkpoint, where more is known of the run."""
    checkpoint.write(found, pending.path_of(pending.CHECKPOINT))


def disarm() -> None:
    """Remove the pending run, and end its guard."""
    process = pending.guard_process()
    pending.discard()
    if process is not None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)


def _wait(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; False if it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True


def _refuse_disk() -> None:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        if not checkpoint.is_in_memory(pending.DIRECTORY, mounts):
            raise CannotGuard(
                "/run is not in memory (tmpfs), so the checkpoint of this run, which holds keys, would be written to a disk: "
                "mount a tmpfs at /run, or set O(confirm_timeout=0)"
            )


def _code() -> str:
    """Return the path of this collection's code for the guard: a copy of the archive of the module, or its directory."""
    path, package, _name = __file__.partition(_PACKAGE)
    if package and os.path.isfile(path):
        copy = pending.path_of(pending.CODE)
        shutil.copyfile(path, copy)
        return copy
    if not package or not os.path.isdir(path):
        raise Refused("this module was not started from an archive or a directory, so its code cannot be kept")
    return path


def _start(program: Sequence[str]) -> None:
    if systemd.is_running() and _is_in_namespaces_of_init():
        options = [
            "--quiet",
            "--collect",
            f"--unit={UNIT}-{os.getpid()}",  # the unit of the guard before may not have ended yet
            "--property=Restart=on-failure",
            "--property=RestartSec=100ms",
            "--property=KillMode=process",  # a rollback can start wireguard-go, which stays
        ]
        done = subprocess.run(
            ["systemd-run", *options, *program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SYSTEMD,
        )
        if done.returncode:
            raise Refused(f"systemd-run: {done.stderr.strip() or f'exit code {done.returncode}'}")
        return
    quiet = subprocess.DEVNULL
    subprocess.Popen(program, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/", start_new_session=True)


def _is_in_namespaces_of_init() -> bool:
    """Return whether a service of systemd has the network and the files of this process."""
    return all(os.readlink(f"/proc/self/ns/{kind}") == os.readlink(f"/proc/1/ns/{kind}") for kind in ("net", "mnt"))
