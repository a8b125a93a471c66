# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module of one kind of object waits for a run of overlay_apply, and is refused while one is pending."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import exclusive, lock, pending
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.pending import RevertedRun
from guarded_run import TOKEN, GuardedRun

MODULES = Path(__file__).parents[5] / "plugins" / "modules"
BOTH = pytest.mark.parametrize("check_mode", [False, True])


class Module:
    """A module that keeps how it failed."""

    def __init__(self, *, check_mode: bool) -> None:
        self.check_mode, self.params = check_mode, {}
        self.failed: dict[str, Any] = {}

    def fail_json(self, **values: Any) -> None:
        self.failed = values


@pytest.fixture(autouse=True)
def root(guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be root, with the files of a test."""
    monkeypatch.setattr(exclusive, "_is_root", lambda: True)
    monkeypatch.setattr(lock, "DEADLINE", 0.1)


def refusal(*, check_mode: bool) -> str:
    """Return why a module does not start its work."""
    module: Any = Module(check_mode=check_mode)
    started: list[str] = []
    with pytest.raises(SystemExit):
        exclusive.run_exclusively(module, lambda: started.append("work"))
    assert not started
    return str(module.failed["msg"])


def works(*, check_mode: bool) -> bool:
    module: Any = Module(check_mode=check_mode)
    return exclusive.run_exclusively(module, lambda: True)


@BOTH
def test_a_module_is_refused_while_a_run_waits_for_its_confirmation(guarded_run: GuardedRun, check_mode: bool) -> None:
    run = guarded_run.start(left=25.4)
    with pending.guarding():
        pending.ready(os.getpid())
        said = refusal(check_mode=check_mode)
    assert said.startswith("nothing was changed: another run changed this host 5 seconds ago")
    assert said.endswith("is reverted in 25 seconds: run again then")
    assert pending.read() == run and not guarded_run.happened


@BOTH
def test_a_run_whose_guard_has_ended_is_left_to_overlay_apply(guarded_run: GuardedRun, check_mode: bool) -> None:
    run = guarded_run.start()
    assert "its guard has ended: run overlay_apply, which reverts that run first" in refusal(check_mode=check_mode)
    assert pending.read() == run and not guarded_run.happened


@BOTH
def test_records_of_runs_that_have_ended_stay_for_overlay_apply(guarded_run: GuardedRun, check_mode: bool) -> None:
    confirmed = guarded_run.start()
    pending.discard()
    pending.create_directory()
    pending.write_reverted(RevertedRun(pending.digest(TOKEN), 0.0, "why"))
    pending.write_confirmed(confirmed)
    assert works(check_mode=check_mode)
    assert pending.read_reverted() is not None and pending.read_confirmed() == confirmed


def test_what_is_in_place_of_a_file_is_refused_by_name(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    os.symlink("/nowhere", pending.path_of("process"))
    assert "process is a symbolic link and not a regular file: move it away" in refusal(check_mode=False)


@BOTH
def test_a_module_waits_for_the_lock(check_mode: bool) -> None:
    with lock.hold(check_mode=False):
        assert f"has held {lock.LOCK} for 0.1 seconds: wait until it ends" in refusal(check_mode=check_mode)
    assert works(check_mode=check_mode)


def test_a_module_holds_the_lock_while_it_works() -> None:
    def is_held() -> bool:
        descriptor = os.open(lock.LOCK, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    module: Any = Module(check_mode=False)
    assert exclusive.run_exclusively(module, is_held) and not is_held()


def test_check_mode_and_other_users_than_root_leave_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert works(check_mode=True)
    monkeypatch.setattr(exclusive, "_is_root", lambda: False)
    assert works(check_mode=False) and not os.path.exists(lock.LOCK)
    with pytest.raises(Refused), exclusive.exclusive(check_mode=False):
        raise Refused("as the work says")


def test_each_module_that_changes_one_kind_of_object_runs_exclusively() -> None:
    sources = {path.stem: path.read_text() for path in MODULES.glob("*.py") if not path.stem.startswith("overlay_")}
    found = {name for name, source in sources.items() if "run_exclusively(" in source}
    assert found == {name for name in sources if not name.endswith("_info")} and "wg_key" in found
