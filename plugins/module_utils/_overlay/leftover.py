# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What an earlier run has left below /run: a run that waits for its confirmation, or one that was confirmed or reverted.

This module is private to the collection.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from .._engine.result import StageResult
from . import arm, guard, pending
from .outcome import SectionKey

KEY = SectionKey("last_reverted")


def settle(stack: ExitStack, *, check_mode: bool) -> dict[SectionKey, StageResult]:
    """Refuse a run while another one is pending; return what it has to say of one that was reverted.

    A pending run whose guard has ended is reverted first, so it never blocks for longer than its deadline. The record of a
    reverted run is removed when ``stack`` is closed without an error. The caller holds the lock of the host.
    Raises Refused, and UnsafeFile where something else is in place of a file; nothing was changed then.
    """
    pending.refuse_planted()
    run = pending.read()
    if run is not None:
        pending.refuse_guarded(run)
    if run is not None and check_mode:
        return {
            KEY: _said("an earlier run was neither confirmed nor reverted: the next run without check mode reverts it")
        }
    if run is not None:
        try:
            guard.revert(run, "the guard of an unconfirmed run had ended")
        except ValueError as exc:  # written by another version
            pending.discard()
            return {KEY: _said(f"an earlier run was neither confirmed nor reverted, and cannot be reverted now: {exc}")}
    elif not check_mode:
        arm.disarm()  # what a process that was killed has left
    last = pending.read_reverted()
    if last is None:
        return {}
    if not check_mode:
        stack.push(_forget)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last.time))
    return {KEY: _said(f"an earlier run was reverted at {when}: {last.text}")}


def _forget(kind: object, _error: object, _trace: object) -> None:
    if kind is None:
        pending.forget_reverted()


def _said(text: str) -> StageResult:
    return StageResult(False, {}, tuple, (text,), details={"message": text})
