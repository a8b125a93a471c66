# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of an interface: what is read over a scripted connection, planned, and asked of pyroute2."""

from __future__ import annotations

import socket
import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host import addresses
from ansible_collections.wirewright.overlay.plugins.module_utils.host.addresses import InterfaceAddress
from ansible_collections.wirewright.overlay.plugins.module_utils.host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils.netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, parse_address
from ansible_collections.wirewright.overlay.plugins.module_utils.reconcile import replay

from .scripted import ScriptedConnection, ScriptedIpr

A, B, C = (parse_address(text) for text in ("10.42.0.1/24", "10.42.0.2/24", "fd42::1/64"))


def held(address: Address, index: int = 7, scope: int = 0) -> bytes:
    head = struct.pack("=BBBBI", address.family, address.length, 0, scope, index)
    return head + nl.attribute(1, address.packed)


LINK_LOCAL = Address(int(socket.AF_INET6), b"\xfe\x80" + bytes(14), 64)


def test_addresses_of_the_interface_are_read_without_link_local_ones() -> None:
    connection = ScriptedConnection([held(A), held(C), held(B, index=8), held(LINK_LOCAL, scope=253)])
    assert addresses.read(connection, 7) == [InterfaceAddress(A), InterfaceAddress(C)]


def test_exactly_the_wanted_addresses_are_planned_and_new_ones_come_first() -> None:
    current = [InterfaceAddress(A), InterfaceAddress(C)]
    operations = addresses.plan(current, [B, C])
    assert [(operation.action, operation.key()) for operation in operations] == [("create", B), ("delete", A)]
    after = replay(current, operations)
    assert set(after) == {B, C}
    assert addresses.plan(after.values(), [C, B]) == []


def test_the_same_address_with_another_length_is_another() -> None:
    wider = parse_address("10.42.0.1/16")
    operations = addresses.plan([InterfaceAddress(A)], [wider])
    assert [(operation.action, operation.key()) for operation in operations] == [("create", wider), ("delete", A)]


def test_addresses_are_added_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str]] = []
    monkeypatch.setattr(addresses.sysctls, "read", lambda path: Sysctl(path, "0"))
    monkeypatch.setattr(addresses.sysctls, "write", lambda path, value: written.append((path, value)))
    ipr = ScriptedIpr()
    addresses.apply(ipr, "wg0", 7, addresses.plan([InterfaceAddress(A)], [C]))
    assert ipr.asked == [
        ("addr", "add", {"index": 7, "address": "fd42::1", "prefixlen": 64, "family": 10, "IFA_FLAGS": 2}),
        ("addr", "del", {"index": 7, "address": "10.42.0.1", "prefixlen": 24, "family": 2}),
    ]
    # Else the kernel would take others of the same network away with it.
    assert written == [("net/ipv4/conf/wg0/promote_secondaries", value) for value in "10"]


def test_adding_alone_touches_no_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(addresses.sysctls, "write")
    addresses.apply(ScriptedIpr(), "wg0", 7, addresses.plan([], [A]))
