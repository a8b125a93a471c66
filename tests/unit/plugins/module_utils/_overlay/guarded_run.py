# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pending run in a directory of a test, whose rollback and remaining work are recorded."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine import checkpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.checkpoint import Checkpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.rollback import Rollback
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import guard, lock, pending
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.pending import PendingRun

TOKEN = "a token of a test"  # noqa: S105


def note(path: str, text: str) -> None:
    """Add a line to a file."""
    with open(path, "a") as file:
        file.write(text + "\n")


def noting_rollback(path: str) -> Rollback:
    """Return a rollback that only notes that it happens."""
    return Rollback(True, partial(note, path, "restored"), lambda: None, tuple)


def fail(text: str) -> None:
    """Fail as a full disk does."""
    raise OSError(28, text)


class GuardedRun:
    """Files below a directory of a test, in place of those below /run."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notes = directory / "notes"
        self.logged: list[str] = []
        monkeypatch.setattr(pending, "DIRECTORY", str(directory / "guard"))
        monkeypatch.setattr(lock, "LOCK", str(directory / "lock"))
        monkeypatch.setattr(lock, "GUARD", str(directory / "guard"))
        monkeypatch.setattr(guard.syslog, "syslog", lambda _priority, text: self.logged.append(text))

    def start(self, *, left: float = 60.0, applied: bool = True, work: str = "completed") -> PendingRun:
        """Write a pending run with a number of seconds until its deadline."""
        now = time.monotonic()
        process, start = os.getpid(), guard.start_time(os.getpid())
        run = PendingRun(pending.digest(TOKEN), 30.0, now - 5, now + left, process, start, {"wg0": True}, applied)
        pending.create_directory()
        remaining = partial(note, str(self.notes), work) if work else partial(fail, "No space left on device")
        found = Checkpoint((partial(noting_rollback, str(self.notes)),), (remaining,))
        checkpoint.write(found, pending.path_of(pending.CHECKPOINT))
        pending.write(run)
        return run

    def move_deadline(self, run: PendingRun, left: float) -> None:
        """Give a run another deadline."""
        pending.write(replace(run, deadline=time.monotonic() + left))

    @property
    def happened(self) -> list[str]:
        """What the rollback and the remaining work have noted."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []
