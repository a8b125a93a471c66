# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Setting kernel parameters, and restoring them. Only a run that changes something needs it.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from .._engine.reconcile import Operation
from .._engine.shown import Diff
from . import sysctls
from .sysctls import Sysctl

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

_HIDDEN = "stable_secret"  # of IPv6 addresses (RFC 7217)


def of_interface(name: str) -> Iterator[Sysctl]:
    """Yield the parameters of an interface that can be set, by path, except the one that is secret."""
    for family in ("ipv4", "ipv6"):
        directory = f"net/{family}/conf/{name}"
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in sorted(os.listdir(sysctls.ROOT + directory)):
                path = f"{directory}/{entry}"
                with suppress(OSError):  # not every one can be read
                    can_be_set = os.stat(sysctls.ROOT + path).st_mode & 0o200 and entry != _HIDDEN
                    found = sysctls.read(path) if can_be_set else None
                    if found is not None:
                        yield found


def apply(operations: Iterable[Operation[Sysctl]]) -> int:
    """Set parameters in order; returns their number. Raises OSError as sysctls.write() does."""
    wanted = [operation.after for operation in operations if operation.after is not None]
    for parameter in wanted:
        sysctls.write(parameter.path, parameter.value)
    return len(wanted)


def rollback(done: Sequence[Operation[Sysctl]]) -> Rollback:
    """Return the rollback of parameters that a run sets."""
    from .._engine.rollback import rollback_of

    def now() -> list[Sysctl]:
        return [found for found in (sysctls.read(one.key()) for one in done) if found is not None]

    return rollback_of(now, lambda: done, apply, label)


def label(parameter: Sysctl) -> str:
    """Return a parameter for a message."""
    return f"sysctl {parameter.path} = {parameter.value}"


def diff(operations: Sequence[Operation[Sysctl]]) -> Diff:
    """Return a plan as a diff: values by path."""
    sides = ([one.before for one in operations], [one.after for one in operations])
    return Diff("", *({one.path: one.value for one in side if one is not None} for side in sides))
