# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""All or nothing: what a run has begun when it fails, or is asked to end, is taken back.

This module is private to the collection.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .refusal import Ended

if TYPE_CHECKING:
    from .take_back import Back

# What ends a run from outside: a stop of the host, and the end of the terminal that a cut connection leaves behind.
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def all_or_nothing(begun: Callable[[], Sequence[Callable[[], Back]]]) -> Iterator[None]:
    """Take back what was begun where the block fails; the error goes on, with a note of what came of that.

    ``begun`` returns the ways back, in the order in which things are made. Signals that would end the process end the
    block, as Ended, and wait while it is taken back.
    """
    with _handled(_end):
        try:
            yield
        except BaseException as exc:
            with _handled(signal.SIG_IGN, signal.SIGINT):
                from .take_back import take_back

                take_back(exc, begun())
            raise


@contextmanager
def _handled(handler: Callable[[int, object], None] | signal.Handlers, *others: signal.Signals) -> Iterator[None]:
    before = {}
    with suppress(ValueError):  # only the first thread may
        for number in (*_ENDING, *others):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as below nohup(1)
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)


def _end(number: int, _frame: object) -> None:
    raise Ended(signal.Signals(number).name)
