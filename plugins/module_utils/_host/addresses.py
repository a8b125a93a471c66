# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Addresses of an interface.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from .._engine.reconcile import Operation, reconcile
from .._ip.prefix import Address, is_link_local
from .._netlink import link as codec
from .._netlink.connection import Connection

# What marks an address as one of ours (IFA_PROTO, since Linux 5.18), as it does a route.
PROTOCOL = 87


@dataclass(frozen=True)
class InterfaceAddress:
    """One address of an interface, with its on-link prefix length.

    raw: the kernel's message, from which it can be restored with all its attributes.
    """

    address: Address
    is_ours: bool = field(default=False, compare=False)
    raw: bytes = field(default=b"", compare=False, repr=False)

    def key(self) -> Address:
        """What identifies it in the kernel: an IPv6 address alone, an IPv4 address with its prefix length."""
        return self.address if self.address.family == socket.AF_INET else self.address._replace(length=128)

    @property
    def is_link_local(self) -> bool:
        """Whether it is a link-local one of IPv6."""
        return is_link_local(self.address.packed)


def read(connection: Connection, index: int, wanted: Iterable[Address] = ()) -> list[InterfaceAddress]:
    """Return the addresses of an interface, without link-local ones that the kernel made and that were not requested."""
    found = []
    asked = {address.packed for address in wanted}
    for payload in connection.dump(codec.RTM_GETADDR, codec.encode_dump_addresses(index)):
        message = codec.decode_address(payload)
        # Kernels before 4.20 ignore the filter.
        if message is None or message.interface_index != index:
            continue
        entry = InterfaceAddress(message.address, message.protocol == PROTOCOL, payload)
        made = message.protocol == codec.IFAPROT_KERNEL_LL or message.flags & codec.IFA_F_STABLE_PRIVACY
        if not (entry.is_link_local and made) or message.address.packed in asked:
            found.append(entry)
    return found


def plan(
    current: Iterable[InterfaceAddress], wanted: Iterable[Address], recorded: Collection[str] = ()
) -> list[Operation[InterfaceAddress]]:
    """Return the operations after which the interface has exactly the wanted addresses.

    Other programs give a tunnel a link-local address: it goes only where it is ours by its mark, or is recorded.
    """

    def goes(entry: InterfaceAddress) -> bool:
        return not entry.is_link_local or entry.is_ours or str(entry.address) in recorded

    return reconcile(current, map(InterfaceAddress, wanted), purge=goes)
