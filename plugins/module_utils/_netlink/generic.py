# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Generic netlink: families by name (linux/genetlink.h).

This module is private to the collection.
"""

from __future__ import annotations

import errno
import struct

from . import messages as nl
from .connection import Connection

NETLINK_GENERIC = 16
HEADER = struct.Struct("=BBH")  # struct genlmsghdr: command, version, reserved

_GENL_ID_CTRL = 0x10
_CTRL_CMD_GETFAMILY = 3
_CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 1, 2


class FamilyMissing(OSError):
    """The kernel has no generic netlink family of this name: the module is not loaded or does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ENOENT, f"the kernel has no generic netlink family {name!r}")


def family_id(connection: Connection, name: str) -> int:
    """Return the message type of a family. The request makes the kernel load the module (as root). Raises FamilyMissing."""
    payload = HEADER.pack(_CTRL_CMD_GETFAMILY, 1, 0) + nl.text(_CTRL_ATTR_FAMILY_NAME, name)
    try:
        (reply,) = connection.request(_GENL_ID_CTRL, payload)
    except nl.NetlinkError as exc:
        if exc.errno == errno.ENOENT:
            raise FamilyMissing(name) from None
        raise
    found = dict(nl.attributes(reply, HEADER.size))
    return int(struct.unpack("=H", found[_CTRL_ATTR_FAMILY_ID])[0])
