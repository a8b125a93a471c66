# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What the kernel removes by itself when an interface changes.

An interface that is set down loses its IPv6 addresses, unless keep_addr_on_down is set, and all routes through it. One
with an MTU below 1280 loses all of IPv6. One that is removed loses everything. Addresses that are not to be changed are
added again (apply.py). Routes cannot exist without the interface, so they are part of the diff, and of a rollback, and so
are the kernel parameters of an interface that is removed.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from .._engine.reconcile import DELETE
from .._fib import device_routes
from .._fib import route_table as tables
from .._fib.link_routes import PROTOCOL, Route
from .._host import sysctl_changes
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


def lost_routes(routes: Iterable[TableRoute], found: Plan, own: Iterable[Route] = ()) -> tuple[TableRoute, ...]:
    """Return the routes through the interface that the kernel removes, and the plan does not. Pure.

    own: the managed routes of an interface, which go with it where it is removed.
    """
    families = lost_families(found)
    planned = {(one.key()[0], one.key()[2]) for one in found.routes if one.before is not None}
    if removes(found):
        planned |= {(one.destination, one.metric) for one in own}
    return tuple(
        route
        for route in routes
        if route.destination.family in families
        and not (
            route.table == codec.RT_TABLE_MAIN
            and route.protocol == PROTOCOL
            and (route.destination, route.metric) in planned
        )
    )


def read_lost(fib: Connection, index: int, found: Plan, own: Iterable[Route]) -> Plan:
    """Return the plan with what the kernel removes by itself: lost_routes() of its tables, and parameters."""
    parameters = sysctl_changes.of_interface(found.name) if removes(found) else ()
    return replace(found, lost=lost_routes(device_routes.read(fib, index), found, own), lost_sysctls=tuple(parameters))


def removes(found: Plan) -> bool:
    """Return whether a plan removes the interface. Pure."""
    return any(operation.action == DELETE for operation in found.link)


def without_planned(found: Plan, planned: Collection[TableRoute]) -> Plan:
    """Return the plan without lost routes that another section of the run deletes, and restores in a rollback. Pure."""
    return replace(found, lost=tuple(route for route in found.lost if route not in planned))


def warning(name: str, lost: Sequence[TableRoute]) -> str:
    """Return what a run says of routes that the kernel removes from an interface that stays."""
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    named = "; ".join(shown(route, name) for route in lost[:_NAMED])
    return f"{name}: with this change the kernel removes routes through it, and does not restore them: {named}{more}"


def shown(route: TableRoute, interface: str) -> str:
    """Return a route through an interface as a diff shows it, also when the interface has been removed."""

    def name_of(index: int) -> str:
        try:
            return socket.if_indextoname(index)
        except OSError:
            return interface

    return f"{tables.describe(route, name_of)} proto {route.protocol}"
