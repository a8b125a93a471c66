# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules and routes as stages: read, planned, carried out and read again, where plans meet the kernel.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from ..take_back import Back


def converge_rules(wanted: WantedRules, *, check_mode: bool, allow_management_change: bool = False) -> Outcome:
    """Make the rules what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as connection:
        stage = rules_stage(connection, wanted)
        if not allow_management_change:
            refuse_cut(connection, Change(rules=stage.operations))
        return carry_out(stage, check_mode=check_mode)


def converge_routes(wanted: WantedRoutes, *, check_mode: bool, allow_management_change: bool = False) -> Outcome:
    """Make the routes of a table what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as connection:
        stage = routes_stage(connection, wanted)
        if not allow_management_change:
            refuse_cut(connection, Change(routes=stage.operations))
        return carry_out(stage, check_mode=check_mode)


def rules_stage(connection: Connection, wanted: WantedRules) -> Stage:
    """Return the plan for rules. Raises Refused."""

    def plan(current: Sequence[Rule]) -> list[Operation[Rule]]:
        return rules.plan(current, wanted.present, wanted.absent, own=wanted.own, purge=wanted.purge)

    current = rules.read(connection)
    operations = plan(current)
    made, removed = halves(operations)
    return Stage(
        operations,
        diff=lambda: _diff(operations, describe_rule),
        make=lambda: rules.apply(connection, rules.read(connection), made),
        remove=lambda: rules.apply(connection, rules.read(connection), removed),
        left=lambda: _left(plan(rules.read(connection)), describe_rule),
        back=lambda: _rules_back(current, operations),
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
        back=lambda: _routes_back(wanted, noted, operations, known),
        counts=counts(operations),
    )


def _rules_back(before: Sequence[Rule], done: Sequence[Operation[Rule]]) -> Back:
    """Return the way back. It has connections of its own, as the other may be in the middle of an answer."""
    from ..take_back import back_of

    places = {rule: place for place, rule in enumerate(before)}

    def read() -> Sequence[Rule]:
        with open_connection() as connection:
            return rules.read(connection)

    def apply(operations: Sequence[Operation[Rule]]) -> int:
        with open_connection() as connection:
            current = rules.read(connection)
            rules.refuse_mistaken(current, operations)
            return rules.apply(connection, current, operations)

    def arrange(operations: list[Operation[Rule]]) -> list[Operation[Rule]]:
        """Put back in the order in which they stood: a rule is added behind others of its priority."""
        return sorted(operations, key=lambda one: places[one.after] if one.after is not None else len(places))

    return back_of(read, lambda: done, apply, lambda rule: f"rule {describe_rule(rule)}", arrange=arrange)


def _routes_back(
    wanted: WantedRoutes, noted: frozenset[str], done: Sequence[Operation[TableRoute]], names: Callable[[int], str]
) -> Back:
    """Return the way back, also through interfaces that were removed and made again, and so have other indexes."""
    from ..take_back import back_of

    def of_now(route: TableRoute) -> TableRoute:
        hops = tuple(hop._replace(interface_index=_index_of(names, hop.interface_index)) for hop in route.hops)
        return replace(route, hops=hops)

    def before() -> list[Operation[TableRoute]]:
        return [replace(one, before=of_now(one.before)) if one.before is not None else one for one in done]

    ours = {(route.key(), route.protocol) for one in done for route in (one.before, one.after) if route is not None}

    def read() -> list[TableRoute]:
        with open_connection() as connection:
            found = tables.read(connection, wanted.table, wanted.families)
        return [route for route in found if (route.key(), route.protocol) in ours]

    def apply(operations: Sequence[Operation[TableRoute]]) -> int:
        with open_connection() as connection:
            return tables.apply(connection, operations)

    def label(route: TableRoute) -> str:
        return f"route {tables.describe(route, names)} in table {wanted.table}"

    def noted_now() -> frozenset[str]:
        return route_notes.read().get(wanted.table, frozenset())

    way = back_of(read, before, apply, label, arrange=tables.arranged)

    def put_back() -> None:
        _note(wanted.table, noted_now(), noted_now() | noted)
        way.make()

    def remove() -> None:
        way.remove()
        if not way.left():
            _note(wanted.table, noted_now(), noted)

    return way._replace(needed=way.needed or noted_now() != noted, make=put_back, remove=remove)


def _index_of(names: Callable[[int], str], index: int) -> int:
    try:
        return socket.if_nametoindex(names(index)) if index else 0
    except OSError:
        return index


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
