# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules and routes as stages: read, planned, applied and read again.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from .._engine.reconcile import CREATE, DELETE, UPDATE, Operation, counts
from .._engine.shown import Diff
from .._engine.stage import Stage, StageResult, run_stage, split_deletions
from .._host.ssh_connection import Flow
from .._netlink.connection import Connection
from .._netlink.route_lookup import open_connection
from .._netlink.rule import Rule
from .._netlink.table_route import TableRoute
from . import route_record as route_notes
from . import route_table as tables
from . import rules
from .describe_rule import describe as describe_rule
from .link_routes import PROTOCOL
from .lockout import Change, refuse_route_lockout
from .route_options import WantedRoutes
from .route_record import note_of
from .rule_options import WantedRules

if TYPE_CHECKING:
    from .._engine.rollback import Rollback


def converge(
    wanted: WantedRules | WantedRoutes,
    *,
    check_mode: bool,
    allow_management_change: bool = False,
    names: Callable[[int], str] = tables.name_of,
    management: Callable[[Connection], Sequence[Flow]] | None = None,
) -> StageResult:
    """Converge rules, or the routes of a table; in check mode return the plan only.

    ``names`` maps the index of an interface to its name. ``management`` returns the flows of the management connection, by
    default those of the connection without its tunnels.
    Raises Refused (nothing was changed), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as connection:
        if isinstance(wanted, WantedRules):
            stage = rules_stage(connection, wanted)
            change = Change(rules=stage.operations)
        else:
            stage = routes_stage(connection, wanted, names)
            change = Change(routes=stage.operations)
        if change and not allow_management_change:
            refuse_route_lockout(connection, change, names, management(connection) if management else None)
        return run_stage(stage, check_mode=check_mode)


def rules_stage(connection: Connection, wanted: WantedRules) -> Stage:
    """Return the plan for rules. Raises Refused."""

    def plan(current: Sequence[Rule]) -> list[Operation[Rule]]:
        return rules.plan(current, wanted.present, wanted.absent, own=wanted.own, purge=wanted.purge)

    current = rules.read(connection)
    operations = plan(current)
    made, removed = split_deletions(operations)
    return Stage(
        operations,
        diff=lambda: _diff(operations, describe_rule),
        apply=lambda: rules.apply(connection, rules.read(connection), made),
        delete=lambda: rules.apply(connection, rules.read(connection), removed),
        pending=lambda: _pending(plan(rules.read(connection)), describe_rule),
        rollback=partial(_rules_rollback, current, operations),
        counts=counts(operations),
        warnings=rules.shared_priorities(current, wanted.present, wanted.own),
    )


def routes_stage(connection: Connection, wanted: WantedRoutes, names: Callable[[int], str] = tables.name_of) -> Stage:
    """Return the plan for the routes of a table; ``names`` maps an interface index to a name. Raises Refused."""

    noted = route_notes.read().get(wanted.table, frozenset())

    def plan() -> list[Operation[TableRoute]]:
        current = tables.read(connection, wanted.table, wanted.families)
        return tables.plan(current, wanted.present, wanted.absent, purge=wanted.purge, noted=noted)

    known = lru_cache(maxsize=None)(names)

    def describe(route: TableRoute) -> str:
        protocol = "" if route.protocol == PROTOCOL else f" proto {route.protocol}"
        return tables.describe(route, known) + protocol

    operations = plan()
    made, removed = split_deletions(operations)
    before, after = _notes(wanted, noted, operations)

    def apply_all() -> int:
        _note(wanted.table, noted, before)
        return tables.apply(connection, made)

    def remove() -> int:
        requests = tables.apply(connection, removed)
        _note(wanted.table, before, after)
        return requests

    # Looked up now, because an interface may be removed later.
    sides = (route for operation in operations for route in (operation.before, operation.after) if route is not None)
    named = {hop.interface_index: known(hop.interface_index) for route in sides for hop in route.hops}
    return Stage(
        operations,
        diff=lambda: _diff(operations, describe),
        apply=apply_all,
        delete=remove,
        pending=lambda: _pending(plan(), describe),
        rollback=partial(_routes_rollback, wanted, noted, operations, named),
        counts=counts(operations),
    )


def _rules_rollback(before: Sequence[Rule], done: Sequence[Operation[Rule]]) -> Rollback:
    """Return the rollback. It opens its own connection, because this one may have unread answers."""
    from .._engine.rollback import rollback_of

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
        """Restore rules in their old order: the kernel adds a rule after others of its priority."""
        return sorted(operations, key=lambda one: places[one.after] if one.after is not None else len(places))

    return rollback_of(read, lambda: done, apply, lambda rule: f"rule {describe_rule(rule)}", arrange=arrange)


def _routes_rollback(
    wanted: WantedRoutes, noted: frozenset[str], done: Sequence[Operation[TableRoute]], named: Mapping[int, str]
) -> Rollback:
    """Return the rollback, also through interfaces that were created again and have new indexes.

    ``named`` has the names of the interfaces by their indexes when the run planned.
    """
    from .._engine.rollback import rollback_of

    def names(index: int) -> str:
        return named.get(index) or tables.name_of(index)

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

    undo = rollback_of(read, before, apply, label, arrange=tables.arranged)

    def put_back() -> None:
        _note(wanted.table, noted_now(), noted_now() | noted)
        undo.apply()

    def remove() -> None:
        undo.delete()
        if not undo.pending():
            _note(wanted.table, noted_now(), noted)

    return undo._replace(needed=undo.needed or noted_now() != noted, apply=put_back, delete=remove)


def _index_of(names: Callable[[int], str], index: int) -> int:
    try:
        return socket.if_nametoindex(names(index)) if index else 0
    except OSError:
        return index


def _notes(
    wanted: WantedRoutes, noted: frozenset[str], operations: Sequence[Operation[TableRoute]]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the records of the table to write before routes are added, and after routes are deleted."""
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


def _diff(operations: Iterable[Operation[Any]], describe: Callable[[Any], str]) -> list[Diff]:
    """Return the changes, one line per object."""
    operations = list(operations)
    before = [operation.before for operation in operations if operation.before is not None]
    after = [operation.after for operation in operations if operation.after is not None]
    sides = ([describe(item) for item in sorted(items, key=lambda item: item.key())] for items in (before, after))
    return [Diff("", *sides)]


def _pending(operations: Iterable[Operation[Any]], describe: Callable[[Any], str]) -> list[str]:
    verbs: Mapping[str, str] = {CREATE: "add", UPDATE: "change to", DELETE: "delete"}
    return [
        f"{verbs[operation.action]} {describe(operation.after if operation.after is not None else operation.before)}"
        for operation in operations
    ]
