# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The UNIX socket of a userspace implementation of WireGuard.

Separate from userspace.py, the protocol on this socket, because every run looks for the socket and few hosts need the
protocol.

This module is private to the collection.
"""

from __future__ import annotations

import socket

SOCKET_DIRECTORY = "/var/run/wireguard"

_TIMEOUT_SECONDS = 60.0  # ten thousand new peers take 2 s on an idle machine


def socket_path(name: str) -> str:
    """Return the path of an interface's socket."""
    return f"{SOCKET_DIRECTORY}/{name}.sock"


def is_running(name: str) -> bool:
    """Return whether a process serves the interface. It connects, because a killed process leaves its socket."""
    try:
        with connect(name):
            return True
    except (FileNotFoundError, ConnectionRefusedError):
        return False


def connect(name: str) -> socket.socket:
    """Return a connection to the process of an interface. Raises OSError."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    link.settimeout(_TIMEOUT_SECONDS)
    try:
        link.connect(socket_path(name))
    except OSError:
        link.close()
        raise
    return link
