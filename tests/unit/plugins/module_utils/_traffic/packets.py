# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets as bytes, for the tests of traffic_info."""

from __future__ import annotations

import ipaddress
import struct

WIREGUARD_DATA = b"\x04\0\0\0" + bytes(28)


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes = b"",
    *,
    place: int = 0,
    number: int = 7,
    options: int = 0,
) -> bytes:
    """place: the field of flags and fragment offset. options: their length in 32-bit words."""
    header = struct.pack(
        "!BBHHHBBH", 0x45 + options, 0, 20 + 4 * options + len(payload), number, place, 64, protocol, 0
    )
    return header + packed(source) + packed(destination) + b"\1" * 4 * options + payload


def ipv6(source: str, destination: str, protocol: int, payload: bytes = b"") -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + packed(source) + packed(destination) + payload


def fragment_header(protocol: int, offset: int, more: bool, number: int = 9) -> bytes:
    """offset: in units of 8 bytes, as in the header (RFC 8200 section 4.5)."""
    return struct.pack("!BBHI", protocol, 0, offset << 3 | more, number)


def udp(source: int, destination: int, payload: bytes = WIREGUARD_DATA) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(source: int, destination: int) -> bytes:
    return struct.pack("!HH", source, destination) + bytes(16)
