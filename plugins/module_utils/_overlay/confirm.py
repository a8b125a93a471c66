# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Confirm a pending run: write its files for the next boot, and end its guard.

This module is private to the collection.
"""

from __future__ import annotations

import hmac
import time

from .._engine import checkpoint
from .._engine.errors import Refused

# A checkpoint names functions of every kind. Ansible packs what a module imports, so change_host is imported for them.
from . import arm, change_host, guard, lock, pending  # noqa: F401  # pylint: disable=unused-import
from .pending import PendingRun


def confirm(token: str) -> PendingRun:
    """Complete the pending run that has this token, and return it; also once more, where the first answer was lost.

    Raises Refused where none is pending or its token is another one, and Reverted where it was reverted, or is reverted now
    because its files cannot be written. Raises UnsafeFile where something else is in place of a file of the pending run.
    """
    with lock.hold(check_mode=False):  # a guard that rolls back holds it
        pending.refuse_planted()
        run = pending.read()
        if run is None:
            last = pending.read_reverted()
            if last is not None and _is(token, last.token):
                raise guard.Reverted(f"already reverted: {last.text}")
            confirmed = pending.read_confirmed()
            if confirmed is not None and _is(token, confirmed.token):
                return confirmed
            raise Refused("no run waits for a confirmation")
        if not _is(token, run.token):
            raise Refused("another run waits for its confirmation: the token is not the one of that run")
        if not run.applied:
            raise Refused(f"the run was not applied to its end; it is reverted within {guard.seconds(run.timeout)}")
        if run.deadline <= time.monotonic():
            error = guard.revert(run, f"the confirmation came later than {guard.seconds(run.timeout)}")
            raise guard.Reverted(f"already reverted: {error}")
        try:
            for work in checkpoint.read(pending.path_of(pending.CHECKPOINT)).remaining:
                work()
        except Exception as exc:
            raise guard.revert(run, f"the files for the next boot cannot be written ({exc})") from exc
        arm.disarm()
        pending.write_confirmed(run)
        return run


def _is(token: str, digest: str) -> bool:
    return hmac.compare_digest(pending.digest(token), digest)
