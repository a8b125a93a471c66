# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""All that a host's overlay needs, in one run: interfaces, routes, rules, states and policies, in a safe order.

Interfaces come first and go last; tables come before the rules that point at them, and states before the policies
that need them. A kind that is not asked for is not imported.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..fib import routes
from ..netlink.connection import Connection
from ..netlink.route import TableRoute
from ..reconcile import Operation
from ..refusal import InvalidOptions
from ..stage import Outcome as StageOutcome
from ..stage import Stage, make, remove, verify
from . import apply, run_lock
from .apply import Outcome, Prepared
from .boot_files import NONE
from .desired import WantedInterface, parse_document
from .sections import (
    BOOT_NAME,
    FILTER,
    POLICIES,
    ROUTES,
    RULES,
    STATES,
    TEMPORARY_SYSCTLS,
    XFRM_BOOT,
    Interfaces,
    WantedSections,
    parse_sections,
)
from .single_values import file_name


class Section(NamedTuple):
    """One kind of object beside interfaces; routes have a section for each table."""

    kind: str
    table: int = 0

    @property
    def label(self) -> str:
        """The section's name in a diff; no interface can have it."""
        return self.kind.replace("_", " ") + (f" of table {self.table}" if self.table else "")


@dataclass(frozen=True)
class HostOutcome:
    """What a run did, or in check mode would do."""

    interfaces: Sequence[Outcome]
    sections: Mapping[Section, StageOutcome] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there was anything to do."""
        return any(one.plan for one in self.interfaces) or any(one.changed for one in self.sections.values())


def converge_host(options: Mapping[str, Any], *, check_mode: bool) -> HostOutcome:
    """Make a host what the options of overlay_apply say, or in check mode say what that would take.

    Everything is read, planned and checked before anything is touched, and nobody else of ours changes the host
    meanwhile. Raises InvalidOptions, Refused and what apply.prepare() raises (nothing was touched), NotConverged, and
    OSError where the kernel refuses.
    """
    wanted, interfaces, sections = _parse(options)
    with ExitStack() as stack:
        stack.enter_context(run_lock.hold(check_mode=check_mode))
        fib = stack.enter_context(routes.open_connection())
        prepared = apply.prepare(fib, wanted, check_mode=check_mode)
        around = {**_temporary_stages(options), **_filter_stages(options, wanted)}
        first, last = _ipsec_boot_stages(options, sections)
        stages = {**first, **_stages(stack, fib, sections, interfaces)}
        boot = {**_boot_stages(options, wanted, sections, interfaces), **last}
        planned = HostOutcome(
            [one.outcome for one in prepared],
            {section: StageOutcome(stage) for section, stage in {**around, **stages, **boot}.items()},
        )
        if planned.changed and not sections.allow_management_change:
            _refuse_cut(fib, prepared, stages, interfaces)
        if check_mode or not planned.changed:
            return planned
        # The place of the guarded transaction: snapshot and guard here, confirmation before the return.
        filtered = make(list(around.values()))  # what shall not be forwarded must not be, from the first packet on
        done = {one.name: apply.execute(fib, one) for one in prepared if one.wanted.present}
        if sections.routes and any(one.index == 0 for one in prepared):
            # What leads through an interface that was made just now has its index only now.
            again = parse_sections({ROUTES: options[ROUTES]}, interfaces.index_of)
            stages.update(_stages(stack, fib, again, interfaces))
        made, removed = make(list(stages.values())), remove(list(stages.values()))
        done.update({one.name: apply.execute(fib, one) for one in prepared if not one.wanted.present})
        unfiltered = remove(list(around.values()))
        make(list(boot.values()))  # what boots is what runs, so what runs comes first
        verify([*around.values(), *stages.values(), *boot.values()])
        sent = zip({**around, **stages}.items(), (*filtered, *made), (*unfiltered, *removed))
        outcomes = {section: StageOutcome(stage, sum(requests)) for (section, stage), *requests in sent}
        outcomes.update({section: StageOutcome(stage) for section, stage in boot.items()})
        return HostOutcome([done[one.name] for one in prepared], outcomes)


def _parse(options: Mapping[str, Any]) -> tuple[Sequence[WantedInterface], Interfaces, WantedSections]:
    errors: list[str] = []
    wanted: Sequence[WantedInterface] = ()
    sections = WantedSections()
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
    try:
        if options.get("nftables"):
            from .packet_filter import parse_filter

            parse_filter(options)
    except InvalidOptions as exc:
        errors += exc.errors
    try:
        if options.get(TEMPORARY_SYSCTLS) is not None:
            from .temporary_sysctls import parse

            parse(options[TEMPORARY_SYSCTLS])
    except InvalidOptions as exc:
        errors += exc.errors
    try:
        sections = parse_sections(options, interfaces.index_of)
    except InvalidOptions as exc:
        errors += exc.errors
    try:
        if options.get(XFRM_BOOT):
            from .ipsec_boot import parse_boot

            parse_boot(options)
    except InvalidOptions as exc:
        errors += exc.errors
    if errors:
        raise InvalidOptions(errors)
    return wanted, interfaces, sections


def _temporary_stages(options: Mapping[str, Any]) -> dict[Section, Stage]:
    if options.get(TEMPORARY_SYSCTLS) is None:
        return {}
    from . import temporary_sysctls

    return {Section(TEMPORARY_SYSCTLS): temporary_sysctls.stage(temporary_sysctls.parse(options[TEMPORARY_SYSCTLS]))}


def _filter_stages(options: Mapping[str, Any], wanted: Sequence[WantedInterface]) -> dict[Section, Stage]:
    """Return the stages of the packet filter. Its options have been parsed before, so what is wrong was said."""
    if not any(options.get(name) for name in FILTER) and all(one.present for one in wanted):
        return {}
    from . import packet_filter

    found = packet_filter.stages(packet_filter.parse_filter(options), options, wanted)
    return {Section(name): stage for name, stage in found.items()}


def _boot_stages(
    options: Mapping[str, Any],
    wanted: Sequence[WantedInterface],
    sections: WantedSections,
    interfaces: Interfaces,
) -> dict[Section, Stage]:
    """Return the stage of the files for the next boot of rules and routes, if there is one."""
    asked = sections.rules is not None or sections.routes
    if not asked and all(one.present and one.persistence != NONE for one in wanted):
        return {}
    from .fib_files import fib_files

    found = fib_files(options.get(BOOT_NAME) or "", wanted, sections, interfaces.name_of)
    return {} if found is None else {Section("fib_files"): found}


def _ipsec_boot_stages(
    options: Mapping[str, Any], sections: WantedSections
) -> tuple[dict[Section, Stage], dict[Section, Stage]]:
    """Return what is made before all states, and what after them, of the files by which IPsec comes back at boot.

    A state that counts packets is of an epoch, and the host has to know that before; that it has none comes last.
    """
    if not options.get(XFRM_BOOT):
        return {}, {}
    from .ipsec_boot import boot_stage, parse_boot

    wanted = parse_boot(options)
    found = {Section(XFRM_BOOT): boot_stage(wanted, sections)}
    return (found, {}) if wanted.present else ({}, found)


def _stages(
    stack: ExitStack, fib: Connection, sections: WantedSections, interfaces: Interfaces
) -> dict[Section, Stage]:
    """Return the stages in the order in which they are made."""
    stages: dict[Section, Stage] = {}
    if sections.routes or sections.rules:
        from ..fib.converge import routes_stage, rules_stage

        for table in sections.routes:
            stages[Section(ROUTES, table.table)] = routes_stage(fib, table, interfaces.name_of)
        if sections.rules:
            stages[Section(RULES)] = rules_stage(fib, sections.rules)
    if sections.states or sections.policies:
        from .. import ssh_connection
        from ..host.facts import boot_id
        from ..xfrm.converge import policies_stage, states_stage
        from ..xfrm.kernel import open_connection
        from ..xfrm.management import flows

        xfrm = stack.enter_context(open_connection())
        if sections.states:
            stages[Section(STATES)] = states_stage(xfrm, sections.states, boot_id)
        if sections.policies:
            management = flows(ssh_connection.find(os.environ), sections.management_addresses)
            stages[Section(POLICIES)] = policies_stage(xfrm, sections.policies, management)
    return stages


def _refuse_cut(
    fib: Connection, prepared: Sequence[Prepared], stages: Mapping[Section, Stage], interfaces: Interfaces
) -> None:
    """Raise Refused where interfaces, rules and routes together would send the connection this comes by elsewhere."""
    from ..fib.guard import Change, refuse_cut

    def planned(kind: str) -> list[Operation[Any]]:
        return [
            operation for section, stage in stages.items() if section.kind == kind for operation in stage.operations
        ]

    change = Change(
        planned(RULES),
        planned(ROUTES) + list(_routes_of(prepared, interfaces)),
        frozenset(one.index for one in prepared if one.index and not one.wanted.present),
    )
    refuse_cut(fib, change, interfaces.name_of)


def _routes_of(prepared: Iterable[Prepared], interfaces: Interfaces) -> Iterable[Operation[TableRoute]]:
    """Yield the routes that come and go with what is planned for interfaces, those of their new addresses too."""
    for one in prepared:
        if not one.wanted.present:
            continue
        index = one.index or interfaces.index_of(one.name)
        for operation in one.outcome.plan.routes:
            before, after = operation.before, operation.after
            yield Operation(
                None if before is None else routes.as_table_route(before.destination, before.metric, index),
                None if after is None else routes.as_table_route(after.destination, after.metric, index),
            )
        for address in one.outcome.plan.addresses:
            if address.before is None and address.after is not None:
                yield Operation(None, routes.as_table_route(address.after.address.network, 0, index))
