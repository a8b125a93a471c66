# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kernel parameters under /proc/sys (sysctl(8)).

This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._engine.reconcile import Operation
    from .._engine.rollback import Rollback
    from .._engine.shown import Diff

_ROOT = "/proc/sys/"
RECORD = "/var/lib/wirewright.overlay/sysctls/previous.json"
_HIDDEN = "stable_secret"  # of IPv6 addresses (RFC 7217)
# Characters that end a name in a sysctl.d(5) file, or are invisible.
_UNUSABLE = re.compile(r"[\s\x00-\x1f\x7f=#;]")


@dataclass(frozen=True)
class Sysctl:
    """A parameter by its path below /proc/sys, and its value with white space folded."""

    path: str
    value: str

    def key(self) -> str:
        """The path."""
        return self.path


def parse_name(name: str) -> str:
    """Return the path of a parameter written `net.ipv4.ip_forward` or `net/ipv4/conf/eth0.5/forwarding`.

    As sysctl(8) does: where the first separator is a slash, dots belong to names; else dots and slashes are swapped.
    Raises ValueError where the name would leave /proc/sys.
    """
    first = next((character for character in name if character in "./"), "")
    path = name if first == "/" else name.translate(str.maketrans("./", "/."))
    if _UNUSABLE.search(path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"{name!r} is not the name of a sysctl")
    return path


def read(path: str) -> Sysctl | None:
    """Return the current parameter, None if the kernel has none of this name."""
    try:
        with open(_ROOT + path) as file:
            return Sysctl(path, " ".join(file.read().split()))
    except FileNotFoundError:
        return None


def of_interface(name: str) -> Iterator[Sysctl]:
    """Yield the parameters of an interface that can be set, by path, except the one that is secret."""
    for family in ("ipv4", "ipv6"):
        directory = f"net/{family}/conf/{name}"
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in sorted(os.listdir(_ROOT + directory)):
                path = f"{directory}/{entry}"
                with suppress(OSError):  # not every one can be read
                    can_be_set = os.stat(_ROOT + path).st_mode & 0o200 and entry != _HIDDEN
                    found = read(path) if can_be_set else None
                    if found is not None:
                        yield found


def write(path: str, value: str) -> None:
    """Set a parameter. Raises OSError, which names it."""
    try:
        with open(_ROOT + path, "w") as file:
            file.write(value + "\n")
    except OSError as exc:
        raise OSError(exc.errno or errno.EIO, f"sysctl {path}: {exc.strerror}") from None


def apply(operations: Iterable[Operation[Sysctl]]) -> int:
    """Set parameters in order; returns their number. Raises OSError as write() does."""
    wanted = [operation.after for operation in operations if operation.after is not None]
    for parameter in wanted:
        write(parameter.path, parameter.value)
    return len(wanted)


def rollback(done: Sequence[Operation[Sysctl]]) -> Rollback:
    """Return the rollback of parameters that a run sets."""
    from .._engine.rollback import rollback_of

    def now() -> list[Sysctl]:
        return [found for found in (read(one.key()) for one in done) if found is not None]

    return rollback_of(now, lambda: done, apply, label)


def label(parameter: Sysctl) -> str:
    """Return a parameter for a message."""
    return f"sysctl {parameter.path} = {parameter.value}"


def diff(operations: Sequence[Operation[Sysctl]]) -> Diff:
    """Return a plan as a diff: values by path."""
    from .._engine.shown import Diff

    sides = ([one.before for one in operations], [one.after for one in operations])
    return Diff("", *({one.path: one.value for one in side if one is not None} for side in sides))
