# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Routes of a table: ownership, planned operations, and batches of requests.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from .._engine.errors import Refused
from .._engine.reconcile import CREATE, DELETE, Operation, reconcile
from .._ip.prefix import Prefix
from .._netlink import messages as nl
from .._netlink import route as codec
from .._netlink.connection import Connection
from .._netlink.table_route import (
    RTA_NH_ID,
    Hop,
    RouteKey,
    TableRoute,
    decode_table_route,
    encode_table_dump,
    encode_table_route,
)
from .link_routes import PROTOCOL
from .route_record import note_of

FAMILIES = (int(socket.AF_INET), int(socket.AF_INET6))
TYPES = {
    "unicast": codec.RTN_UNICAST,
    "local": codec.RTN_LOCAL,
    "blackhole": codec.RTN_BLACKHOLE,
    "unreachable": codec.RTN_UNREACHABLE,
    "prohibit": codec.RTN_PROHIBIT,
    "throw": codec.RTN_THROW,
}
SCOPES = {"global": codec.RT_SCOPE_UNIVERSE, "site": 200, "link": codec.RT_SCOPE_LINK, "host": codec.RT_SCOPE_HOST}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
SCOPE_NAMES = {number: name for name, number in SCOPES.items()}
# A table without routes does not exist.
NO_SUCH_TABLE = (errno.ENOENT,)
_NAMED = 10  # number of routes that a message names


def read(connection: Connection, table: int, families: Iterable[int] = FAMILIES) -> list[TableRoute]:
    """Return all routes of a table, in the kernel's order."""
    found = []
    for family in families:
        try:
            payloads = connection.dump(codec.RTM_GETROUTE, encode_table_dump(family, table))
        except nl.NetlinkError as exc:
            if exc.errno in NO_SUCH_TABLE:
                continue
            raise
        for payload in payloads:
            route = decode_table_route(payload)
            # Kernels before 4.20 ignore the filter, kernels without IPv6 the family.
            if route is not None and route.table == table and route.destination.family == family:
                found.append(route)
    return found


def plan(
    current: Sequence[TableRoute],
    wanted: Sequence[TableRoute],
    absent: Collection[RouteKey] = (),
    *,
    purge: bool = False,
    noted: Collection[str] = (),
) -> list[Operation[TableRoute]]:
    """Return the operations, in an order that the kernel accepts.

    Routes with our protocol are managed, and recorded ones (route_record.py). Raises Refused where a foreign route has the
    key of a wanted one, unless it equals the wanted one in all including the protocol.
    """
    ours: dict[RouteKey, TableRoute] = {}
    again: dict[RouteKey, list[TableRoute]] = {}
    foreign: dict[RouteKey, TableRoute] = {}
    for route in current:
        key = route.key()
        if route.protocol != PROTOCOL and note_of(route) not in noted:
            foreign.setdefault(key, route)
        elif ours.setdefault(key, route) is not route:
            again.setdefault(key, []).append(route)  # from `ip route append`
    wanted = [route for route in wanted if not _is_there(foreign.get(route.key()), route)]
    operations = reconcile(ours.values(), wanted, absent=absent, purge=_any if purge else None, settle=settle)
    taken = [foreign[op.key()] for op in operations if op.action != DELETE and op.key() in foreign]
    if taken:
        raise Refused("; ".join(_taken(route) for route in taken[:_NAMED]) + _more(len(taken)))
    ordered = arranged(operations)
    for operation in operations:
        ordered += [Operation(route, None) for route in again.get(operation.key(), ()) if operation.action != CREATE]
    return ordered


def arranged(operations: Collection[Operation[TableRoute]]) -> list[Operation[TableRoute]]:
    """Return operations in an order that the kernel accepts: routes to gateways before routes through them."""
    made = sorted((op for op in operations if op.action != DELETE), key=_order)
    removed = sorted((op for op in operations if op.action == DELETE), key=_order, reverse=True)
    return made + removed


def _is_there(other: TableRoute | None, wanted: TableRoute) -> bool:
    return other is not None and settle(other, wanted) == other


def _any(_route: TableRoute) -> bool:
    return True


def _taken(route: TableRoute) -> str:
    return (
        f"a route with this destination and metric exists (protocol {route.protocol}), {describe(route)}; "
        "delete it, or take another metric"
    )


def _more(count: int) -> str:
    return f"; and {count - _NAMED} more" if count > _NAMED else ""


def _order(operation: Operation[TableRoute]) -> tuple[bool, int, RouteKey]:
    return order(_subject(operation))


def order(route: TableRoute) -> tuple[bool, int, RouteKey]:
    """Sort routes without gateways before routes with gateways."""
    return (any(hop.via for hop in route.hops), -route.destination.length, route.key())


def as_table_route(destination: Prefix, metric: int, index: int) -> TableRoute:
    """Return a managed route of the main table (IPv4 ones have the scope link, fib_semantics.c)."""
    scope = codec.RT_SCOPE_LINK if destination.family == socket.AF_INET else codec.RT_SCOPE_UNIVERSE
    return TableRoute(
        destination, codec.RT_TABLE_MAIN, metric, codec.RTN_UNICAST, PROTOCOL, scope, (Hop(interface_index=index),)
    )


