# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a pending run."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import UnsafeFile
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import pending
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.pending import RevertedRun
from guarded_run import TOKEN, GuardedRun


def test_a_run_is_read_as_it_was_written_and_only_root_can_read_it(guarded_run: GuardedRun) -> None:
    assert pending.read() is None and pending.read_reverted() is None and pending.guard_process() is None
    run = guarded_run.start()
    assert pending.read() == run
    assert stat.S_IMODE(os.stat(pending.DIRECTORY).st_mode) == 0o700
    modes = {stat.S_IMODE(entry.stat().st_mode) for entry in os.scandir(pending.DIRECTORY)}
    assert modes == {0o600}
    assert all(TOKEN.encode() not in Path(entry.path).read_bytes() for entry in os.scandir(pending.DIRECTORY))


def test_a_discarded_run_leaves_nothing_but_the_record_of_its_revert(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    reverted = RevertedRun(pending.digest(TOKEN), 1.5, "why")
    pending.write_reverted(reverted)
    pending.discard()
    assert os.listdir(pending.DIRECTORY) == ["reverted.json"] and pending.read_reverted() == reverted
    pending.forget_reverted()
    assert not os.path.exists(pending.DIRECTORY)
    pending.discard()


def test_a_guard_is_there_while_it_holds_its_lock(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    with pending.guarding() as first:
        assert first and pending.guard_process() is None
        pending.ready(4711)
        assert pending.guard_process() == 4711
        with pending.guarding() as second:
            assert not second
    assert pending.guard_process() is None
    with pending.guarding():
        assert pending.guard_process() is None  # not the process of the guard before


def test_a_guard_starts_while_somebody_asks_for_it(guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the run does that waits for it: to ask takes the lock for a moment."""
    guarded_run.start()
    asking = os.open(pending.path_of("process"), os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr(pending.time, "sleep", lambda _seconds: fcntl.flock(asking, fcntl.LOCK_UN))
    with pending.guarding() as first:
        assert first
    os.close(asking)


FILES = ["run.json", "process", "reverted.json", "confirmed.json", "checkpoint", "checkpoint.new", "code.zip"]


@pytest.mark.parametrize("name", FILES)
def test_what_is_in_place_of_a_file_is_refused_by_name(guarded_run: GuardedRun, tmp_path: Path, name: str) -> None:
    pending.create_directory()
    path = Path(pending.path_of(name))
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeFile, match=f"^{path} is a symbolic link and not a regular file: move it away$"):
        pending.refuse_planted()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UnsafeFile, match=rf"^{path} is a named pipe \(FIFO\) and not a regular file: move it away$"):
        pending.refuse_planted()
    path.unlink()
    pending.refuse_planted()


def test_all_that_is_in_place_of_files_is_refused_at_once(guarded_run: GuardedRun) -> None:
    pending.create_directory()
    for name in FILES:
        os.mkdir(pending.path_of(name))
    with pytest.raises(UnsafeFile) as refused:
        pending.refuse_planted()
    assert str(refused.value).count("is a directory and not a regular file: move it away") == len(FILES)


def test_files_of_a_pending_run_are_ours(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    with pending.guarding():
        pending.ready(4711)
        pending.refuse_planted()


def test_a_link_in_place_of_the_directory_is_not_followed(guarded_run: GuardedRun, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(0o755)
    os.symlink(elsewhere, pending.DIRECTORY)
    for work in (pending.create_directory, pending.refuse_planted):
        with pytest.raises(UnsafeFile, match=f"^{pending.DIRECTORY} is a symbolic link and not a directory"):
            work()
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_a_damaged_record_is_an_error(guarded_run: GuardedRun) -> None:
    pending.create_directory()
    with open(pending.path_of("run.json"), "w") as file:
        file.write("[]")
    with pytest.raises(ValueError, match="damaged"):
        pending.read()
