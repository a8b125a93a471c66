# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Creating, changing and removing network interfaces.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from typing import Any

from .links import Link


class KindUnsupported(OSError):
    """The kernel does not support this kind of interface."""

    def __init__(self, kind: str) -> None:
        super().__init__(errno.EOPNOTSUPP, f"this kernel has no interface of kind {kind}")
        self.kind = kind


def create(ipr: Any, name: str, kind: str, index: int = 0) -> None:
    """Create an interface, with an index if one is given. Raises KindUnsupported where the kernel cannot."""
    from .rtnetlink import error_types

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
    """Set the interface up or down. A WireGuard device binds its listen port when it is set up."""
    list(ipr.link("set", index=index, state="up" if up else "down"))


def delete(ipr: Any, index: int) -> None:
    """Remove an interface, and with it its peers, addresses and routes."""
    list(ipr.link("del", index=index))
