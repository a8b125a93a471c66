# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of overlay_apply and the programs of roles exclude each other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._ip import answers
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import lock as run_lock
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.converge import converge_host

from .programs import load

ROLES = Path(__file__).parents[3] / "roles"
direct = load(ROLES / "hub_spoke/files/wirewright-overlay-direct")
refresh = load(ROLES / "endpoint_refresh/files/wirewright-overlay-endpoint-refresh", wirewright_overlay_answers=answers)
PROGRAMS = [direct, refresh]
UNITS = ["hub_spoke/files/wirewright-overlay-direct@", "endpoint_refresh/files/wirewright-overlay-endpoint-refresh"]

HOLDER = (
    "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
)


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lock of a host before the first run."""
    path = tmp_path / "run" / "lock"
    for place in (run_lock, direct, refresh):
        monkeypatch.setattr(place, "LOCK", str(path))
    monkeypatch.setattr(run_lock, "DEADLINE", 0.2)
    return path


@pytest.fixture
def holder(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock until it is killed."""
    lock.parent.mkdir()
    lock.touch(0o600)
    argv = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_run_names_the_process_that_holds_the_lock_and_changes_nothing(
    lock: Path, holder: subprocess.Popen[str], check_mode: bool
) -> None:
    with pytest.raises(
        Refused, match=rf"process {holder.pid} \({sys.executable} .* has held {lock} for 0.2 seconds: wait"
    ):
        converge_host({}, check_mode=check_mode)
    holder.kill()
    holder.wait()
    assert not converge_host({}, check_mode=check_mode).changed


def test_check_mode_leaves_no_lock_file_and_a_run_a_private_one(lock: Path) -> None:
    converge_host({}, check_mode=True)
    assert not lock.parent.exists()
    converge_host({}, check_mode=False)
    assert (lock.stat().st_mode & 0o777, lock.parent.stat().st_mode & 0o777) == (0o600, 0o755)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: str(program.__name__))
def test_a_program_and_a_run_exclude_each_other(lock: Path, program: ModuleType) -> None:
    with run_lock.hold(check_mode=False), program.locked() as held:
        assert not held
    with program.locked() as held, pytest.raises(Refused, match=str(lock)):
        assert held
        converge_host({}, check_mode=False)
    assert not converge_host({}, check_mode=False).changed


@pytest.mark.usefixtures("holder")
def test_programs_change_nothing_during_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(direct, "converge", calls.append)
    monkeypatch.setattr(refresh, "read_silent", calls.append)
    assert direct.check("lo") == "overlay_apply is changing this host"
    assert refresh.set_moved(135, {"hub.example.net": ["192.0.2.1"]}, lambda *_endpoint: None) == []
    assert calls == []


def test_all_use_the_same_lock_and_units_grant_access_to_it() -> None:
    assert {program.LOCK for program in PROGRAMS} == {run_lock.LOCK}
    for name in UNITS:
        words = (ROLES / f"{name}.service").read_text().splitlines()
        assert {"RuntimeDirectory=wirewright.overlay", "RuntimeDirectoryPreserve=yes"} <= set(words)
