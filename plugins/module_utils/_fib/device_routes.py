# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Routes of all tables and owners that exist only as long as an interface is up.

This module is private to the collection.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from .._engine.reconcile import Operation
from .._netlink import messages as nl
from .._netlink import route as codec
from .._netlink.connection import Connection
from .._netlink.table_route import TableRoute, decode_table_route
from . import route_table as tables

_KERNEL = (1, 2)  # RTPROT_REDIRECT, RTPROT_KERNEL
_ANY_TABLE = 0


def read(connection: Connection, index: int) -> list[TableRoute]:
    """Return the routes that lead through an interface alone, without those that the kernel makes itself."""
    found = [
        route
        for route in read_any(connection, index)
        # A route with next hops elsewhere stays.
        if route.protocol not in _KERNEL and all(hop.interface_index == index for hop in route.hops)
    ]
    return sorted(found, key=tables.order)


def read_any(connection: Connection, index: int) -> list[TableRoute]:
    """Return all routes that lead through an interface, alone or among others."""
    found = []
    for family in tables.FAMILIES:
        try:
            payloads = connection.dump(codec.RTM_GETROUTE, codec.encode_dump(family, _ANY_TABLE, index))
        except nl.NetlinkError as exc:
            if exc.errno in tables.NO_SUCH_TABLE:
                continue
            raise
        for payload in payloads:
            route = decode_table_route(payload)
            # Kernels before 4.20 ignore the filter, kernels without IPv6 the family.
            if route is None or route.destination.family != family:
                continue
            if any(hop.interface_index == index for hop in route.hops):
                found.append(route)
    return found


def restore(connection: Connection, routes: list[TableRoute]) -> None:
    """Add routes again, and continue after a refused one."""
    for route in routes:
        with suppress(nl.NetlinkError):
            tables.apply(connection, [Operation(None, route)])


def through(routes: tuple[TableRoute, ...], index: int) -> list[TableRoute]:
    """Return routes through one interface as they are through the interface with another index."""
    return [replace(one, hops=tuple(hop._replace(interface_index=index) for hop in one.hops)) for one in routes]
