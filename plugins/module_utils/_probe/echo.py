# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""ICMP echo requests and replies as bytes, and the sizes of their IP packets.

A request carries a token of its run and its own number. The number determines the rest of its data, so that a reply is
checked byte by byte.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from .._ip.packet import internet_checksum

_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number (RFC 792, RFC 4443 section 4)
_MARK = struct.Struct("!8sI")  # token of the run, number of the request
_REQUEST: dict[int, int] = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY: dict[int, int] = {socket.AF_INET: 0, socket.AF_INET6: 129}
_FILLER = bytes(range(256)) * 257
TOKEN_BYTES = 8

# IP header without options or extensions, and ICMP header.
HEADERS: dict[int, int] = {socket.AF_INET: 20 + 8, socket.AF_INET6: 40 + 8}
# The default of ping(8): 56 bytes of data.
SMALL: dict[int, int] = {family: headers + 56 for family, headers in HEADERS.items()}
# The size every IPv4 host accepts (RFC 791), and every IPv6 link carries (RFC 8200 section 5).
FLOOR: dict[int, int] = {socket.AF_INET: 576, socket.AF_INET6: 1280}
LARGEST = 65535


class Reply(NamedTuple):
    """A reply to a request of this run: the request's number, and the size of the IP packet in bytes."""

    number: int
    size: int


def encode_request(family: int, token: bytes, identifier: int, number: int, size: int) -> bytes:
    """Return the ICMP message of an echo request in an IP packet of a size in bytes.

    The checksum is set for ICMP of IPv4 only. The kernel computes that of ICMPv6 (RFC 3542 section 3.1), and both on
    sockets of type SOCK_DGRAM.
    """
    data = _data(token, number, size - HEADERS[family])
    header = _REQUEST[family], 0, 0, identifier, number & 0xFFFF
    checksum = internet_checksum(_HEADER.pack(*header) + data) if family == socket.AF_INET else 0
    return _HEADER.pack(*header[:2], checksum, *header[3:]) + data


def encode_unsolicited_reply(family: int) -> bytes:
    """Return the ICMP message of an echo reply without request: hosts ignore it (RFC 1122 section 3.2.2.6)."""
    header = _REPLY[family], 0, 0, 0, 0
    checksum = internet_checksum(_HEADER.pack(*header)) if family == socket.AF_INET else 0
    return _HEADER.pack(*header[:2], checksum, *header[3:])


def decode_reply(family: int, token: bytes, identifier: int | None, message: bytes) -> Reply | None:
    """Return the reply of an ICMP message; None if it answers no request of this run, or was altered.

    An identifier of None is not compared: on sockets of type SOCK_DGRAM, the kernel sets and compares it.
    """
    if len(message) < _HEADER.size + _MARK.size:
        return None
    kind, code, _checksum, found, sequence = _HEADER.unpack_from(message)
    data = message[_HEADER.size :]
    number = _MARK.unpack_from(data)[1]
    if (kind, code) != (_REPLY[family], 0) or identifier not in (None, found) or sequence != number & 0xFFFF:
        return None
    return Reply(number, len(data) + HEADERS[family]) if data == _data(token, number, len(data)) else None


def _data(token: bytes, number: int, length: int) -> bytes:
    begin = sum(number.to_bytes(4, "big")) & 0xFF
    return (_MARK.pack(token, number) + _FILLER[begin : begin + length])[:length]
