# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Adding and removing addresses of an interface.

This module is private to the collection.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from .._engine.reconcile import Operation
from .._netlink import address as codec
from .._netlink import messages as nl
from .._netlink.connection import Connection
from .._netlink.messages import NetlinkError
from . import sysctls
from .addresses import PROTOCOL, InterfaceAddress


def apply(connection: Connection, name: str, index: int, operations: Iterable[Operation[InterfaceAddress]]) -> None:
    """Add, replace and remove addresses, in order. Raises NetlinkError."""
    operations = list(operations)
    with ExitStack() as stack:
        if any(operation.after is None for operation in operations):
            stack.enter_context(_secondaries_promoted(name))
        for operation in operations:
            # The kernel changes no prefix length: an IPv6 address with another one is deleted and added.
            if operation.before is not None:
                _delete(connection, index, operation.before)
            if operation.after is not None:
                _add(connection, index, operation)


def promotion_path(name: str) -> str:
    """Return the path of the parameter that is set while addresses of an interface are removed."""
    return f"net/ipv4/conf/{name}/promote_secondaries"


@contextmanager
def _secondaries_promoted(name: str) -> Iterator[None]:
    """Keep secondary addresses of a prefix when its primary address is removed (promote_secondaries)."""
    path = promotion_path(name)
    before = sysctls.read(path)
    if before is None or before.value == "1":
        yield
        return
    sysctls.write(path, "1")
    try:
        yield
    finally:
        sysctls.write(path, before.value)


def _delete(connection: Connection, index: int, entry: InterfaceAddress) -> None:
    try:
        connection.request(codec.RTM_DELADDR, codec.encode_address(entry.address, index))
    except NetlinkError as exc:
        if exc.errno != errno.EADDRNOTAVAIL:  # the kernel has removed it with a link change, or another program
            raise


def _add(connection: Connection, index: int, operation: Operation[InterfaceAddress]) -> None:
    after, before = operation.after, operation.before
    try:
        if after is not None:
            connection.request(codec.RTM_NEWADDR, _message(after, index), nl.NLM_F_CREATE | nl.NLM_F_EXCL)
    except NetlinkError:
        if before is not None:
            connection.request(codec.RTM_NEWADDR, _message(before, index), nl.NLM_F_CREATE | nl.NLM_F_EXCL)
        raise


def _message(entry: InterfaceAddress, index: int) -> bytes:
    """Return the message that adds an address: of one that was read with all its attributes, else marked as ours."""
    return codec.on_interface(entry.raw, index) if entry.raw else codec.encode_address(entry.address, index, PROTOCOL)
