# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Apply the plan for a host in a safe order, and read back.

Interfaces are created before the stages that refer to them, and removed after those. A value that moves between two
interfaces is released before it is taken, and the rollback frees it before it gives it back.

This module is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from .._engine.result import StageResult
from .._engine.stage import RollbackLog, apply, delete, verify
from .._engine.transaction import transaction
from .._interface.prepare import PreparedInterface
from .._interface.stage import interface_stage
from .._netlink.connection import Connection
from .outcome import INTERFACES, HostResult, SectionKey
from .stages import StageMap, Stages


class Execution:
    """Applies stages and counts their requests. ``log`` has the rollbacks, in the order of the stages."""

    def __init__(self) -> None:
        self.log: RollbackLog = []
        self.requests: Counter[SectionKey] = Counter()

    def apply(self, stages: StageMap) -> None:
        """Create and update, in order."""
        for section, stage in stages.items():
            self.requests[section] += apply(stage, self.log)

    def start(self, stages: StageMap) -> None:
        """Log the rollbacks of interfaces before the first one changes: it may take a value from one after it."""
        self.log += [stage.rollback for stage in stages.values() if stage.operations]

    def change(self, stages: StageMap) -> None:
        """Create and update stages that were started, in order."""
        for section, stage in stages.items():
            self.requests[section] += stage.apply() if stage.operations else 0

    def delete(self, stages: StageMap) -> None:
        """Delete, in reverse order."""
        for section, stage in reversed(stages.items()):
            self.requests[section] += delete(stage)


def execute(
    fib: Connection,
    prepared: Sequence[PreparedInterface],
    stages: Stages,
    routes_again: Callable[[], StageMap] | None = None,
    *,
    files: bool = True,
) -> HostResult:
    """Apply the plans and return the results; roll back where one fails, with a note on the error.

    routes_again: plans routes and rules once all interfaces exist; None where the plans stand. files: whether interfaces
    write and delete their files. Raises NotConverged, and OSError where the kernel refuses.
    """
    around, inside, boot, last = stages
    present = _interfaces(fib, (one for one in prepared if one.wanted.present), files)
    absent = _interfaces(fib, (one for one in reversed(prepared) if not one.wanted.present), files)
    run = Execution()
    with transaction(lambda: run.log):
        # The packet filter precedes the interfaces, so that it drops from their first packet on.
        run.apply(around)
        run.apply(released_ports(prepared))
        run.start({**absent, **present})
        run.change(present)
        verify(present.values())
        if routes_again:
            inside = {**inside, **routes_again()}
        run.apply(inside)
        final = {section: stage for section, stage in inside.items() if stage.irreversible}
        other = {section: stage for section, stage in inside.items() if not stage.irreversible}
        run.delete(other)
        for section, stage in reversed(absent.items()):
            run.delete({section: stage})
            verify([stage])
        run.delete(around)
        run.apply(boot)  # boot files describe the running state, so they follow it
        verify([*around.values(), *other.values(), *boot.values()])
        run.delete(final)  # cannot be rolled back, so it follows all that can fail
        run.apply(last)
        verify([*final.values(), *last.values()])
    done = {**present, **absent}
    in_order = {section: done[section] for one in prepared for section in [SectionKey(INTERFACES, one.name)]}
    everything = {**in_order, **around, **inside, **boot, **last}
    results: dict[SectionKey, StageResult] = {
        section: stage.result(run.requests[section]) for section, stage in everything.items()
    }
    return HostResult(results)


def _interfaces(fib: Connection, prepared: Iterable[PreparedInterface], files: bool) -> StageMap:
    return {SectionKey(INTERFACES, one.name): interface_stage(fib, one, files=files) for one in prepared}


def released_ports(prepared: Sequence[PreparedInterface]) -> StageMap:
    """Return the stage that releases the ports which other interfaces take, if there are any."""
    if not any(one.plan.moves and one.plan.moves.gives_port for one in prepared):
        return {}
    from .._interface.port_release import release_stage

    return {SectionKey("ports"): release_stage(prepared)}
