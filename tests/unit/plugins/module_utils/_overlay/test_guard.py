# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard: it waits for the deadline of the moment, and rolls back once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import UnsafeFile
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import guard, lock, pending
from guarded_run import GuardedRun


def test_a_run_is_reverted_at_its_deadline_and_says_why(guarded_run: GuardedRun) -> None:
    guarded_run.start(left=0.05)
    guard.main()
    assert guarded_run.happened == ["restored"]
    (said,) = guarded_run.logged
    assert said == "no confirmation arrived over a new connection within 30 seconds: the run was reverted"
    assert os.listdir(pending.DIRECTORY) == ["reverted.json"]
    last = pending.read_reverted()
    assert last is not None and last.text == said


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_that_is_set_does_not_move_the_deadline(
    guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    run, real = guarded_run.start(left=0.3), time.time
    monkeypatch.setattr(time, "time", lambda: real() + step)
    guard.main()
    assert guarded_run.happened == ["restored"] and time.monotonic() >= run.deadline


def test_a_run_that_was_killed_is_reverted(guarded_run: GuardedRun) -> None:
    guarded_run.start(left=0.0, applied=False)
    guard.main()
    assert guarded_run.happened == ["restored"] and "the process that applied the run ended" in guarded_run.logged[0]


def test_a_confirmed_run_is_not_touched(guarded_run: GuardedRun) -> None:
    guarded_run.start(left=0.05)
    with lock.hold(check_mode=False):
        waiting = threading.Thread(target=guard.main)
        waiting.start()
        while pending.guard_process() is None:
            time.sleep(0.01)
        pending.discard()
    waiting.join(10)
    assert not waiting.is_alive() and not guarded_run.happened and not os.path.exists(pending.DIRECTORY)


def test_a_later_deadline_counts(guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = guarded_run.start(left=0.0, applied=False)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        guarded_run.move_deadline(run, 0.0)

    # The run is applied while the guard waits for the lock.
    real_hold = lock.hold

    def hold(*, check_mode: bool):  # type: ignore[no-untyped-def]
        if not slept:
            guarded_run.move_deadline(run, 100.0)
        return real_hold(check_mode=check_mode)

    monkeypatch.setattr(lock, "hold", hold)
    monkeypatch.setattr(guard.time, "sleep", sleep)
    guard.main()
    assert 90 < slept[0] <= 100 and guarded_run.happened == ["restored"]


def test_a_run_that_hangs_is_killed(guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as hanging:
        run = guarded_run.start(left=0.0, applied=False)
        started = guard.start_time(hanging.pid)
        pending.write(pending.PendingRun(**{**vars(run), "process": hanging.pid, "started": started}))

        def hold(*, check_mode: bool):  # type: ignore[no-untyped-def]
            raise Refused("held for a minute")

        monkeypatch.setattr(lock, "hold", hold)
        guard.main()
        assert hanging.wait(10) == -signal.SIGKILL
    assert guarded_run.happened == ["restored"]


def test_another_process_with_the_same_number_is_not_killed(
    guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = guarded_run.start(left=0.0, applied=False)
    pending.write(pending.PendingRun(**{**vars(run), "started": "1"}))  # ours, but for the start time

    def hold(*, check_mode: bool):  # type: ignore[no-untyped-def]
        raise Refused("held for a minute")

    monkeypatch.setattr(lock, "hold", hold)
    guard.main()
    assert guarded_run.happened == ["restored"]


@pytest.mark.parametrize("ended", [False, True], ids=["the lock is unusable", "the run ends when it is killed"])
def test_nothing_keeps_a_guard_from_reverting(
    guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    run = guarded_run.start(left=0.0, applied=not ended)

    def hold(*, check_mode: bool):  # type: ignore[no-untyped-def]
        raise Refused("held for a minute") if ended else UnsafeFile("/run can be changed by other users")

    def kill(process: int, number: int) -> None:
        assert (process, number) == (run.process, signal.SIGKILL)
        raise ProcessLookupError

    monkeypatch.setattr(lock, "hold", hold)
    monkeypatch.setattr(guard.os, "kill", kill)
    guard.main()
    assert guarded_run.happened == ["restored"]


def test_a_guard_that_starts_after_its_run_has_failed_does_nothing(guarded_run: GuardedRun) -> None:
    guard.main()
    assert not os.path.exists(pending.DIRECTORY)
    pending.create_directory()
    pending.write_reverted(pending.RevertedRun("", 0.0, "why"))
    guard.main()
    assert os.listdir(pending.DIRECTORY) == ["reverted.json"]


def test_a_second_guard_leaves_the_run_to_the_first(guarded_run: GuardedRun) -> None:
    guarded_run.start(left=0.0)
    with pending.guarding():
        guard.main()
    assert not guarded_run.happened and pending.read() is not None


def test_start_time_of_no_process() -> None:
    assert guard.start_time(os.getpid()).isdigit() and guard.start_time(1 << 22) == ""
