# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read rules or routes, plan, act, and read again: the edge where plans meet the kernel.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from ..netlink import route as route_codec
from ..netlink.connection import Connection
from ..netlink.messages import NetlinkError
from ..netlink.route import TableRoute
from ..netlink.rule import FR_ACT_GOTO, Rule
from ..prefix import Prefix
from ..reconcile import CREATE, DELETE, UPDATE, Operation, count
from . import management, rules, tables
from .refusal import NotConverged
from .route_options import WantedRoutes
from .routes import open_connection
from .rule_options import WantedRules
from .rule_text import describe as describe_rule


@dataclass(frozen=True)
class Outcome:
    """What a run did, or in check mode would do."""

    operations: Sequence[Operation[Any]]
    describe: Callable[[Any], str] = field(repr=False)
    requests: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many objects are created, updated and deleted."""
        found = count(self.operations)
        return {"created": found[CREATE], "updated": found[UPDATE], "deleted": found[DELETE]}

    def diff(self) -> dict[str, list[str]]:
        """Return what changes, one line for each object."""
        before = [operation.before for operation in self.operations if operation.before is not None]
        after = [operation.after for operation in self.operations if operation.after is not None]
        return {
            side: [self.describe(item) for item in sorted(items, key=lambda item: item.key())]
            for side, items in (("before", before), ("after", after))
        }


def converge_rules(wanted: WantedRules, *, check_mode: bool, allow_management_change: bool = False) -> Outcome:
    """Make the rules what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, and OSError where the kernel refuses.
    """
    with open_connection() as connection:
        current = rules.read(connection)
        operations = _plan_rules(current, wanted)
        if not operations:
            return Outcome(operations, describe_rule)
        if not allow_management_change:
            _guard_rules(connection, current, operations)
        if check_mode:
            return Outcome(operations, describe_rule)
        requests = rules.apply(connection, current, operations)
        left = _plan_rules(rules.read(connection), wanted)
        if left:
            raise NotConverged(_left(left, describe_rule))
    return Outcome(operations, describe_rule, requests)


def _plan_rules(current: Sequence[Rule], wanted: WantedRules) -> list[Operation[Rule]]:
    return rules.plan(current, wanted.present, wanted.absent, own=wanted.own, purge=wanted.purge)


def _guard_rules(connection: Connection, current: Sequence[Rule], operations: Sequence[Operation[Rule]]) -> None:
    flow = management.find(connection, os.environ)
    if flow is None:
        return
    gone = {operation.before for operation in operations if operation.before is not None}
    made = [operation.after for operation in operations if operation.after is not None]
    after = [rule for rule in current if rule not in gone] + made
    # A jump may get its target or lose it by any rule at all.
    if any(management.matches(rule, flow) for rule in (*gone, *made)) or any(r.action == FR_ACT_GOTO for r in after):
        held = _held_tables(connection, flow.family)
        management.refuse_change(flow, (current, held), (after, held))


def converge_routes(wanted: WantedRoutes, *, check_mode: bool, allow_management_change: bool = False) -> Outcome:
    """Make the routes of a table what they shall be, or in check mode say what that would take.

    Raises Refused (nothing was touched), NotConverged, and OSError where the kernel refuses.
    """
    describe = _with_names()
    with open_connection() as connection:
        current = tables.read(connection, wanted.table, wanted.families)
        operations = _plan_routes(current, wanted)
        if not operations:
            return Outcome(operations, describe)
        if not allow_management_change:
            _guard_routes(connection, wanted.table, current, operations)
        if check_mode:
            return Outcome(operations, describe)
        requests = tables.apply(connection, operations)
        left = _plan_routes(tables.read(connection, wanted.table, wanted.families), wanted)
        if left:
            raise NotConverged(_left(left, describe))
    return Outcome(operations, describe, requests)


def _plan_routes(current: Sequence[TableRoute], wanted: WantedRoutes) -> list[Operation[TableRoute]]:
    return tables.plan(current, wanted.present, wanted.absent, purge=wanted.purge)


def _guard_routes(
    connection: Connection, table: int, current: Sequence[TableRoute], operations: Sequence[Operation[TableRoute]]
) -> None:
    flow = management.find(connection, os.environ)
    if flow is None:
        return
    address = Prefix(flow.family, flow.destination, len(flow.destination) * 8)
    if not any(operation.key()[0].contains(address) for operation in operations):
        return
    gone = {operation.before for operation in operations if operation.before is not None}
    after = [route for route in current if route not in gone]
    after += [_resolved(connection, operation.after) for operation in operations if operation.after is not None]
    held = _held_tables(connection, flow.family)
    asked = rules.read(connection, (flow.family,))
    management.refuse_change(flow, (asked, held), (asked, lambda number: after if number == table else held(number)))


def _resolved(connection: Connection, route: TableRoute) -> TableRoute:
    """Return the route with the interfaces that the kernel will choose for its gateways."""
    hops = []
    for hop in route.hops:
        index = hop.interface_index
        if not index and hop.via:
            family = socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET
            try:
                replies = connection.request(route_codec.RTM_GETROUTE, route_codec.encode_lookup(family, hop.via))
                index = route_codec.decode_lookup(replies[0]).interface_index
            except NetlinkError:  # it will refuse the route too, and say why
                index = 0
        hops.append(hop._replace(interface_index=index))
    return replace(route, hops=tuple(hops))


def _held_tables(connection: Connection, family: int) -> management.Tables:
    return lru_cache(maxsize=None)(lambda table: tuple(tables.read(connection, table, (family,))))


def _with_names() -> Callable[[TableRoute], str]:
    names = lru_cache(maxsize=None)(tables.name_of)
    return lambda route: tables.describe(route, names)


def _left(operations: Iterable[Operation[Any]], describe: Callable[[Any], str]) -> list[str]:
    verbs: Mapping[str, str] = {CREATE: "add", UPDATE: "change to", DELETE: "delete"}
    return [
        f"{verbs[operation.action]} {describe(operation.after if operation.after is not None else operation.before)}"
        for operation in operations
    ]
