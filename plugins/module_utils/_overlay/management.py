# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The flows of the management connection for modules of one kind of object: its own packets, and those of its tunnels.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._host.ssh_connection import Flow
from .._netlink.connection import Connection
from .._netlink.route_lookup import open_connection


def management_flows(fib: Connection) -> Sequence[Flow]:
    """Return the flows from the inside out, none where there is no management connection. Raises OSError."""
    from .tunnel_path import find

    return find(fib).flows


def tunnel_flows() -> Sequence[Flow]:
    """Return the outer packets of the tunnels that carry the management connection. Raises OSError."""
    with open_connection() as fib:
        return management_flows(fib)[1:]
