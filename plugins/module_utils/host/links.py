# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Network interfaces: what they are, and the few attributes we set on our own.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from typing import Any

from ..netlink import link as codec
from ..netlink import messages as nl
from ..netlink.connection import Connection
from .rtnetlink import error_types

# IFNAMSIZ without the NUL; the characters that every one of ip(8), wg-quick(8), sysctl(8) and nft(8) takes as they are.
INTERFACE_NAME = re.compile(r"[A-Za-z0-9_=+-][A-Za-z0-9_=+.-]{0,14}\Z")

# The ifalias that marks an interface as made by us.
OWNER_ALIAS = "wirewright.overlay"
WIREGUARD = "wireguard"
TUN = "tun"


@dataclass(frozen=True)
class Link:
    """An interface. In a wanted one, None leaves an attribute alone.

    threaded_napi is read only for whom it is to be set, and None where the kernel does not say (threaded_napi.py).
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
        """Whether it carries our alias."""
        return self.alias == OWNER_ALIAS

    def describe(self) -> dict[str, object]:
        """Return the interface's state as a diff shows it."""
        napi = {} if self.threaded_napi is None else {"threaded_napi": self.threaded_napi}
        return {"mtu": self.mtu, "up": self.up, "alias": self.alias or "", **napi}


class KindUnsupported(OSError):
    """The kernel knows no interface of this kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(errno.EOPNOTSUPP, f"this kernel has no interface of kind {kind}")
        self.kind = kind


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


def create(ipr: Any, name: str, kind: str, index: int = 0) -> None:
    """Make an interface, with this index where one is given. Raises KindUnsupported where the kernel cannot."""
    try:
        list(ipr.link("add", ifname=name, kind=kind, **({"index": index} if index else {})))
    except error_types() as exc:
        if exc.code == errno.EOPNOTSUPP:  # type: ignore[attr-defined]
            raise KindUnsupported(kind) from None
        raise


def update(ipr: Any, before: Link, after: Link) -> None:
    """Set the attributes that differ, except the up flag."""
    attributes: dict[str, object] = {}
    if after.mtu is not None and after.mtu != before.mtu:
        attributes["mtu"] = after.mtu
    if after.alias is not None and after.alias != before.alias:
        attributes["IFLA_IFALIAS"] = after.alias
    if attributes:
        list(ipr.link("set", index=before.index, **attributes))


def set_up(ipr: Any, index: int, up: bool) -> None:
    """Set the interface up or down. A WireGuard device binds its listen port when it goes up."""
    list(ipr.link("set", index=index, state="up" if up else "down"))


def delete(ipr: Any, index: int) -> None:
    """Remove an interface, and with it its peers, addresses and routes."""
    list(ipr.link("del", index=index))
