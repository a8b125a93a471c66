# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""IP packets of raw sockets: the header before a received payload, and checksums. Pure.

This module is private to the collection.
"""

from __future__ import annotations


def strip_ip_header(packet: bytes) -> bytes:
    """Return the payload after the IPv4 header, which a raw socket receives too (raw(7)); b"" for a damaged header."""
    length = 4 * (packet[0] & 0x0F) if packet else 0
    return packet[length:] if length >= 20 else b""


def internet_checksum(data: bytes) -> int:
    """Return the one's complement of the one's complement sum of 16-bit words (RFC 1071)."""
    number = int.from_bytes(data + bytes(len(data) % 2), "big")
    # 2**16 is 1 modulo 2**16 - 1, so the data as one number is congruent to the sum of its words. That sum is 0 only
    # where all words are.
    return 0xFFFF - (number % 0xFFFF or 0xFFFF * bool(number))