def settle(before: TableRoute | None, wanted: TableRoute) -> TableRoute:
    """Return the wanted route, with the fields that it leaves to the kernel taken from the current route.

    These are the interface of a hop that has only a gateway, and the order of next hops.
    """
    if before is None or before == wanted or not wanted.hops:
        return wanted
    hops = wanted.hops
    if not all(hop.interface_index for hop in hops):
        chosen = {hop._replace(interface_index=0): hop for hop in before.hops}
        hops = tuple(hop if hop.interface_index else chosen.get(hop, hop) for hop in hops)
    return replace(wanted, hops=before.hops if sorted(hops) == sorted(before.hops) else hops)


_FLAGS = {
    "create": (codec.RTM_NEWROUTE, nl.NLM_F_CREATE | nl.NLM_F_EXCL),
    "update": (codec.RTM_NEWROUTE, nl.NLM_F_CREATE | nl.NLM_F_REPLACE),
    "delete": (codec.RTM_DELROUTE, 0),
}


def apply(connection: Connection, operations: Sequence[Operation[TableRoute]]) -> int:
    """Apply a plan and return the number of requests. Raises NetlinkError, which names the routes."""
    requests = 0
    for action, run in groupby(operations, key=lambda operation: operation.action):
        part = list(run)
        kind, flags = _FLAGS[action]
        refusals = connection.batch(kind, flags, [encode_table_route(_subject(op)) for op in part])
        # A route to delete may be gone already, with its interface or by another program.
        refusals = {at: no for at, no in refusals.items() if not (action == DELETE and no.errno == errno.ESRCH)}
        if refusals:
            named = "; ".join(
                f"{describe(_subject(part[at]))}: {refusals[at].explanation or refusals[at].strerror}"
                for at in sorted(refusals)[:_NAMED]
            )
            first = refusals[min(refusals)]
            raise nl.NetlinkError(first.errno or 0, f"{named}{_more(len(refusals))}")
        requests += len(part)
    return requests


def _subject(operation: Operation[TableRoute]) -> TableRoute:
    if operation.after is not None:
        return operation.after
    if operation.before is None:
        raise ValueError("an operation has a state before or a state after")
    return operation.before.identified


def type_name(route: TableRoute) -> str:
    """Return the type of a route as ip-route(8) writes it."""
    return TYPE_NAMES.get(route.type, str(route.type))


def name_of(index: int) -> str:
    """Return an interface's name, or its index if it no longer exists."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return f"if{index}"


def describe(route: TableRoute, names: Callable[[int], str] = name_of) -> str:
    """Return the route for messages, as `ip route` prints it."""
    destination = str(route.destination)
    if not route.destination.length:
        destination = "default (ipv6)" if route.destination.family == socket.AF_INET6 else "default"
    said = [f"nhid {int.from_bytes(content, sys.byteorder)}" for number, content in route.rest if number == RTA_NH_ID]
    said += ["(and more)"] * any(number != RTA_NH_ID for number, _content in route.rest)
    return " ".join([*_words(route, names, destination, _scope(route)), *said])


def line(route: TableRoute, names: Callable[[int], str] = name_of) -> str:
    """Return the route as `ip route` takes it."""
    # Without a given scope, a route without gateway gets the scope link.
    said = _scope(route) or (["scope", "0"] if route.destination.family == socket.AF_INET else [])
    return " ".join(_words(route, names, str(route.destination), [*said, "proto", str(route.protocol)]))


def _scope(route: TableRoute) -> list[str]:
    if route.scope == codec.RT_SCOPE_UNIVERSE:
        return []
    return ["scope", SCOPE_NAMES.get(route.scope, str(route.scope))]


def _words(route: TableRoute, names: Callable[[int], str], destination: str, more: Sequence[str]) -> list[str]:
    """Return the words of `ip route` for a route; ``more`` come before the next hops, which are last."""
    said = [] if route.type == codec.RTN_UNICAST else [TYPE_NAMES.get(route.type, f"type {route.type}")]
    said.append(destination)
    if route.from_network:
        said += ["from", str(route.from_network)]
    if route.tos:
        said += ["tos", f"{route.tos:#x}"]
    if len(route.hops) == 1:
        said += _describe_hop(route, route.hops[0], names)
    said += ["table", str(route.table), *more]
    if route.source:
        said += ["src", socket.inet_ntop(route.destination.family, route.source)]
    if route.metric:
        said += ["metric", str(route.metric)]
    if route.mtu:
        said += ["mtu", str(route.mtu)]
    if len(route.hops) > 1:
        for hop in route.hops:
            said += ["nexthop", *_describe_hop(route, hop, names), "weight", str(hop.weight)]
    return said


def _describe_hop(route: TableRoute, hop: Hop, names: Callable[[int], str]) -> list[str]:
    words = []
    if hop.via:
        family = socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET
        words += ["via", *(["inet6"] if family != route.destination.family else []), socket.inet_ntop(family, hop.via)]
    if hop.interface_index:
        words += ["dev", names(hop.interface_index)]
    if hop.onlink:
        words.append("onlink")
    return words
