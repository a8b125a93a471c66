# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The kind of an interface that has the name of a WireGuard interface and is none, such as a bridge.

This module is private to the collection.
"""

from __future__ import annotations

import socket

# A physical interface and the loopback have no kind in the kernel (IFLA_INFO_KIND).
_WITHOUT_KIND = {"lo": "loopback"}


def other_kind(name: str) -> str:
    """Return the kind of an interface that is not WireGuard, "" for one that is, or where there is none. Raises OSError."""
    try:
        socket.if_nametoindex(name)  # knows alternative names too, as the kernel does for a new interface
    except OSError:
        return ""
    from .._host import links
    from .._netlink.route_lookup import open_connection
    from .._wireguard.uapi_socket import is_running

    with open_connection() as fib:
        link = links.read(fib, name)
    if link is None or link.kind == links.WIREGUARD or (link.kind == links.TUN and is_running(name)):
        return ""
    return link.kind or _WITHOUT_KIND.get(name, "physical")
