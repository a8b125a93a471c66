# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Execute a run under a guard, which reverts it unless the controller confirms it over a new connection.

Only the kernel changes before the confirmation. Files for the next boot are written with it, so a host that reboots in
between starts with its old configuration. The steps:

1. execute_guarded(): the checkpoint is written, and the guard started (arm.py), before the first change.
2. The kernel is changed and read back, as in a run without a guard (execute.py). A failure rolls back and ends the guard.
3. confirm(): files are written and the guard ends (confirm.py).
4. Without 3., the guard rolls back (guard.py).

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .._engine.checkpoint import Checkpoint
from .._engine.errors import InvalidOptions, Refused
from .._engine.reconcile import Operation
from .._engine.result import StageResult
from .._host import sysctl_changes, sysctls
from .._host.address_changes import promotion_path
from .._interface.apply import write_files
from .._interface.prepare import PreparedInterface
from .._interface.rollback import interface_rollback
from .._netlink.connection import Connection
from . import arm
from .execute import execute, released_ports
from .new_session import ending_sessions
from .outcome import HostResult, SectionKey
from .sections import STATES, XFRM_BOOT
from .stages import StageMap, Stages

if TYPE_CHECKING:
    from .._engine.rollback import Rollback

KEY = SectionKey("confirmation")
CONFIRM, TOKEN, REQUIRED = "confirm_timeout", "confirm_token", "confirm_required"
_LEAST, _MOST = 2, 3600  # seconds


class Confirmation(NamedTuple):
    """How a run is confirmed: the token of its confirmation, and the seconds until it is reverted without one.

    required: whether a host that cannot have a guard is not changed.
    """

    token: str
    timeout: float
    required: bool = True


def parse(options: Mapping[str, Any]) -> Confirmation:
    """Return how a run is confirmed. Raises InvalidOptions."""
    token, timeout = options.get(TOKEN), options[CONFIRM]
    if not _LEAST <= timeout <= _MOST:
        raise InvalidOptions(
            [f"O({CONFIRM}): {timeout} is not a number of seconds from {_LEAST} to {_MOST}, or 0 for no guard"]
        )
    if not token:
        raise InvalidOptions([f"O({CONFIRM}) needs O({TOKEN}), which the action plugin of overlay_apply generates"])
    return Confirmation(str(token), float(timeout), options.get(REQUIRED, True))


def execute_guarded(
    fib: Connection,
    prepared: Sequence[PreparedInterface],
    stages: Stages,
    routes_again: Callable[[], StageMap] | None,
    planned: HostResult,
    confirmation: Confirmation,
) -> HostResult:
    """Change the kernel under a guard; the result has KEY where the run has to be confirmed. A run that changes only files
    needs no guard.

    planned: the results of the plan, files included. Raises Refused (nothing was changed), and as execute() does.
    """
    if any(section.kind in (STATES, XFRM_BOOT) for stage_map in stages for section in stage_map):
        raise Refused(
            "IPsec states cannot be restored once they are deleted, so a run with O(xfrm_states) or O(xfrm_boot) cannot be "
            "reverted: set O(confirm_timeout=0)"
        )
    kernel = Stages(*map(_kernel_stages, stages))
    if not _changes_kernel(prepared, kernel):
        return HostResult({**planned.sections, **execute(fib, prepared, stages, routes_again).sections})
    remaining = tuple(_remaining(prepared, stages))
    kept = {one.name: one.wanted.present for one in prepared}

    def again() -> StageMap:
        found = routes_again() if routes_again else {}
        arm.extend(_checkpoint(prepared, stages._replace(inside={**stages.inside, **found}), remaining))
        return found

    try:
        arm.arm(confirmation.token, confirmation.timeout, kept, _checkpoint(prepared, stages, remaining))
    except arm.CannotGuard as reason:
        if confirmation.required:
            raise
        sections = execute(fib, prepared, stages, routes_again).sections
        return HostResult({**planned.sections, **_warned(sections, f"the change was made without a guard: {reason}")})
    try:
        done = execute(fib, ending_sessions(fib, prepared), kernel, again if routes_again else None, files=False)
    except BaseException:
        arm.disarm()  # the run has rolled back, and the error says so
        raise
    arm.applied()
    waits = StageResult(False, {}, tuple, details={"seconds": confirmation.timeout})
    return HostResult({**planned.sections, **_with_files(planned, done), KEY: waits})


def _checkpoint(
    prepared: Sequence[PreparedInterface], stages: Stages, remaining: tuple[Callable[[], object], ...]
) -> Checkpoint:
    return Checkpoint(tuple(_rollbacks(prepared, stages)), remaining)


def _rollbacks(prepared: Sequence[PreparedInterface], stages: Stages) -> Iterator[Callable[[], Rollback]]:
    """Yield the rollbacks of all stages in the order in which execute() starts them."""
    yield from _of(stages.around)
    yield from _of(released_ports(prepared))
    promotions = [sysctls.read(promotion_path(one.name)) for one in prepared if one.plan.addresses]
    # Parameters that a run sets for a moment, in which it can be killed.
    yield partial(
        sysctl_changes.rollback, [Operation(was, replace(was, value="1")) for was in promotions if was is not None]
    )
    for one in _in_order(prepared):
        creates = any(operation.before is None for operation in one.plan.link)
        yield partial(interface_rollback, one, frozenset({one.name} if creates else ()))
    for stage_map in (stages.inside, stages.boot, stages.last):
        yield from _of(stage_map)


def _of(stages: StageMap) -> Iterator[Callable[[], Rollback]]:
    return (stage.rollback for stage in stages.values() if stage.operations)


def _remaining(prepared: Sequence[PreparedInterface], stages: Stages) -> Iterator[Callable[[], object]]:
    """Yield the work that writes files, in the order of execute()."""
    yield from _writing(stages.around)
    for one in sorted(prepared, key=lambda one: not one.wanted.present):
        if one.plan.files:
            yield partial(write_files, one.plan)
    for stage_map in (stages.inside, stages.boot, stages.last):
        yield from _writing(stage_map)


def _writing(stages: StageMap) -> Iterator[Callable[[], object]]:
    return (stage.apply for stage in stages.values() if stage.operations and stage.next_boot)


def _in_order(prepared: Sequence[PreparedInterface]) -> list[PreparedInterface]:
    """Return the interfaces that are removed, in reverse order, and then the others."""
    absent = [one for one in reversed(prepared) if not one.wanted.present]
    return absent + [one for one in prepared if one.wanted.present]


def _kernel_stages(stages: StageMap) -> StageMap:
    return {section: stage for section, stage in stages.items() if not stage.next_boot}


def _changes_kernel(prepared: Sequence[PreparedInterface], kernel: Stages) -> bool:
    return any(replace(one.plan, files=()) for one in prepared) or any(
        stage.operations for stage_map in kernel for stage in stage_map.values()
    )


def _warned(sections: Mapping[SectionKey, StageResult], text: str) -> dict[SectionKey, StageResult]:
    """Return results with a further warning."""
    first = next(iter(sections))
    return {**sections, first: replace(sections[first], warnings=(*sections[first].warnings, text))}


def _with_files(planned: HostResult, done: HostResult) -> dict[SectionKey, StageResult]:
    """Return the results of stages that were applied, with the files that were planned for interfaces."""
    return {
        section: replace(planned.sections.get(section, result), requests=result.requests, warnings=result.warnings)
        for section, result in done.sections.items()
    }
