# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Addresses of an interface.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ..netlink import link as codec
from ..netlink.connection import Connection
from ..prefix import Address
from ..reconcile import Operation, reconcile
from . import sysctls

_IFA_F_NODAD = 0x02


@dataclass(frozen=True)
class InterfaceAddress:
    """One address with its on-link prefix length; which interface holds it is the caller's to know."""

    address: Address

    def key(self) -> Address:
        """The address itself: it either is there or not."""
        return self.address


def read(connection: Connection, index: int) -> list[InterfaceAddress]:
    """Return the addresses of an interface, without the link-local ones the kernel makes by itself."""
    found = []
    for payload in connection.dump(codec.RTM_GETADDR, codec.encode_dump_addresses(index)):
        message = codec.decode_address(payload)
        # Kernels before 4.20 ignore the filter.
        if message is None or message.interface_index != index:
            continue
        if message.address.family == socket.AF_INET6 and message.scope == codec.RT_SCOPE_LINK:
            continue
        found.append(InterfaceAddress(message.address))
    return found


def plan(current: Iterable[InterfaceAddress], wanted: Iterable[Address]) -> list[Operation[InterfaceAddress]]:
    """Return the operations after which the interface has exactly the wanted addresses."""
    return reconcile(current, map(InterfaceAddress, wanted), purge=lambda _address: True)


def apply(ipr: Any, name: str, index: int, operations: Iterable[Operation[InterfaceAddress]]) -> None:
    """Add and remove addresses, in order."""
    operations = list(operations)
    with ExitStack() as stack:
        if any(operation.after is None for operation in operations):
            stack.enter_context(_secondaries_promoted(name))
        for operation in operations:
            _apply(ipr, index, operation)


@contextmanager
def _secondaries_promoted(name: str) -> Iterator[None]:
    """Have an address that is removed not take those with it that were added later in the same prefix."""
    path = f"net/ipv4/conf/{name}/promote_secondaries"
    before = sysctls.read(path)
    if before is None or before.value == "1":
        yield
        return
    sysctls.write(path, "1")
    try:
        yield
    finally:
        sysctls.write(path, before.value)


def _apply(ipr: Any, index: int, operation: Operation[InterfaceAddress]) -> None:
    address = operation.key()
    arguments: dict[str, object] = {
        "index": index,
        "address": socket.inet_ntop(address.family, address.packed),
        "prefixlen": address.length,
        "family": address.family,
    }
    if operation.after is None:
        list(ipr.addr("del", **arguments))
        return
    if address.family == socket.AF_INET6:
        # There is no link layer on which a duplicate could be detected.
        arguments["IFA_FLAGS"] = _IFA_F_NODAD
    list(ipr.addr("add", **arguments))
