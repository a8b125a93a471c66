# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracked connections: what the kernel sent for one that iptables masqueraded, and the requests that replace it."""

from __future__ import annotations

import ipaddress
import struct

from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import conntrack as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl

# Linux 6.18: TCP 10.244.1.10:58712 to 10.0.0.2:7777, masqueraded to 10.0.0.1.
MASQUERADED = bytes.fromhex(
    "020000003400018014000180080001000af4010a080002000a0000021c000280050001000600000006000200e5580000060003001e610000"
    "3400028014000180080001000a000002080002000a0000011c0002800500010006000000060002001e61000006000300e558000008000300"
    "0000019e080008000000000008000c0021c021ba08000b0000000001080007000006977f300004802c000180050001000300000005000200"
    "0a000000050003000a00000006000400230000000600050023000000"
)


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def ends(source: str, sport: int, destination: str, dport: int, protocol: int = 6) -> codec.Ends:
    ports = (struct.pack("!H", port) for port in (sport, dport))
    return codec.Ends(address(source), address(destination), protocol, *ports)


def attributes(payload: bytes, *path: int, start: int = 4) -> dict[int, bytes]:
    """Return the attributes below a path of nested ones."""
    found = dict(nl.attributes(payload, start))
    for kind in path:
        found = dict(nl.attributes(found[kind]))
    return found


def masqueraded() -> codec.TrackedConnection:
    found = codec.decode(MASQUERADED)
    assert found is not None
    return found


def test_connection_of_the_kernel_is_read() -> None:
    found = masqueraded()
    assert found.original == ends("10.244.1.10", 58712, "10.0.0.2", 7777)
    assert found.reply == ends("10.0.0.2", 7777, "10.0.0.1", 58712)
    assert found.status & codec.SOURCE_NAT and not found.status & codec.DESTINATION_NAT


def test_a_connection_without_source_translation_or_ports_is_left_out() -> None:
    status = MASQUERADED.index(bytes.fromhex("080003000000019e")) + 4
    plain = MASQUERADED[:status] + struct.pack("!I", 0x18E) + MASQUERADED[status + 4 :]
    assert codec.decode(plain) is None
    assert codec.decode(MASQUERADED.replace(bytes.fromhex("0500010006"), bytes.fromhex("0500010001"))) is None


def test_new_connection_has_the_same_translation() -> None:
    payload = codec.encode_create(masqueraded())
    assert payload[:4] == bytes([2, 0, 0, 0])
    assert attributes(payload, 1, 1) == {1: address("10.244.1.10"), 2: address("10.0.0.2")}
    assert attributes(payload, 2, 1) == {1: address("10.0.0.2"), 2: address("10.244.1.10")}, "not translated"
    source = attributes(payload, 6)
    assert source[1] == source[2] == address("10.0.0.1")
    assert attributes(payload, 6, 3) == {1: struct.pack("!H", 58712), 2: struct.pack("!H", 58712)}
    assert 13 not in attributes(payload)
    tcp = attributes(payload, 4, 1)
    assert tcp[1] == b"\x03" and tcp[4][0] & 0x08 and tcp[5] == b"\x2b\xff", (
        "established, and its window is not checked"
    )
    assert attributes(payload)[3] == struct.pack("!I", 0x0E), "confirmed, assured, with a reply"


def test_both_translations_of_a_node_port_are_kept() -> None:
    before = masqueraded()._replace(
        original=ends("198.51.100.7", 40000, "10.0.0.2", 30080),
        reply=ends("10.244.3.10", 8080, "10.0.0.2", 40000),
        status=codec.SOURCE_NAT | codec.DESTINATION_NAT,
    )
    payload = codec.encode_create(before)
    assert attributes(payload, 13)[1] == address("10.244.3.10") and attributes(payload, 6)[1] == address("10.0.0.2")
    assert attributes(payload, 13, 3)[1] == struct.pack("!H", 8080)


def test_ipv6_and_udp() -> None:
    before = masqueraded()._replace(
        original=ends("fd44::1", 1, "fd00::2", 53, 17), reply=ends("fd00::2", 53, "fd00::1", 1, 17), protocol_info=None
    )
    payload = codec.encode_create(before)
    assert payload[0] == 10 and attributes(payload, 6)[4] == attributes(payload, 6)[5] == address("fd00::1")
    assert 4 not in attributes(payload)


def test_deletion_names_one_connection() -> None:
    found = attributes(codec.encode_delete(masqueraded()))
    assert found.keys() == {1, 12} and found[12] == masqueraded().identity
