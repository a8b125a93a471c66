# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""WireGuard devices of the kernel, over generic netlink.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence

from .._netlink import generic
from .._netlink.connection import Connection
from .._netlink.messages import NetlinkError
from . import codec
from .kernel_module import FAMILY
from .model import Device, PeerChange, Settings


class NotWireGuard(OSError):
    """An interface of this name exists, but it is of another kind."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.EOPNOTSUPP, f"{name} is not a WireGuard interface")


class Kernel:
    """Backend for devices of the kernel module. Raises FamilyMissing where the kernel has no WireGuard."""

    def read(self, name: str) -> Device | None:
        """Return the device, None where there is no interface of this name. Raises NotWireGuard."""
        with Connection(generic.NETLINK_GENERIC) as connection:
            family = generic.family_id(connection, FAMILY)
            try:
                return codec.decode_device(name, connection.dump(family, codec.encode_get(name)))
            except NetlinkError as exc:
                if exc.errno == errno.ENODEV:
                    return None
                if exc.errno == errno.EOPNOTSUPP:
                    raise NotWireGuard(name) from None
                raise

    def write(self, name: str, settings: Settings, changes: Sequence[PeerChange]) -> int:
        """Send the changes in as few messages as possible; returns their number."""
        sent = 0
        with Connection(generic.NETLINK_GENERIC) as connection:
            family = generic.family_id(connection, FAMILY)
            for payload in codec.encode_set(name, settings, changes):
                connection.request(family, payload)
                sent += 1
        return sent


def among(names: Iterable[str]) -> list[str]:
    """Return the WireGuard devices of the kernel among some interfaces."""
    found = []
    with Connection(generic.NETLINK_GENERIC) as connection:
        try:
            family = generic.family_id(connection, FAMILY)
        except generic.FamilyMissing:
            return []
        for name in names:
            try:
                connection.dump(family, codec.encode_get(name))
            except NetlinkError as exc:
                if exc.errno not in (errno.ENODEV, errno.EOPNOTSUPP):
                    raise
            else:
                found.append(name)
    return found
