# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of an interface: read over a scripted connection, planned, and set."""

from __future__ import annotations

import errno
import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation, replay
from ansible_collections.wirewright.overlay.plugins.module_utils._host import address_changes, addresses
from ansible_collections.wirewright.overlay.plugins.module_utils._host.addresses import InterfaceAddress
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Address, parse_address
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.link import decode_address

from .scripted import ScriptedConnection

A, B, C = (parse_address(text) for text in ("10.42.0.1/24", "10.42.0.2/24", "fd42::1/64"))


def held(address: Address, index: int = 7, flags: int = 0x80, protocol: int = 0) -> bytes:
    head = struct.pack("=BBBBI", address.family, address.length, flags & 0xFF, 0, index)
    marked = nl.attribute(11, bytes([protocol])) if protocol else b""
    return head + nl.attribute(1, address.packed) + nl.attribute(8, struct.pack("=I", flags)) + marked


KERNELS, TUNNELS, MINE, OURS = (parse_address(f"fe80::{digit}/64") for digit in "1234")
LINK_LOCAL = [held(KERNELS, protocol=3), held(TUNNELS, flags=0x880), held(MINE), held(OURS, protocol=87)]


def test_addresses_of_the_interface_are_read() -> None:
    connection = ScriptedConnection([held(A), held(C, protocol=87), held(B, index=8)])
    found = addresses.read(connection, 7)
    assert [(entry.address, entry.is_ours) for entry in found] == [(A, False), (C, True)]
    assert [entry.raw for entry in found] == [held(A), held(C, protocol=87)]


def test_link_local_addresses_of_the_kernel_are_read_only_if_wanted() -> None:
    connection = ScriptedConnection(LINK_LOCAL)
    assert [entry.address for entry in addresses.read(connection, 7)] == [MINE, OURS]
    assert [entry.address for entry in addresses.read(connection, 7, [TUNNELS, A])] == [TUNNELS, MINE, OURS]


def test_a_link_local_address_goes_only_if_it_is_ours() -> None:
    found = addresses.read(ScriptedConnection(LINK_LOCAL), 7)
    assert [operation.key().packed for operation in addresses.plan(found, [A])] == [A.packed, OURS.packed]
    recorded = [str(MINE)]
    assert len(addresses.plan(found, [], recorded)) == 2
    assert not addresses.plan(found, [MINE, OURS], recorded)


def test_additions_precede_removals() -> None:
    current = [InterfaceAddress(A), InterfaceAddress(C)]
    operations = addresses.plan(current, [B, C])
    assert [(operation.action, operation.key()) for operation in operations] == [("create", B), ("delete", A)]
    after = replay(current, operations)
    assert {entry.address for entry in after.values()} == {B, C}
    assert addresses.plan(after.values(), [C, B]) == []


def test_ipv4_addresses_differ_by_prefix_length() -> None:
    wider = parse_address("10.42.0.1/16")
    operations = addresses.plan([InterfaceAddress(A)], [wider])
    assert [(operation.action, operation.key()) for operation in operations] == [("create", wider), ("delete", A)]


def test_an_ipv6_address_has_one_prefix_length() -> None:
    wider = parse_address("fd42::1/56")
    (operation,) = addresses.plan([InterfaceAddress(C)], [wider])
    assert (operation.action, operation.before, operation.after) == (
        "update",
        InterfaceAddress(C),
        InterfaceAddress(wider),
    )
    assert not addresses.plan([InterfaceAddress(wider)], [wider])


class RecordingConnection:
    """Records requests; those of a kind fail."""

    def __init__(self, code: int = 0, **refused: set[str]) -> None:
        self.requests: list[tuple[str, Address, bytes]] = []
        self._code, self._refused = code, refused

    def request(self, kind: int, payload: bytes, _flags: int = 0) -> list[bytes]:
        name = {20: "add", 21: "delete"}[kind]
        found = decode_address(payload)
        assert found is not None and found.interface_index == 9
        self.requests.append((name, found.address, payload))
        if str(found.address) in self._refused.get(name, ()):
            raise nl.NetlinkError(self._code)
        return []


def test_addresses_are_added_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, str]] = []
    monkeypatch.setattr(address_changes.sysctls, "read", lambda path: Sysctl(path, "0"))
    monkeypatch.setattr(address_changes.sysctls, "write", lambda path, value: written.append((path, value)))
    kernel = RecordingConnection()
    address_changes.apply(kernel, "wg0", 9, addresses.plan([InterfaceAddress(A)], [C]))  # type: ignore[arg-type]
    assert [request[:2] for request in kernel.requests] == [("add", C), ("delete", A)]
    added = decode_address(kernel.requests[0][2])
    assert added is not None and (added.flags, added.protocol) == (2, 87), "IFA_F_NODAD, and our mark"
    # Else the kernel would remove others of the same network too.
    assert written == [("net/ipv4/conf/wg0/promote_secondaries", value) for value in "10"]


def test_another_prefix_length_replaces_an_ipv6_address() -> None:
    kernel, wider = RecordingConnection(), parse_address("fd42::1/56")
    address_changes.apply(kernel, "wg0", 9, addresses.plan([InterfaceAddress(C)], [wider]))  # type: ignore[arg-type]
    assert [request[:2] for request in kernel.requests] == [("delete", C), ("add", wider)]


def test_a_replaced_address_comes_back_if_the_kernel_refuses_the_new_one() -> None:
    wider = parse_address("fd42::1/56")
    kernel = RecordingConnection(add={str(wider)}, code=errno.ENOBUFS)
    before = InterfaceAddress(C, raw=held(C, index=7, flags=0x280))
    with pytest.raises(nl.NetlinkError):
        address_changes.apply(kernel, "wg0", 9, [Operation(before, InterfaceAddress(wider))])  # type: ignore[arg-type]
    assert [request[:2] for request in kernel.requests] == [("delete", C), ("add", wider), ("add", C)]
    assert kernel.requests[-1][2] == held(C, index=9, flags=0x280), "with all its attributes"


def test_an_address_that_the_kernel_has_removed_is_no_error() -> None:
    kernel = RecordingConnection(delete={str(C)}, code=errno.EADDRNOTAVAIL)
    operations = [Operation(InterfaceAddress(C), InterfaceAddress(parse_address("fd42::1/56")))]
    address_changes.apply(kernel, "wg0", 9, operations)  # type: ignore[arg-type]
    assert [request[0] for request in kernel.requests] == ["delete", "add"]
    other = RecordingConnection(delete={str(C)}, code=errno.EPERM)
    with pytest.raises(nl.NetlinkError):
        address_changes.apply(other, "wg0", 9, operations)  # type: ignore[arg-type]


def test_additions_change_no_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(address_changes.sysctls, "write")
    address_changes.apply(RecordingConnection(), "wg0", 9, addresses.plan([], [A]))  # type: ignore[arg-type]
