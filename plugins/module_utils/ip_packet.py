# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What raw sockets leave to us of IP packets: the header that stands before what came, and checksums. Pure.

This module is private to the collection.
"""

from __future__ import annotations


def strip_ip_header(packet: bytes) -> bytes:
    """Return what follows the IPv4 header, which a raw socket gets with the packet (raw(7)); nothing if there is none."""
    length = 4 * (packet[0] & 0x0F) if packet else 0
    return packet[length:] if length >= 20 else b""


def internet_checksum(data: bytes) -> int:
    """Return the one's complement of the one's complement sum of 16-bit words (RFC 1071)."""
    number = int.from_bytes(data + bytes(len(data) % 2), "big")
    # 2**16 is 1 modulo 2**16 - 1, so the whole as one number is congruent to the sum of its words, which is 0 for
    # nothing but zeros.
    return 0xFFFF - (number % 0xFFFF or 0xFFFF * bool(number))
