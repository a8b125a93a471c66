# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Converge interfaces alone, without the other sections of a host's document.

This module is private to the collection.
"""

from __future__ import annotations

from .._engine.result import StageResult
from .._interface.options import WantedInterface
from .._interface.prepare import prepare
from .._netlink.route_lookup import open_connection


def converge_interface(
    wanted: WantedInterface, *, check_mode: bool, allow_management_change: bool = False
) -> StageResult:
    """Apply the desired state of one interface, or in check mode return what that would change.

    Raises what prepare() raises, Refused (nothing was changed), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as fib:
        (prepared,) = prepare(fib, [wanted], check_mode=check_mode)
        if prepared.plan and not allow_management_change:
            from .lockout import refuse_lockout
            from .sections import Interfaces

            here, gone = ([wanted.name], []) if wanted.present else ([], [wanted.name])
            refuse_lockout(fib, [prepared], {}, Interfaces(here, gone), {}, one_end=True)
        if check_mode or not prepared.plan:
            return prepared.result()
        from .._engine.stage import run_stage
        from .._interface.stage import interface_stage

        return run_stage(interface_stage(fib, prepared), check_mode=False)
