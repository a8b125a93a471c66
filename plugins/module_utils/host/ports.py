# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""UDP ports of this host.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket


class PortTaken(ValueError):
    """A UDP port belongs to somebody else."""

    def __init__(self, interface: str, port: int) -> None:
        super().__init__(
            f"{interface}: UDP port {port} is in use on this host; `ss -lunp` names the process, if it is one. "
            "Choose another listen_port"
        )


def refuse_taken(interface: str, port: int) -> None:
    """Raise PortTaken where an interface could not listen on a port: it needs it for IPv4 and for IPv6."""
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
