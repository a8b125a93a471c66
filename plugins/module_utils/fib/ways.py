# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which way a packet would go: the kernel's own answer.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket

from ..netlink import messages as nl
from ..netlink import route as codec
from ..netlink.connection import Connection


def open_connection() -> Connection:
    """Return a strict rtnetlink connection: the kernel then honours filters and refuses what it does not know."""
    return Connection(codec.NETLINK_ROUTE, strict=True)


def lookup(destination: str, mark: int = 0) -> tuple[str, str] | None:
    """Return (interface name, source address) a packet to an IP address would leave by; None without a route."""
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
