# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an earlier run has left never blocks a run for longer than its deadline."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import UnsafeFile
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import leftover, pending
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.pending import RevertedRun
from guarded_run import TOKEN, GuardedRun


def warnings(*, check_mode: bool = False) -> tuple[str, ...]:
    with ExitStack() as stack:
        return tuple(text for one in leftover.settle(stack, check_mode=check_mode).values() for text in one.warnings)


def test_a_run_is_refused_while_another_one_waits(guarded_run: GuardedRun) -> None:
    run = guarded_run.start(left=25.4)
    with pending.guarding():
        pending.ready(os.getpid())
        for check_mode in (False, True):
            with pytest.raises(Refused, match=r"5 seconds ago .* is reverted in 25 seconds: run again then"):
                warnings(check_mode=check_mode)
    assert pending.read() == run and not guarded_run.happened


def test_a_run_without_a_guard_is_reverted_first(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    (said,) = warnings(check_mode=True)
    assert "the next run without check mode reverts it" in said and not guarded_run.happened
    (said,) = warnings()
    assert "the guard of an unconfirmed run had ended" in said and guarded_run.happened == ["restored"]
    assert not os.path.exists(pending.DIRECTORY) and not warnings()


def test_the_record_of_a_reverted_run_stays_until_a_run_succeeds(guarded_run: GuardedRun) -> None:
    pending.create_directory()
    pending.write_reverted(RevertedRun(pending.digest(TOKEN), 0.0, "why"))
    with pytest.raises(Refused, match="another reason"), ExitStack() as stack:
        leftover.settle(stack, check_mode=False)
        raise Refused("another reason")
    assert ": why" in warnings(check_mode=True)[0]
    assert ": why" in warnings()[0] and not os.path.exists(pending.DIRECTORY)


def test_files_of_a_process_that_was_killed_are_removed(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    os.unlink(pending.path_of("run.json"))
    assert not warnings() and not os.path.exists(pending.DIRECTORY)


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_in_place_of_a_file_is_refused_and_kept(guarded_run: GuardedRun, check_mode: bool) -> None:
    """Without a pending run, what a killed process has left is removed, and nothing else."""
    pending.create_directory()
    for name in ("process", pending.CHECKPOINT, pending.CODE):
        os.symlink("/nowhere", pending.path_of(name))
    with pytest.raises(UnsafeFile, match="is a symbolic link and not a regular file: move it away"):
        warnings(check_mode=check_mode)
    assert sorted(os.listdir(pending.DIRECTORY)) == ["checkpoint", "code.zip", "process"]


def test_a_checkpoint_of_another_version_blocks_no_run(guarded_run: GuardedRun) -> None:
    guarded_run.start()
    with open(pending.path_of(pending.CHECKPOINT), "wb") as file:
        file.write(b"of another version")
    assert "cannot be reverted now" in warnings()[0] and not warnings()
