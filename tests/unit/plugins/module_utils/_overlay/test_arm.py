# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting the guard: how it is started, and that nothing remains where it is not."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.checkpoint import Checkpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import arm, pending
from guarded_run import TOKEN, GuardedRun

# What systemd-run would do with the arguments that follow its options.
SYSTEMD_RUN = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word" >>"$(dirname "$0")/arguments"; done
{}
"""


@pytest.fixture
def started(guarded_run: GuardedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of programs, with systemd as the init system of the host."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(arm.systemd, "is_running", lambda: True)
    monkeypatch.setattr(arm, "_is_in_namespaces_of_init", lambda: True)
    monkeypatch.setattr(arm, "_refuse_disk", lambda: None)
    monkeypatch.setattr(arm, "_READY", 0.1)
    return programs


def systemd_run(programs: Path, last: str) -> None:
    program = programs / "systemd-run"
    program.write_text(SYSTEMD_RUN.format(last))
    program.chmod(0o755)


def armed(**options: Any) -> None:
    arm.arm(TOKEN, 30.0, {"wg0": True}, Checkpoint(()), **options)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("echo 'Unit is masked.' >&2; exit 1", "systemd-run: Unit is masked."),
        ("exit 3", "systemd-run: exit code 3"),
        ("exit 0", "it was not ready after 0.1 seconds"),
    ],
)
def test_nothing_remains_of_a_guard_that_does_not_start(started: Path, last: str, said: str) -> None:
    systemd_run(started, last)
    with pytest.raises(Refused) as refused:
        armed()
    assert f"cannot be started: {said}" in str(refused.value) and "O(confirm_timeout=0)" in str(refused.value)
    assert not os.path.exists(pending.DIRECTORY)


def test_the_next_change_removes_the_record_of_the_one_before(started: Path, guarded_run: GuardedRun) -> None:
    pending.write_confirmed(guarded_run.start())
    systemd_run(started, "exit 1")
    with pytest.raises(arm.CannotGuard):
        armed()
    assert pending.read_confirmed() is None


def test_a_missing_systemd_run_is_said(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(started))
    with pytest.raises(Refused, match="systemd-run"):
        armed()
    assert not os.path.exists(pending.DIRECTORY)


def test_the_service_starts_again_and_gets_no_secret_as_an_argument(started: Path) -> None:
    systemd_run(started, "exit 1")
    with pytest.raises(Refused):
        armed()
    arguments = (started / "arguments").read_text()
    assert f"--unit=wirewright-overlay-guard-{os.getpid()}\n" in arguments and "KillMode=process\n" in arguments
    assert "--property=Restart=on-failure\n" in arguments
    assert "-I\n-c\n" in arguments and TOKEN not in arguments and pending.digest(TOKEN) not in arguments


def test_a_run_is_applied_with_a_new_deadline(guarded_run: GuardedRun) -> None:
    before = guarded_run.start(left=1.0, applied=False)
    arm.applied()
    after = pending.read()
    assert after is not None and after.applied and after.deadline > before.deadline + 20 and after.token == before.token
    arm.disarm()
    arm.applied()
    assert pending.read() is None


def test_code_is_copied_from_an_archive(
    guarded_run: GuardedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "payload.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    pending.create_directory()
    name = "/ansible_collections/wirewright/overlay/plugins/module_utils/_overlay/arm.py"
    monkeypatch.setattr(arm, "__file__", f"{archive}{name}")
    assert arm._code() == pending.path_of("code.zip")
    assert Path(arm._code()).read_bytes() == archive.read_bytes()
    monkeypatch.setattr(arm, "__file__", f"{tmp_path}{name}")
    assert arm._code() == str(tmp_path)
    for unusable in ("/nowhere", f"/nowhere{name}"):
        monkeypatch.setattr(arm, "__file__", unusable)
        with pytest.raises(Refused, match="its code cannot be kept"):
            arm._code()
