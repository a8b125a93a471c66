# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory wants of spokes that send everything through their hubs.

This plugin util is private to the collection.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.wirewright.overlay.plugins.plugin_utils.reader import Reader

VARIABLES = ("full_tunnel", "full_tunnel_table", "full_tunnel_priority")

# Neither is in the ranges of kube-proxy, Calico or Cilium; the table's number is the mark too, as with wg-quick.
DEFAULT_TABLE = DEFAULT_PRIORITY = 7170
# Rules have this many priorities, beginning with the one that is set.
PRIORITIES = 6
# The last one before the kernel's own rule for the main table.
_LAST_PRIORITY = 32765
_SHARED_TABLES = {253: "default", 254: "main", 255: "local"}


class FullTunnelSettings(NamedTuple):
    """What the inventory wants of one spoke."""

    wanted: bool = False
    table: int = DEFAULT_TABLE
    priority: int = DEFAULT_PRIORITY


def read_full_tunnel(read: Reader) -> FullTunnelSettings:
    """Return what a host's variables say; what is wrong with them is noted."""
    table = read.integer("full_tunnel_table", DEFAULT_TABLE, 1, 0xFFFFFFFF)
    if table in _SHARED_TABLES:
        read.note("full_tunnel_table", f"{table} is the table {_SHARED_TABLES[table]} of the host; take another")
    return FullTunnelSettings(
        read.boolean("full_tunnel", False),
        table,
        read.integer("full_tunnel_priority", DEFAULT_PRIORITY, 1, _LAST_PRIORITY - PRIORITIES + 1),
    )
