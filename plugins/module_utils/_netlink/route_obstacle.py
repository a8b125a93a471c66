# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether this host can send packets to an address: it has a route, and an address of its own to send from.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket

from . import messages as nl
from . import route as codec
from .connection import Connection

NO_ROUTE = "no route from this host"
# Of no route, of routes that prohibit packets and that drop them, and of a kernel without IPv6.
_ERRORS = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EACCES,
    errno.EINVAL,
    errno.EOPNOTSUPP,
    errno.EAFNOSUPPORT,
    errno.EPFNOSUPPORT,
)


def route_obstacle(connection: Connection, family: int, address: bytes, mark: int = 0) -> str:
    """Return why this host cannot send a packet to a packed address, "" where it can: it has no route, or no source address.

    A link-local address of IPv6 is none for packets that a gateway forwards.
    """
    try:
        (reply,) = connection.request(codec.RTM_GETROUTE, codec.encode_lookup(family, address, mark))
    except nl.NetlinkError as exc:
        return NO_ROUTE if exc.errno in _ERRORS else ""
    return source_obstacle(family, codec.decode_lookup(reply))


def source_obstacle(family: int, found: codec.RouteMessage) -> str:
    """Return why packets by the route of a lookup have no usable source address, "" where they have one. Pure."""
    source = found.source or b""
    if family == socket.AF_INET:
        return "" if any(source) else "this host has no IPv4 address"
    local = source[:1] == b"\xfe" and source[1] & 0xC0 == 0x80
    return "" if any(source[:15]) and not (local and found.has_gateway) else "this host has no global IPv6 address"
