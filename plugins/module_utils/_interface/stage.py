# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""An interface as a stage.

This module is private to the collection.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._engine.errors import add_note
from .._engine.stage import Stage
from .._host import links
from .._netlink.connection import Connection
from .apply import apply_plan, remove_link, write_files
from .prepare import PreparedInterface, plan_interface
from .read import read

if TYPE_CHECKING:
    from .._engine.rollback import Rollback


def interface_stage(fib: Connection, prepared: PreparedInterface, *, files: bool = True) -> Stage:
    """Return the stage of a prepared interface: ``apply`` makes a present one, ``delete`` removes an absent one.

    ``pending`` adds to the warnings: some obstacles of a new interface are known only when it exists. files: whether to
    write and delete files; without, the stage changes the kernel only.
    """
    wanted, found = prepared.wanted, prepared.plan if files else replace(prepared.plan, files=())
    created: set[str] = set()
    warnings = list(prepared.warnings)

    def apply() -> int:
        try:
            return apply_plan(fib, wanted, found, created)
        except Exception as error:
            # What the kernel says of an interface that is gone names neither the interface nor the cause.
            if (prepared.before.link is not None or created) and links.read(fib, wanted.name) is None:
                add_note(error, f"another program has deleted {wanted.name} during the run")
            raise

    def delete() -> int:
        remove_link(fib, wanted.name)
        write_files(found)
        return 0

    def pending() -> list[str]:
        again = plan_interface(fib, read(fib, wanted), wanted, prepared.private_key)
        warnings.extend(warning for warning in again.warnings if warning not in warnings)
        left = again.plan if files else replace(again.plan, files=())
        if not left:
            return []
        from .differences import differences

        return [f"{wanted.name}: {difference}" for difference in differences(left)]

    def rollback() -> Rollback:
        from .rollback import interface_rollback

        return interface_rollback(prepared, created)

    return Stage(
        found.operations(),
        diff=prepared.diff,
        apply=apply if wanted.present else lambda: 0,
        delete=delete if not wanted.present else lambda: 0,
        pending=pending,
        rollback=rollback,
        counts=found.counts(),
        warnings=warnings,
        details=prepared.details(),
        changes=prepared.changes,
    )
