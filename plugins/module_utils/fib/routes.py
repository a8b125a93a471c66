# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Routes through an interface of ours, in the main table, marked as ours by their protocol.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from ..netlink import messages as nl
from ..netlink import route as codec
from ..netlink.connection import Connection
from ..prefix import Prefix
from ..reconcile import Operation, reconcile

# Ours among the values from 5 to 255 that nobody else claims (linux/rtnetlink.h, rt_protos).
PROTOCOL = 87

# What the kernel itself gives an IPv6 route without a metric (linux/ipv6_route.h, IP6_RT_PRIO_USER).
_IPV6_METRIC = 1024


@dataclass(frozen=True)
class Route:
    """A unicast route to a destination, straight out of an interface."""

    destination: Prefix
    interface: str
    protocol: int = PROTOCOL
    table: int = codec.RT_TABLE_MAIN
    metric: int = 0

    def key(self) -> tuple[Prefix, int, int]:
        """What the kernel tells routes apart by (fib_insert_alias, ip6_route_add)."""
        return (self.destination, self.table, self.metric)


class RouteTaken(ValueError):
    """Another route to the same destination, with the same metric, is not ours to replace."""

    def __init__(self, destination: Prefix) -> None:
        super().__init__(
            f"there is already another route to {destination} in the main table; remove it, "
            f"or take {destination} out of the allowed IPs"
        )


def route(destination: Prefix, interface: str, metric: int = 0) -> Route:
    """Return the wanted route to a destination, with the metric the kernel will report for it; 0 for its own choice."""
    by_default = _IPV6_METRIC if destination.family == socket.AF_INET6 else 0
    return Route(destination, interface, metric=metric or by_default)


def read(connection: Connection, interface: str, index: int) -> list[Route]:
    """Return our routes through an interface: those of the main table that carry our protocol."""
    return [found for found in read_all(connection, interface, index) if found.protocol == PROTOCOL]


def read_all(connection: Connection, interface: str, index: int) -> list[Route]:
    """Return all unicast routes of the main table that go straight out of an interface."""
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
        # A table without a single route does not exist.
        if exc.errno == errno.ENOENT:
            return []
        raise


def plan(current: Iterable[Route], wanted: Iterable[Route]) -> list[Operation[Route]]:
    """Return the operations after which exactly the wanted routes of ours are there."""
    return reconcile(current, wanted, purge=lambda found: found.protocol == PROTOCOL)


def apply(connection: Connection, index: int, operations: Iterable[Operation[Route]]) -> None:
    """Add and remove routes. Raises RouteTaken where the kernel holds another one in the same place."""
    for operation in operations:
        destination, table, metric = operation.key()
        payload = codec.encode_route(destination, table, PROTOCOL, metric, index)
        if operation.after is None:
            _delete(connection, payload)
            continue
        try:
            connection.request(codec.RTM_NEWROUTE, payload, nl.NLM_F_CREATE | nl.NLM_F_EXCL)
        except nl.NetlinkError as exc:
            if exc.errno != errno.EEXIST:
                raise
            raise RouteTaken(destination) from None


def refuse_taken(connection: Connection, operations: Iterable[Operation[Route]]) -> None:
    """Raise RouteTaken where a route that is to be added would stand in another one's place."""
    for operation in operations:
        if operation.before is not None:
            continue
        destination, table, metric = operation.key()
        try:
            (reply,) = connection.request(codec.RTM_GETROUTE, codec.encode_match(destination))
        except (nl.NetlinkError, ValueError):  # no route at all, or a kernel before 4.13, which answers otherwise
            continue
        match = codec.decode_lookup(reply)
        if match.destination == destination and (match.table, match.metric) == (table, metric):
            raise RouteTaken(destination)


def _delete(connection: Connection, payload: bytes) -> None:
    try:
        connection.request(codec.RTM_DELROUTE, payload)
    except nl.NetlinkError as exc:
        # It went away with an address or by another hand.
        if exc.errno != errno.ESRCH:
            raise
