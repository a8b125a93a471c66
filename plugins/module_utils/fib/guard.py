# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a change of rules and routes would send the connection it comes by another way: asked of the kernel.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ..netlink import route as route_codec
from ..netlink.connection import Connection
from ..netlink.messages import NetlinkError
from ..netlink.rule import FR_ACT_GOTO, Rule
from ..netlink.table_route import TableRoute
from ..prefix import Prefix
from ..reconcile import Operation
from . import management, rules, tables
from .management import Flow


@dataclass(frozen=True)
class Change:
    """Operations on rules, on routes of any tables, and the indexes of interfaces that go, with all routes they have."""

    rules: Sequence[Operation[Rule]] = ()
    routes: Sequence[Operation[TableRoute]] = ()
    gone: frozenset[int] = frozenset()


def refuse_cut(connection: Connection, change: Change, names: Callable[[int], str] = tables.name_of) -> None:
    """Raise Refused where the change would send the connection it comes by elsewhere.

    ``names`` tells interfaces by their index.
    """
    flow = management.find(connection, os.environ) if change.rules or change.routes or change.gone else None
    leads = flow is not None and (bool(change.gone) or _leads(change.routes, flow))
    if flow is None or not (change.rules or leads):
        return
    current = rules.read(connection, (flow.family,))
    gone = {operation.before for operation in change.rules if operation.before is not None}
    made = [operation.after for operation in change.rules if operation.after is not None]
    after = [rule for rule in current if rule not in gone] + made
    # A jump may get its target or lose it by any rule at all.
    jumps = any(rule.action == FR_ACT_GOTO for rule in after)
    if not (jumps or any(management.matches(rule, flow) for rule in (*gone, *made)) or leads):
        return

    @cache
    def held(table: int) -> tuple[TableRoute, ...]:
        return tuple(tables.read(connection, table, (flow.family,)))

    removed = {operation.before for operation in change.routes if operation.before is not None}
    added = [_resolved(connection, operation.after) for operation in change.routes if operation.after is not None]

    def then(table: int) -> list[TableRoute]:
        stays = [route for route in held(table) if route not in removed and not _leads_through(route, change.gone)]
        return stays + [route for route in added if route.table == table and route.destination.family == flow.family]

    management.refuse_change(flow, (current, held), (after, then), names)


def _leads(routes: Sequence[Operation[TableRoute]], flow: Flow) -> bool:
    """Return whether any of the routes could be that of the flow."""
    address = Prefix(flow.family, flow.destination, len(flow.destination) * 8)
    return any(operation.key()[0].contains(address) for operation in routes)


def _leads_through(route: TableRoute, interfaces: frozenset[int]) -> bool:
    return bool(route.hops) and all(hop.interface_index in interfaces for hop in route.hops)


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
