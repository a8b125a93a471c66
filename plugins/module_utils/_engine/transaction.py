# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Roll back the changes of a run that fails or is interrupted.

This module is private to the collection.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .errors import Interrupted

if TYPE_CHECKING:
    from .rollback import Rollback

# SIGTERM: the host shuts down. SIGHUP: the SSH connection was lost, and its terminal with it.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def transaction(log: Callable[[], Sequence[Callable[[], Rollback]]]) -> Iterator[None]:
    """Roll back where the block fails, note the result on the error, and raise the error again.

    ``log`` returns the rollbacks of the stages that were started, in that order. SIGTERM and SIGHUP raise Interrupted in
    the block, and are ignored during the rollback.
    """
    with _handled(_interrupt):
        try:
            yield
        except BaseException as exc:
            with _handled(signal.SIG_IGN, signal.SIGINT):
                from .rollback import roll_back

                roll_back(exc, log())
            raise


@contextmanager
def _handled(handler: Callable[[int, object], None] | signal.Handlers, *others: signal.Signals) -> Iterator[None]:
    before = {}
    with suppress(ValueError):  # only the main thread can set handlers
        for number in (*_SIGNALS, *others):
            if signal.getsignal(number) is not signal.SIG_IGN:  # ignored already, for example by nohup(1)
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)


def _interrupt(number: int, _frame: object) -> None:
    raise Interrupted(signal.Signals(number).name)
