# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Run a module that changes one kind of object: at a time when no run of overlay_apply changes the host, or waits for its
confirmation. Such a run would be confirmed without this change, or its guard would revert a part of it.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ansible.module_utils.basic import AnsibleModule

from .._engine.errors import Refused
from .._engine.module_run import run
from . import lock

T = TypeVar("T")


def run_exclusively(module: AnsibleModule, work: Callable[[], T]) -> T:
    """Return the result of ``work`` with the lock of the host held, or exit with a message, as run() does."""

    def alone() -> T:
        with exclusive(check_mode=module.check_mode):
            return work()

    return run(module, alone)


@contextmanager
def exclusive(*, check_mode: bool) -> Iterator[None]:
    """Hold the lock of the host, with no run of overlay_apply pending. Raises Refused, UnsafeFile, and OSError.

    Other users than root cannot open the lock. The kernel refuses their changes; a key file of their own needs no lock.
    """
    if not _is_root():
        yield
        return
    with lock.hold(check_mode=check_mode):
        if os.path.lexists(lock.GUARD):
            _refuse_pending()
        yield


def _is_root() -> bool:
    return os.geteuid() == 0


def _refuse_pending() -> None:
    """Raise Refused where a run is pending.

    To revert one takes the code of every kind of object, which the archive of a module of one kind does not have.
    """
    from . import pending

    pending.refuse_planted()
    run = pending.read()
    if run is None:
        return
    pending.refuse_guarded(run)
    raise Refused(
        "a run of overlay_apply was neither confirmed nor reverted, and its guard has ended: run overlay_apply, which "
        "reverts that run first, and then this module again"
    )
