# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""UDP ports of this host.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

_LISTED = 1000


class PortTaken(ValueError):
    """A UDP port is in use by another program."""

    def __init__(self, interface: str, port: int) -> None:
        super().__init__(
            f"{interface}: UDP port {port} is in use on this host; `ss -lunp` names the process, if it is one. "
            "Choose another O(listen_port)"
        )


def in_use() -> list[int]:
    """Return the UDP ports that are bound on this host, sockets of the kernel included; the first thousand."""
    found: set[int] = set()
    for name in ("udp", "udp6"):
        with suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            found.update(bound_ports(file.read()))
    return sorted(found)[:_LISTED]


def bound_ports(table: str) -> set[int]:
    """Return the local ports in a table of /proc/net, whose lines begin with `sl: local_address` in hexadecimal."""
    lines = (line.split() for line in table.splitlines()[1:])
    return {int(fields[1].rpartition(":")[2], 16) for fields in lines if len(fields) > 1}


def refuse_taken(interface: str, port: int) -> None:
    """Raise PortTaken if a port is in use for IPv4 or IPv6: an interface binds it for both."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            _bind(family, port)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                raise PortTaken(interface, port) from None
            if exc.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # a host without this family
                raise


def _bind(family: int, port: int) -> None:
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(("", port))
