# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Converge a host's overlay in one run: interfaces, routes, rules, states and policies, in a safe order.

Most runs have interfaces only, and change nothing. All else is imported only where a run needs it, because a host compiles
the imported modules again in every run.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from .._engine.errors import InvalidOptions
from .._fib import boot_paths
from .._host.sysctls import RECORD
from .._interface.boot_files import NONE
from .._interface.options import WantedInterface, parse_document
from .._interface.prepare import prepare
from .._netlink.route_lookup import open_connection
from .._wireguard.keys import decode_predicted_key, decode_public_key
from . import lock
from .outcome import INTERFACES, HostResult, SectionKey
from .sections import ALLOW, Interfaces, WantedSections, any_section_given


def converge_host(options: Mapping[str, Any], *, check_mode: bool) -> HostResult:
    """Apply the options of overlay_apply to this host, or in check mode return what that would change.

    Reads, plans and checks everything before the first change, and holds the lock of the collection's programs. Raises
    InvalidOptions, Refused and what prepare() raises (nothing was changed), NotConverged, and OSError where the kernel
    refuses.
    """
    wanted, interfaces, sections = _parse(options, check_mode)
    with ExitStack() as stack:
        stack.enter_context(lock.hold(check_mode=check_mode))
        earlier: Mapping[SectionKey, Any] = {}
        if os.path.lexists(lock.CONNECTIONS):
            from .masqueraded import remove_left

            earlier = remove_left(check_mode=check_mode)
        if os.path.lexists(lock.GUARD):
            from .leftover import settle

            earlier = {**earlier, **settle(stack, check_mode=check_mode)}
            wanted, interfaces, sections = _parse(options, check_mode)  # a revert can create interfaces
        fib = stack.enter_context(open_connection())
        prepared = prepare(fib, wanted, check_mode=check_mode)
        stages = None
        if any_section_given(options) or _may_leave_something(wanted):
            from .stages import plan_stages

            stages = plan_stages(stack, fib, options, prepared, sections, interfaces, check_mode=check_mode)
            prepared = stages.deleting_own(prepared)
        of_interfaces = {SectionKey(INTERFACES, one.name): one.result() for one in prepared}
        planned = HostResult({**earlier, **of_interfaces, **(stages.planned() if stages else {})})
        if any(one.plan.routes for one in prepared):
            from .endpoint_path import refuse_captured_endpoints

            refuse_captured_endpoints(fib, prepared)
        allowed, parameters = sections.allow_management_change, sections.temporary_sysctls or {}
        if planned.changed and (not allowed or parameters or any(one.wanted.sysctls for one in prepared)):
            from .lockout import refuse_lockout

            sections_of_run = {**stages.around, **stages.inside} if stages else {}
            refuse_lockout(fib, prepared, sections_of_run, interfaces, parameters, allowed=allowed)
        if check_mode or not planned.changed:
            return planned
        from .change_host import change_host

        return change_host(fib, options, prepared, stages, interfaces, planned)


def _parse(
    options: Mapping[str, Any], check_mode: bool
) -> tuple[Sequence[WantedInterface], Interfaces, WantedSections]:
    decode = decode_predicted_key if check_mode else decode_public_key
    errors: list[str] = []
    wanted: Sequence[WantedInterface] = ()
    sections = WantedSections(allow_management_change=bool(options.get(ALLOW)))
    try:
        wanted = parse_document(options.get("interfaces") or (), options.get("preshared_keys") or {}, decode)
    except InvalidOptions as exc:
        errors += exc.errors
    raw = [one for one in options.get("interfaces") or () if isinstance(one, Mapping)]
    gone = {str(one.get("name")) for one in raw if one.get("state") == "absent"}
    interfaces = Interfaces({str(one.get("name")) for one in raw} - gone, gone)
    if any_section_given(options):
        from .stages import parse

        sections = parse(options, interfaces, errors)
    if errors:
        raise InvalidOptions(errors)
    return wanted, interfaces, sections


def _may_leave_something(wanted: Iterable[WantedInterface]) -> bool:
    """Return whether an interface, removed or without boot files, may leave files of other sections, or kernel parameters."""
    if any(not one.present or one.sysctls for one in wanted) or os.path.lexists(RECORD):
        return True
    drop_ins = [boot_paths.drop_in_path(one.name) for one in wanted if one.persistence == NONE]
    return bool(drop_ins) and any(map(os.path.lexists, (boot_paths.DIRECTORY, *boot_paths.SHARED_PATHS, *drop_ins)))
