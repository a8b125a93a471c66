# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Network interfaces, and the attributes that are set on managed ones.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field

from .._netlink import link as codec
from .._netlink import messages as nl
from .._netlink.connection import Connection

# IFNAMSIZ without the NUL; characters that ip(8), wg-quick(8), sysctl(8) and nft(8) all take literally.
INTERFACE_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9_=+.-]{0,14}\Z")

# The ifalias of managed interfaces.
OWNER_ALIAS = "wirewright.overlay"
WIREGUARD = "wireguard"
TUN = "tun"


@dataclass(frozen=True)
class Link:
    """An interface. In a wanted one, None keeps the current attribute.

    threaded_napi is read only where a value is wanted, and None where the kernel does not report it (threaded_napi.py).
    """

    name: str
    kind: str
    mtu: int | None = None
    up: bool | None = None
    alias: str | None = None
    index: int = field(default=0, compare=False)
    threaded_napi: bool | None = None

    def key(self) -> str:
        """The interface name."""
        return self.name

    @property
    def is_ours(self) -> bool:
        """Whether it has our alias."""
        return self.alias == OWNER_ALIAS

    def describe(self) -> dict[str, object]:
        """Return the interface's state as a diff shows it."""
        napi = {} if self.threaded_napi is None else {"threaded_napi": self.threaded_napi}
        return {"mtu": self.mtu, "up": self.up, "alias": self.alias or "", **napi}


def read(connection: Connection, name: str) -> Link | None:
    """Return the interface, None where there is none of this name."""
    try:
        (reply,) = connection.request(codec.RTM_GETLINK, codec.encode_get_link(name))
    except nl.NetlinkError as exc:
        if exc.errno == errno.ENODEV:
            return None
        raise
    found = codec.decode_link(reply)
    return Link(name, found.kind, found.mtu, found.up, found.alias, found.interface_index)
