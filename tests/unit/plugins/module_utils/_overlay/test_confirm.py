# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirming a run: once, with its token, in time."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import UnsafeFile
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import leftover, pending
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.confirm import confirm
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.guard import Reverted
from guarded_run import TOKEN, GuardedRun, fail


def test_the_token_confirms_once(guarded_run: GuardedRun) -> None:
    run = guarded_run.start()
    assert confirm(TOKEN) == run
    assert guarded_run.happened == ["completed"] and os.listdir(pending.DIRECTORY) == ["confirmed.json"]
    with pytest.raises(Refused, match="no run waits for a confirmation"):
        confirm("another one")


def test_a_controller_that_did_not_get_the_answer_gets_it_again(guarded_run: GuardedRun) -> None:
    run = guarded_run.start()
    assert confirm(TOKEN) == confirm(TOKEN) == run and guarded_run.happened == ["completed"]
    # A run that changes nothing writes nothing.
    for check_mode in (True, False):
        with ExitStack() as stack:
            assert leftover.settle(stack, check_mode=check_mode) == {} and confirm(TOKEN) == run
    pending.forget_confirmed()  # as the next change does
    assert not os.path.exists(pending.DIRECTORY)
    with pytest.raises(Refused, match="no run waits for a confirmation"):
        confirm(TOKEN)


def test_nothing_is_confirmed_while_a_link_is_in_place_of_a_file(guarded_run: GuardedRun) -> None:
    run = guarded_run.start()
    os.rename(pending.path_of(pending.CHECKPOINT), pending.path_of("moved"))
    os.symlink("moved", pending.path_of(pending.CHECKPOINT))
    with pytest.raises(UnsafeFile, match="checkpoint is a symbolic link and not a regular file: move it away"):
        confirm(TOKEN)
    assert pending.read() == run and not guarded_run.happened


def test_a_record_that_cannot_be_written_is_no_failure(
    guarded_run: GuardedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = guarded_run.start()
    monkeypatch.setattr(pending, "create_directory", lambda: fail("No space left on device"))
    assert confirm(TOKEN) == run and not os.path.exists(pending.DIRECTORY)


@pytest.mark.parametrize("token", ["", "another one", TOKEN + " ", pending.digest(TOKEN)])
def test_another_token_is_refused(guarded_run: GuardedRun, token: str) -> None:
    run = guarded_run.start()
    with pytest.raises(Refused, match="the token is not the one of that run"):
        confirm(token)
    assert not guarded_run.happened and pending.read() == run


def test_a_late_confirmation_finds_the_run_reverted(guarded_run: GuardedRun) -> None:
    """Even where the guard has been killed."""
    guarded_run.start(left=-1.0)
    for _each in range(2):
        with pytest.raises(Reverted, match=r"already reverted: .* the run was reverted"):
            confirm(TOKEN)
    assert guarded_run.happened == ["restored"]
    with pytest.raises(Refused, match="no run waits"):
        confirm("another one")


def test_a_run_that_was_not_applied_is_not_confirmed(guarded_run: GuardedRun) -> None:
    run = guarded_run.start(applied=False)
    with pytest.raises(Refused, match="not applied to its end"):
        confirm(TOKEN)
    assert not guarded_run.happened and pending.read() == run


def test_files_that_cannot_be_written_revert_the_run(guarded_run: GuardedRun) -> None:
    guarded_run.start(work="")
    with pytest.raises(Reverted, match="No space left on device"):
        confirm(TOKEN)
    assert guarded_run.happened == ["restored"] and "No space left" in guarded_run.logged[0]
