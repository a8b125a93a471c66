# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The sections of a host's document other than interfaces, as stages.

Routing tables precede the rules that point at them, and states the policies that refer to them. A section that is not
given is not imported.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from .._engine.errors import InvalidOptions
from .._engine.result import StageResult
from .._engine.stage import Stage
from .._host.sysctls import RECORD
from .._interface.boot_files import NONE
from .._interface.option_types import file_name
from .._interface.options import WantedInterface
from .._interface.prepare import PreparedInterface
from .._netlink.connection import Connection
from .outcome import SectionKey
from .sections import (
    ALLOW,
    BOOT_NAME,
    FORWARDS,
    KEEP_MASQUERADED,
    NFTABLES,
    NODE_NAMES,
    OPEN,
    POLICIES,
    ROUTES,
    RULES,
    STATES,
    SYSCTLS,
    TEMPORARY_SYSCTLS,
    XFRM_BOOT,
    Interfaces,
    WantedSections,
)

Options = Mapping[str, Any]
StageMap = dict[SectionKey, Stage]  # in the order in which they are applied


class Stages(NamedTuple):
    """All stages except interfaces.

    around: applied before interfaces, deleted after them. inside: applied after them, deleted before them. boot: files for
    the next boot. last: applied after the deletions that cannot be rolled back.
    """

    around: StageMap
    inside: StageMap
    boot: StageMap
    last: StageMap

    def planned(self) -> dict[SectionKey, StageResult]:
        """Return the results where no plan is applied."""
        return {section: stage.result() for stages in self for section, stage in stages.items()}

    def deleting_own(self, prepared: Sequence[PreparedInterface]) -> list[PreparedInterface]:
        """Return interfaces without the lost routes that a section deletes: the section shows and restores these."""
        if not any(one.plan.lost for one in prepared):
            return list(prepared)
        from .._interface.side_effects import without_planned

        operations = [
            operation
            for section, stage in self.inside.items()
            if section.kind == ROUTES
            for operation in stage.operations
        ]
        gone = {operation.before for operation in operations if operation.before is not None}
        return [replace(one, plan=without_planned(one.plan, gone)) for one in prepared]


def parse(options: Options, interfaces: Interfaces, errors: list[str]) -> WantedSections:
    """Return the parsed sections; adds everything that is invalid to ``errors``."""
    if options.get(BOOT_NAME) and not file_name(str(options[BOOT_NAME])):
        errors.append(
            f"{BOOT_NAME}: {options[BOOT_NAME]!r} cannot name a file: 1 to 15 characters of "
            "A-Z a-z 0-9 _ = + . - are allowed"
        )
    sections = WantedSections(allow_management_change=bool(options.get(ALLOW)))
    if options.get(ROUTES) or any(options.get(kind) is not None for kind in (RULES, STATES, POLICIES)):
        from .options import parse_sections

        with _noted(errors):
            sections = parse_sections(options, interfaces.index_of)
    names = {str(address): str(name) for address, name in (options.get(NODE_NAMES) or {}).items()}
    sections = replace(sections, node_names=names)
    if options.get(NFTABLES) or options.get(OPEN):
        from .packet_filter import parse_filter

        with _noted(errors):
            sections = replace(sections, nftables=parse_filter(options))
    if options.get(TEMPORARY_SYSCTLS) is not None:
        from . import temporary_sysctls

        with _noted(errors):
            sections = replace(sections, temporary_sysctls=temporary_sysctls.parse(options[TEMPORARY_SYSCTLS]))
    if options.get(XFRM_BOOT):
        from .ipsec_boot import parse_boot

        with _noted(errors):
            sections = replace(sections, xfrm_boot=parse_boot(options))
    return sections


@contextmanager
def _noted(errors: list[str]) -> Iterator[None]:
    try:
        yield
    except InvalidOptions as exc:
        errors += exc.errors


def plan_stages(
    stack: ExitStack,
    fib: Connection,
    options: Options,
    prepared: Sequence[PreparedInterface],
    sections: WantedSections,
    interfaces: Interfaces,
    *,
    check_mode: bool,
) -> Stages:
    """Read and plan every section. Raises Refused, ForeignFile, and OSError; ``stack`` closes the connections."""
    wanted = [one.wanted for one in prepared]
    around = {
        **_temporary(sections),
        **_previous(fib, prepared),
        **_packet_filter(options, wanted, sections, check_mode=check_mode),
    }
    first, last = _ipsec_boot(sections)
    routing = _keeping(options, fib_stages(fib, sections, interfaces))
    inside = {**first, **routing, **_xfrm(stack, fib, sections)}
    return Stages(around, inside, _fib_files(options, wanted, sections, interfaces), last)


