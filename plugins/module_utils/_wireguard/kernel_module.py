# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether the kernel has WireGuard.

This module is private to the collection.
"""

from __future__ import annotations

from .._netlink import generic
from .._netlink.connection import Connection

FAMILY = "wireguard"  # the generic netlink family (linux/wireguard.h, WG_GENL_NAME)


def available() -> bool:
    """Return whether this kernel has WireGuard. The request loads the module if there is one."""
    with Connection(generic.NETLINK_GENERIC) as connection:
        try:
            generic.family_id(connection, FAMILY)
        except generic.FamilyMissing:
            return False
    return True
