# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the kernel removes by itself when an interface changes.

An interface that is set down loses its IPv6 addresses, unless keep_addr_on_down is set, and all routes through it. One
with an MTU below 1280 loses all of IPv6. One that is removed loses everything. Addresses that are not to be changed are
added again (apply.py). Routes cannot exist without the interface, so they are part of the diff, and of a rollback.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence

from .._engine.reconcile import DELETE
from .._fib import device_routes
from .._fib import route_table as tables
from .._fib.link_routes import PROTOCOL
from .._netlink import route as codec
from .._netlink.connection import Connection
from .._netlink.table_route import TableRoute
from .options import IPV6_MINIMUM_MTU
from .plan import Plan

_NAMED = 5


def lost_families(found: Plan) -> tuple[int, ...]:
    """Return the address families whose routes the kernel removes with the change of an existing link. Pure."""
    for operation in found.link:
        before, after = operation.before, operation.after
        if before is None:
            continue
        if after is None or (before.up and not after.up):
            return tables.FAMILIES
        if (before.mtu or IPV6_MINIMUM_MTU) >= IPV6_MINIMUM_MTU > (after.mtu or IPV6_MINIMUM_MTU):
            return (int(socket.AF_INET6),)
    return ()


def lost_routes(routes: Iterable[TableRoute], found: Plan) -> tuple[TableRoute, ...]:
    """Return the routes through the interface that the kernel removes, and the plan does not. Pure.

    Of an interface that is removed, the routes with our mark are left to the sections of the run that manage them.
    """
    families = lost_families(found)
    planned = {(one.key()[0], one.key()[2]) for one in found.routes if one.before is not None}
    removed = any(operation.action == DELETE for operation in found.link)
    return tuple(
        route
        for route in routes
        if route.destination.family in families
        and not (removed and route.protocol == PROTOCOL)
        and not (
            route.table == codec.RT_TABLE_MAIN
            and route.protocol == PROTOCOL
            and (route.destination, route.metric) in planned
        )
    )


def read_lost_routes(fib: Connection, index: int, found: Plan) -> tuple[TableRoute, ...]:
    """Return lost_routes() of the kernel's tables."""
    return lost_routes(device_routes.read(fib, index), found)


def warning(name: str, lost: Sequence[TableRoute]) -> str:
    """Return what a run says of routes that the kernel removes from an interface that stays."""
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    named = "; ".join(map(shown, lost[:_NAMED]))
    return f"{name}: with this change the kernel removes routes through it, and does not restore them: {named}{more}"


def shown(route: TableRoute) -> str:
    """Return a route as a diff shows it."""
    return f"{tables.describe(route)} proto {route.protocol}"
