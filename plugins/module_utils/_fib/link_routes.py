# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Routes through a managed interface in the main table, marked by their protocol.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from .._engine.reconcile import Operation, reconcile
from .._ip.prefix import Prefix
from .._netlink import messages as nl
from .._netlink import route as codec
from .._netlink.connection import Connection

PROTOCOL = codec.PROTOCOL

# Destination, table and metric: the key of a route in the kernel (fib_insert_alias, ip6_route_add).
RouteKey = tuple[Prefix, int, int]

# The kernel's metric for an IPv6 route without one (linux/ipv6_route.h, IP6_RT_PRIO_USER).
IPV6_METRIC = 1024

_BOOT_PROTOCOLS = (3, 4)  # RTPROT_BOOT, RTPROT_STATIC


@dataclass(frozen=True)
class Route:
    """A unicast route to a destination through an interface, without a gateway."""

    destination: Prefix
    interface: str
    protocol: int = PROTOCOL
    table: int = codec.RT_TABLE_MAIN
    metric: int = 0

    def key(self) -> RouteKey:
        """The key of the route in the kernel."""
        return (self.destination, self.table, self.metric)


class RouteTaken(ValueError):
    """A foreign route has the same destination and metric, or a higher metric; or a managed one has the same.

    interface: that of a managed route, "" for a foreign one.
    """

    def __init__(self, destination: Prefix, interface: str = "") -> None:
        foreign = (
            f"there is already another route to {destination} in the main table; remove it, "
            f"or list {destination} in O(routes_except) to keep it"
        )
        managed = (
            f"{interface} has a route to {destination} with the same metric, and keeps it; use another route_metric "
            f"(hub_spoke_priority) for one of the interfaces, or take {destination} out of the allowed IPs of one"
        )
        super().__init__(managed if interface else foreign)


def route(destination: Prefix, interface: str, metric: int = 0) -> Route:
    """Return the wanted route to a destination, with the metric that the kernel reports; 0 for its default."""
    by_default = IPV6_METRIC if destination.family == socket.AF_INET6 else 0
    return Route(destination, interface, metric=metric or by_default)


def read(connection: Connection, interface: str, index: int, adopted: Collection[Prefix] = ()) -> list[Route]:
    """Return our routes of the main table through an interface, and those of boot programs to the adopted destinations."""
    every = read_all(connection, interface, index)
    return [r for r in every if r.protocol == PROTOCOL or (r.protocol in _BOOT_PROTOCOLS and r.destination in adopted)]


def read_all(connection: Connection, interface: str, index: int) -> list[Route]:
    """Return all unicast routes of the main table that have an interface and no gateway."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for payload in _dump(connection, codec.encode_dump(family, codec.RT_TABLE_MAIN, index)):
            message = codec.decode_route(payload)
            # Kernels before 4.20 ignore the filter.
            if message is None or message.interface_index != index or message.table != codec.RT_TABLE_MAIN:
                continue
            if message.type == codec.RTN_UNICAST and not message.has_gateway:
                found.append(Route(message.destination, interface, message.protocol, message.table, message.metric))
    return found


def _dump(connection: Connection, request: bytes) -> list[bytes]:
    try:
        return connection.dump(codec.RTM_GETROUTE, request)
    except nl.NetlinkError as exc:
        if exc.errno == errno.ENOENT:  # a table without routes does not exist
            return []
        raise


def plan(current: Iterable[Route], wanted: Iterable[Route], *, adopts: bool = False) -> list[Operation[Route]]:
    """Return the operations after which the managed routes, and those that are adopted, are exactly the wanted ones."""
    return reconcile(current, wanted, purge=lambda found: adopts or found.protocol == PROTOCOL)


def apply(
    connection: Connection,
    index: int,
    operations: Iterable[Operation[Route]],
    *,
    taken: Collection[RouteKey] = (),
    given: Collection[RouteKey] = (),
) -> None:
    """Add and remove routes. Raises RouteTaken where a foreign route has the same key.

    taken: keys of managed routes through other interfaces, which are replaced in one step. given: keys of routes that
    another interface replaces, so they are not deleted.
    """
    for operation in operations:
        destination, table, metric = key = operation.key()
        protocol = (operation.after or operation.before or Route(destination, "")).protocol
        payload = codec.encode_route(destination, table, protocol, metric, index)
        if operation.after is None:
            if key not in given:
                _delete(connection, payload)
            continue
        try:
            replaces = key in taken or operation.before is not None
            flag = nl.NLM_F_REPLACE if replaces else nl.NLM_F_EXCL
            connection.request(codec.RTM_NEWROUTE, payload, nl.NLM_F_CREATE | flag)
        except nl.NetlinkError as exc:
            if exc.errno != errno.EEXIST:
                raise
            raise RouteTaken(destination) from None


def refuse_taken(connection: Connection, operations: Iterable[Operation[Route]]) -> None:
    """Raise RouteTaken where a foreign route has the key of a route to add, or would lose its network to it."""
    for operation in operations:
        if operation.before is not None:
            continue
        destination, table, metric = operation.key()
        try:
            (reply,) = connection.request(codec.RTM_GETROUTE, codec.encode_match(destination))
        except (nl.NetlinkError, ValueError):  # no route, or a kernel before 4.13 with another answer
            continue
        match = codec.decode_lookup(reply)
        loses = match.metric == metric or (match.metric > metric and match.protocol != PROTOCOL)
        if loses and (match.destination, match.table) == (destination, table):
            raise RouteTaken(destination, _name_of(match.interface_index) if match.protocol == PROTOCOL else "")


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""


def _delete(connection: Connection, payload: bytes) -> None:
    try:
        connection.request(codec.RTM_DELROUTE, payload)
    except nl.NetlinkError as exc:
        # It was removed with an address, or by another program.
        if exc.errno != errno.ESRCH:
            raise