def routes_again(fib: Connection, options: Options, interfaces: Interfaces) -> StageMap:
    """Plan routes again once the run has created interfaces: only then do they have an index."""
    from .options import parse_sections

    routes = parse_sections({ROUTES: options[ROUTES]}, interfaces.index_of)
    return _keeping(options, fib_stages(fib, routes, interfaces))


def _keeping(options: Options, routing: StageMap) -> StageMap:
    """Return stages of routes and rules that keep masqueraded connections, where the options ask for it."""
    if not options.get(KEEP_MASQUERADED):
        return routing
    from .masqueraded import with_connections_kept

    return with_connections_kept(routing)


def _temporary(sections: WantedSections) -> StageMap:
    if sections.temporary_sysctls is None:
        return {}
    from . import temporary_sysctls

    return {SectionKey(TEMPORARY_SYSCTLS): temporary_sysctls.stage(sections.temporary_sysctls)}


def _previous(fib: Connection, prepared: Sequence[PreparedInterface]) -> StageMap:
    if not (os.path.lexists(RECORD) or any(one.wanted.sysctls for one in prepared)):
        return {}
    from . import previous_sysctls

    stage = previous_sysctls.stage(fib, prepared)
    if any(one.plan.sysctls for one in prepared):
        from .._fib import advertised_routes

        if any(advertised_routes.drops_routes(parameter) for one in prepared for parameter in one.plan.sysctls):
            lost = advertised_routes.warnings(advertised_routes.read_dropped(fib))
            stage = replace(stage, warnings=(*stage.warnings, *lost))
    return {SectionKey(SYSCTLS): stage}


def _packet_filter(
    options: Options, wanted: Sequence[WantedInterface], sections: WantedSections, *, check_mode: bool
) -> StageMap:
    if sections.nftables is None and not options.get(FORWARDS) and all(one.present for one in wanted):
        return {}
    from . import packet_filter

    ruleset = sections.nftables or packet_filter.parse_filter(options)  # removed interfaces lose their rules
    found = packet_filter.stages(ruleset, options, wanted, check_mode=check_mode)
    return {SectionKey(name): stage for name, stage in found.items()}


def _ipsec_boot(sections: WantedSections) -> tuple[StageMap, StageMap]:
    """Return the stage of IPsec's boot files, before all states or after them.

    A state that counts packets belongs to an epoch, which is recorded before; the record is deleted last.
    """
    if sections.xfrm_boot is None:
        return {}, {}
    from .ipsec_boot import boot_stage

    found = {SectionKey(XFRM_BOOT): boot_stage(sections.xfrm_boot, sections)}
    return (found, {}) if sections.xfrm_boot.present else ({}, found)


def fib_stages(fib: Connection, sections: WantedSections, interfaces: Interfaces) -> StageMap:
    """Return one stage for each table of routes, and one of rules. Raises Refused, and OSError."""
    if not sections.routes and not sections.rules:
        return {}
    from .._fib.stages import routes_stage, rules_stage

    stages = {SectionKey(ROUTES, str(one.table)): routes_stage(fib, one, interfaces.name_of) for one in sections.routes}
    if sections.rules:
        stages[SectionKey(RULES)] = rules_stage(fib, sections.rules)
    return stages


def _xfrm(stack: ExitStack, fib: Connection, sections: WantedSections) -> StageMap:
    if not sections.states and not sections.policies:
        return {}
    from .._host import ssh_connection
    from .._host.facts import boot_id
    from .._xfrm.kernel import open_connection
    from .._xfrm.lockout import flows
    from .._xfrm.stages import policies_stage, states_stage
    from .management import management_flows

    stages: StageMap = {}
    xfrm = stack.enter_context(open_connection())
    if sections.states:
        stages[SectionKey(STATES)] = states_stage(xfrm, sections.states, boot_id, nodes=sections.node_names)
    if sections.policies:
        management = flows(ssh_connection.find(os.environ), sections.management_addresses, management_flows(fib)[1:])
        stages[SectionKey(POLICIES)] = policies_stage(xfrm, sections.policies, management, sections.node_names)
    return stages


def _fib_files(
    options: Options, wanted: Sequence[WantedInterface], sections: WantedSections, interfaces: Interfaces
) -> StageMap:
    given = sections.rules is not None or sections.routes
    if not given and all(one.present and one.persistence != NONE for one in wanted):
        return {}
    from .routing_files import fib_files

    found = fib_files(options.get(BOOT_NAME) or "", wanted, sections, interfaces.name_of)
    return {} if found is None else {SectionKey("fib_files"): found}
