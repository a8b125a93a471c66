# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a function in the namespaces of a lab host, in a child process with all imports done.

A fork costs a few milliseconds where a new Python costs hundreds, and thousands in an emulated machine.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import select
import signal
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

_LIBC = ctypes.CDLL(None, use_errno=True)


class ChildFailed(AssertionError):
    """The function raised an exception that cannot be pickled, or its process died; has the traceback."""


def call_inside(namespaces: Iterable[str], function: Callable[[], T], timeout: float = 300) -> T:
    """Run the function in a child inside these namespaces (paths); return its result or raise its exception."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run(namespaces, function, writing)
    os.close(writing)
    try:
        answer = _read_all(reading, timeout)
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        _pid, status = os.waitpid(child, 0)
    if not answer:
        raise ChildFailed(f"the child ended without an answer (wait status {status})")
    value, error, trace = pickle.loads(answer)  # noqa: S301   from our own child
    if error is not None:
        raise error
    if trace:
        raise ChildFailed(trace)
    return value  # type: ignore[no-any-return]


def call_in_thread(namespace: str, function: Callable[[], T]) -> T:
    """Run the function in a thread inside a namespace (path) and return its result. Its sockets stay in that namespace.

    Faster than a child, for functions that do not change this process.
    """

    def enter_and_run() -> T:
        _enter([namespace])  # this thread, and the programs that it starts
        return function()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(enter_and_run).result()


def _run(namespaces: Iterable[str], function: Callable[[], Any], writing: int) -> NoReturn:
    answer: tuple[Any, BaseException | None, str]
    try:
        _enter(namespaces)
        answer = (function(), None, "")
    except BaseException as error:
        answer = (None, _portable(error), traceback.format_exc())
    try:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)  # not the atexit handlers and buffers of the parent


def _enter(namespaces: Iterable[str]) -> None:
    # All are opened first: in another mount namespace the paths have another meaning.
    descriptors = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in namespaces]
    for descriptor in descriptors:
        if _LIBC.setns(descriptor, 0):
            raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")
        os.close(descriptor)


def _portable(error: BaseException) -> BaseException | None:
    """Return the error if it survives pickling, None otherwise."""
    try:
        same = pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        return None
    return same if isinstance(same, BaseException) else None


def _read_all(descriptor: int, timeout: float) -> bytes:
    parts: list[bytes] = []
    while True:
        ready, _writable, _failed = select.select([descriptor], [], [], timeout)
        if not ready:
            raise TimeoutError(f"no answer from the child within {timeout:.0f} s")
        part = os.read(descriptor, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)
