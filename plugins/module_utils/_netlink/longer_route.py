# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a host has its own route to an address inside a network.

This module is private to the collection.
"""

from __future__ import annotations

from .._ip.prefix import Prefix
from . import messages as nl
from . import route as codec
from .connection import Connection


def has_longer_route(connection: Connection, address: Prefix, length: int) -> bool:
    """Return whether the route to an address has a longer prefix than a network around it."""
    try:
        (reply,) = connection.request(codec.RTM_GETROUTE, codec.encode_match(address))
    except (nl.NetlinkError, ValueError):  # no route, or a kernel before 4.13 with another answer
        return False
    return codec.decode_lookup(reply).destination.length > length
