# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""All that a host's overlay needs, in one run: interfaces, routes, rules, states and policies, in a safe order.

Most runs ask for interfaces alone, and change nothing. What else there is to do is imported where it is asked for,
because a host compiles anew with every run what that imports.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ..fib import boot_paths, ways
from ..refusal import InvalidOptions
from . import apply, run_lock
from .boot_files import NONE
from .desired import WantedInterface, parse_document
from .outcome import HostOutcome
from .single_values import file_name
from .wanted_sections import ALLOW, BOOT_NAME, Interfaces, WantedSections, are_asked_for


def converge_host(options: Mapping[str, Any], *, check_mode: bool) -> HostOutcome:
    """Make a host what the options of overlay_apply say, or in check mode say what that would take.

    Everything is read, planned and checked before anything is touched, and nobody else of ours changes the host
    meanwhile. Raises InvalidOptions, Refused and what apply.prepare() raises (nothing was touched), NotConverged, and
    OSError where the kernel refuses.
    """
    wanted, interfaces, sections = _parse(options)
    with ExitStack() as stack:
        stack.enter_context(run_lock.hold(check_mode=check_mode))
        fib = stack.enter_context(ways.open_connection())
        prepared = apply.prepare(fib, wanted, check_mode=check_mode)
        planned = HostOutcome([one.outcome for one in prepared])
        stages = None
        if are_asked_for(options) or _leave_behind(wanted):
            from .section_stages import plan_stages

            stages = plan_stages(stack, fib, options, wanted, sections, interfaces)
            planned = HostOutcome(planned.interfaces, stages.planned())
        if planned.changed and not sections.allow_management_change:
            from .management_guard import refuse_cut

            refuse_cut(fib, prepared, {**stages.around, **stages.inside} if stages else {}, interfaces)
        if check_mode or not planned.changed:
            return planned
        # The place of the guarded transaction: snapshot and guard here, confirmation before the return.
        from .carry_out import carry_out

        return carry_out(fib, prepared, stages, options, interfaces)


def _parse(options: Mapping[str, Any]) -> tuple[Sequence[WantedInterface], Interfaces, WantedSections]:
    errors: list[str] = []
    wanted: Sequence[WantedInterface] = ()
    sections = WantedSections(allow_management_change=bool(options.get(ALLOW)))
    try:
        wanted = parse_document(options.get("interfaces") or (), options.get("preshared_keys") or {})
    except InvalidOptions as exc:
        errors += exc.errors
    if options.get(BOOT_NAME) and not file_name(str(options[BOOT_NAME])):
        errors.append(
            f"{BOOT_NAME}: {options[BOOT_NAME]!r} cannot name a file: 1 to 15 characters of "
            "A-Z a-z 0-9 _ = + . - are allowed"
        )
    raw = [one for one in options.get("interfaces") or () if isinstance(one, Mapping)]
    gone = {str(one.get("name")) for one in raw if one.get("state") == "absent"}
    interfaces = Interfaces({str(one.get("name")) for one in raw} - gone, gone)
    if are_asked_for(options):
        from .section_stages import parse

        sections = parse(options, interfaces, errors)
    if errors:
        raise InvalidOptions(errors)
    return wanted, interfaces, sections


def _leave_behind(wanted: Iterable[WantedInterface]) -> bool:
    """Return whether something of what is beside interfaces may be left of one that goes, or that no longer boots."""
    if any(not one.present for one in wanted):
        return True
    drop_ins = [boot_paths.drop_in_path(one.name) for one in wanted if one.persistence == NONE]
    return bool(drop_ins) and any(map(os.path.lexists, (boot_paths.DIRECTORY, *boot_paths.SHARED_PATHS, *drop_ins)))
