# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Apply the plan of a host, under a guard where one is requested.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._interface.prepare import PreparedInterface
from .._netlink.connection import Connection
from . import pending
from .execute import execute
from .outcome import HostResult
from .sections import ROUTES, Interfaces
from .stages import Stages, routes_again


def change_host(
    fib: Connection,
    options: Mapping[str, Any],
    prepared: Sequence[PreparedInterface],
    stages: Stages | None,
    interfaces: Interfaces,
    planned: HostResult,
) -> HostResult:
    """Apply a plan and return its results. Raises as execute() and execute_guarded() do."""
    found = stages or Stages({}, {}, {}, {})
    created = options.get(ROUTES) and any(one.index == 0 for one in prepared)
    again = (lambda: routes_again(fib, options, interfaces)) if created else None
    if options.get("confirm_timeout"):
        from . import guarded

        return guarded.execute_guarded(fib, prepared, found, again, planned, guarded.parse(options))
    pending.forget_confirmed()  # nothing is left after a removal
    return HostResult({**planned.sections, **execute(fib, prepared, found, again).sections})
