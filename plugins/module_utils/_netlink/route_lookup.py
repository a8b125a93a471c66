# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Route lookups in the kernel: interface and source address of packets to a destination.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket

from . import messages as nl
from . import route as codec
from .connection import Connection


def open_connection() -> Connection:
    """Return a strict rtnetlink connection: the kernel then applies filters, and refuses unknown attributes."""
    return Connection(codec.NETLINK_ROUTE, strict=True)


def output_interface(connection: Connection, family: int, address: bytes, mark: int = 0) -> str:
    """Return the name of the interface by which a packet to a packed address leaves this host; "" without a route."""
    try:
        (reply,) = connection.request(codec.RTM_GETROUTE, codec.encode_lookup(family, address, mark))
        return socket.if_indextoname(codec.decode_lookup(reply).interface_index)
    except OSError:  # NetlinkError: no route; else a route without interface
        return ""


def lookup(destination: str, mark: int = 0) -> tuple[str, str] | None:
    """Return (interface name, source address) of packets to an IP address; None without a route."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    request = codec.encode_lookup(family, socket.inet_pton(family, destination), mark)
    with open_connection() as connection:
        try:
            (reply,) = connection.request(codec.RTM_GETROUTE, request)
        except nl.NetlinkError as exc:
            if exc.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
                return None
            raise
    found = codec.decode_lookup(reply)
    if not found.source or not found.interface_index:
        return None
    return socket.if_indextoname(found.interface_index), socket.inet_ntop(family, found.source)
