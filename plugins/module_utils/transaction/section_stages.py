# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What stands beside interfaces, as stages: the one place that knows which option of overlay_apply needs which room.

Tables come before the rules that point at them, and states before the policies that need them. A kind that is not
asked for is not imported.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from ..netlink.connection import Connection
from ..refusal import InvalidOptions
from ..stage import Outcome, Stage
from .boot_files import NONE
from .desired import WantedInterface
from .outcome import Section
from .wanted_sections import (
    ALLOW,
    BOOT_NAME,
    NFTABLES,
    OPEN,
    POLICIES,
    ROUTES,
    RULES,
    STATES,
    TEMPORARY_SYSCTLS,
    XFRM_BOOT,
    Interfaces,
    WantedSections,
)

Options = Mapping[str, Any]
ByTurn = dict[Section, Stage]  # in the order in which they are made


class Stages(NamedTuple):
    """The stages ``around`` interfaces (made before them and removed behind them), those that stand on them, those of
    the files for the next boot, and those that come behind what cannot be taken back."""

    around: ByTurn
    inside: ByTurn
    boot: ByTurn
    last: ByTurn

    def planned(self) -> dict[Section, Outcome]:
        """Return what there is to do, with nothing done."""
        return {section: Outcome(stage) for stages in self for section, stage in stages.items()}


def parse(options: Options, interfaces: Interfaces, errors: list[str]) -> WantedSections:
    """Return what is asked for beside interfaces; notes what is wrong with any of it."""
    sections = WantedSections(allow_management_change=bool(options.get(ALLOW)))
    if options.get(NFTABLES):
        from .packet_filter import parse_filter

        with _noted(errors):
            parse_filter(options)
    if options.get(TEMPORARY_SYSCTLS) is not None:
        from . import temporary_sysctls

        with _noted(errors):
            temporary_sysctls.parse(options[TEMPORARY_SYSCTLS])
    if options.get(ROUTES) or any(options.get(kind) is not None for kind in (RULES, STATES, POLICIES)):
        from .sections import parse_sections

        with _noted(errors):
            sections = parse_sections(options, interfaces.index_of)
    if options.get(XFRM_BOOT):
        from .ipsec_boot import parse_boot

        with _noted(errors):
            parse_boot(options)
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
    wanted: Sequence[WantedInterface],
    sections: WantedSections,
    interfaces: Interfaces,
) -> Stages:
    """Return what there is to do. The options have been parsed before, so what is wrong with them was said.

    Raises Refused, ForeignFile, and OSError; ``stack`` closes what the stages read and write by.
    """
    around = {**_temporary(options), **_packet_filter(options, wanted)}
    first, last = _ipsec_boot(options, sections)
    inside = {**first, **fib_stages(fib, sections, interfaces), **_xfrm(stack, sections)}
    return Stages(around, inside, _fib_files(options, wanted, sections, interfaces), last)


def _temporary(options: Options) -> ByTurn:
    if options.get(TEMPORARY_SYSCTLS) is None:
        return {}
    from . import temporary_sysctls

    return {Section(TEMPORARY_SYSCTLS): temporary_sysctls.stage(temporary_sysctls.parse(options[TEMPORARY_SYSCTLS]))}


def _packet_filter(options: Options, wanted: Sequence[WantedInterface]) -> ByTurn:
    if not options.get(NFTABLES) and not options.get(OPEN) and all(one.present for one in wanted):
        return {}
    from . import packet_filter

    found = packet_filter.stages(packet_filter.parse_filter(options), options, wanted)
    return {Section(name): stage for name, stage in found.items()}


def _ipsec_boot(options: Options, sections: WantedSections) -> tuple[ByTurn, ByTurn]:
    """Return what is made before all states, and what after them, of the files by which IPsec comes back at boot.

    A state that counts packets is of an epoch, and the host has to know that before; that it has none comes last.
    """
    if not options.get(XFRM_BOOT):
        return {}, {}
    from .ipsec_boot import boot_stage, parse_boot

    wanted = parse_boot(options)
    found = {Section(XFRM_BOOT): boot_stage(wanted, sections)}
    return (found, {}) if wanted.present else ({}, found)


def fib_stages(fib: Connection, sections: WantedSections, interfaces: Interfaces) -> ByTurn:
    """Return the stages of routes, a table each, and of rules. Raises Refused, and OSError."""
    if not sections.routes and not sections.rules:
        return {}
    from ..fib.converge import routes_stage, rules_stage

    stages = {Section(ROUTES, one.table): routes_stage(fib, one, interfaces.name_of) for one in sections.routes}
    if sections.rules:
        stages[Section(RULES)] = rules_stage(fib, sections.rules)
    return stages


def _xfrm(stack: ExitStack, sections: WantedSections) -> ByTurn:
    if not sections.states and not sections.policies:
        return {}
    from .. import ssh_connection
    from ..host.facts import boot_id
    from ..xfrm.converge import policies_stage, states_stage
    from ..xfrm.kernel import open_connection
    from ..xfrm.management import flows

    stages: ByTurn = {}
    xfrm = stack.enter_context(open_connection())
    if sections.states:
        stages[Section(STATES)] = states_stage(xfrm, sections.states, boot_id)
    if sections.policies:
        management = flows(ssh_connection.find(os.environ), sections.management_addresses)
        stages[Section(POLICIES)] = policies_stage(xfrm, sections.policies, management)
    return stages


def _fib_files(
    options: Options, wanted: Sequence[WantedInterface], sections: WantedSections, interfaces: Interfaces
) -> ByTurn:
    asked = sections.rules is not None or sections.routes
    if not asked and all(one.present and one.persistence != NONE for one in wanted):
        return {}
    from .fib_files import fib_files

    found = fib_files(options.get(BOOT_NAME) or "", wanted, sections, interfaces.name_of)
    return {} if found is None else {Section("fib_files"): found}
