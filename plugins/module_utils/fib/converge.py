# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules and routes as stages: read, planned, carried out and read again, where plans meet the kernel.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..netlink.connection import Connection
from ..netlink.rule import Rule
from ..netlink.table_route import TableRoute
from ..reconcile import CREATE, DELETE, UPDATE, Operation, counts
from ..stage import Outcome, Stage, carry_out, halves
from . import route_notes, rules, tables
from .guard import Change, refuse_cut
from .route_notes import note_of
from .route_options import WantedRoutes
from .routes import PROTOCOL
from .rule_options import WantedRules
from .rule_text import describe as describe_rule
from .ways import open_connection


def converge_rules(wanted: WantedRules, *, check_mode: bool, allow_management_change: bool = False) -> Outcome:
    """Make the rules what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as connection:
        stage = rules_stage(connection, wanted)
        if not allow_management_change:
            refuse_cut(connection, Change(rules=stage.operations))
        return carry_out([stage], check_mode=check_mode)[0]


def converge_routes(wanted: WantedRoutes, *, check_mode: bool, allow_management_change: bool = False) -> Outcome:
    """Make the routes of a table what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as connection:
        stage = routes_stage(connection, wanted)
        if not allow_management_change:
            refuse_cut(connection, Change(routes=stage.operations))
        return carry_out([stage], check_mode=check_mode)[0]


def rules_stage(connection: Connection, wanted: WantedRules) -> Stage:
    """Return the plan for rules. Raises Refused."""

    def plan(current: Sequence[Rule]) -> list[Operation[Rule]]:
        return rules.plan(current, wanted.present, wanted.absent, own=wanted.own, purge=wanted.purge)

    operations = plan(rules.read(connection))
    made, removed = halves(operations)
    return Stage(
        operations,
        diff=lambda: _diff(operations, describe_rule),
        make=lambda: rules.apply(connection, rules.read(connection), made),
        remove=lambda: rules.apply(connection, rules.read(connection), removed),
        left=lambda: _left(plan(rules.read(connection)), describe_rule),
        counts=counts(operations),
    )


def routes_stage(connection: Connection, wanted: WantedRoutes, names: Callable[[int], str] = tables.name_of) -> Stage:
    """Return the plan for the routes of a table; ``names`` tells interfaces by their index. Raises Refused."""

    noted = route_notes.read().get(wanted.table, frozenset())

    def plan() -> list[Operation[TableRoute]]:
        current = tables.read(connection, wanted.table, wanted.families)
        return tables.plan(current, wanted.present, wanted.absent, purge=wanted.purge, noted=noted)

    known = lru_cache(maxsize=None)(names)

    def describe(route: TableRoute) -> str:
        protocol = "" if route.protocol == PROTOCOL else f" proto {route.protocol}"
        return tables.describe(route, known) + protocol

    operations = plan()
    made, removed = halves(operations)
    before, after = _notes(wanted, noted, operations)

    def make() -> int:
        _note(wanted.table, noted, before)
        return tables.apply(connection, made)

    def remove() -> int:
        requests = tables.apply(connection, removed)
        _note(wanted.table, before, after)
        return requests

    for operation in operations:
        for route in (operation.before, operation.after):
            for hop in route.hops if route is not None else ():
                known(hop.interface_index)  # now, as an interface may be gone when somebody asks
    return Stage(
        operations,
        diff=lambda: _diff(operations, describe),
        make=make,
        remove=remove,
        left=lambda: _left(plan(), describe),
        counts=counts(operations),
    )


def _notes(
    wanted: WantedRoutes, noted: frozenset[str], operations: Sequence[Operation[TableRoute]]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return what has to be noted of the table before its routes are made, and what after others are removed."""
    made = {
        note_of(operation.after)
        for operation in operations
        if operation.after is not None and operation.after.protocol != PROTOCOL
    }
    gone = {note_of(operation.before) for operation in operations if operation.before is not None}
    known = noted & set(map(note_of, wanted.present)) if wanted.purge else noted
    return noted | made, (known - gone) | made


def _note(table: int, before: frozenset[str], after: frozenset[str]) -> None:
    if after != before:
        route_notes.write(table, after)


def _diff(operations: Iterable[Operation[Any]], describe: Callable[[Any], str]) -> dict[str, list[str]]:
    """Return what changes, one line for each object."""
    operations = list(operations)
    before = [operation.before for operation in operations if operation.before is not None]
    after = [operation.after for operation in operations if operation.after is not None]
    return {
        side: [describe(item) for item in sorted(items, key=lambda item: item.key())]
        for side, items in (("before", before), ("after", after))
    }


def _left(operations: Iterable[Operation[Any]], describe: Callable[[Any], str]) -> list[str]:
    verbs: Mapping[str, str] = {CREATE: "add", UPDATE: "change to", DELETE: "delete"}
    return [
        f"{verbs[operation.action]} {describe(operation.after if operation.after is not None else operation.before)}"
        for operation in operations
    ]
