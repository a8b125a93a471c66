# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Netlink framing between bytes and values: message headers, attributes, extended acknowledgements. Pure.

Layouts: linux/netlink.h (struct nlmsghdr, struct nlattr, enum nlmsgerr_attrs). Integers are in host byte order.

This module is private to the collection.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from .._engine.errors import KernelError

HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR_CODE = struct.Struct("=i")

NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN = 2, 3, 4

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP_INTR = 0x1, 0x2, 0x4, 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF
NLMSGERR_ATTR_MSG = 1

MAX_ATTRIBUTE = 0xFFFF


class NetlinkError(KernelError):
    """The kernel refused a request: errno, its name's text, and the kernel's extended message if there is one."""

    def __init__(self, code: int, explanation: str = "") -> None:
        super().__init__(code, os.strerror(code) + (": " + explanation if explanation else ""))
        self.explanation = explanation


class MalformedMessage(ValueError):
    """The bytes are not a whole netlink message: truncated, or a length that points outside."""


class Message(NamedTuple):
    """One netlink message without its header."""

    type: int
    flags: int
    sequence: int
    payload: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """Encode one attribute, padded to four bytes. Raises ValueError past 65,535 bytes, the limit of its length field."""
    length = len(payload) + 4
    if length > MAX_ATTRIBUTE:
        raise ValueError(f"netlink attribute {kind & NLA_TYPE_MASK} of {length} bytes is too long")
    return ATTRIBUTE.pack(length, kind) + payload + bytes(-length & 3)


def nested(kind: int, *attributes_: bytes) -> bytes:
    """Encode an attribute that holds attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes_))


def text(kind: int, value: str) -> bytes:
    """Encode a NUL-terminated string attribute."""
    return attribute(kind, value.encode() + b"\0")


def attributes(buffer: bytes, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload) of each attribute from an offset on; flag bits of the type are cleared.

    Raises MalformedMessage where a length is impossible or the buffer is cut short.
    """
    end = len(buffer)
    if start > end:
        raise MalformedMessage(f"{end} bytes are less than the {start} before the attributes")
    while start + 4 <= end:
        length, kind = ATTRIBUTE.unpack_from(buffer, start)
        if length < 4 or start + length > end:
            raise MalformedMessage(f"attribute {kind & NLA_TYPE_MASK} claims {length} bytes")
        yield kind & NLA_TYPE_MASK, buffer[start + 4 : start + length]
        start += (length + 3) & ~3
    if start < end:
        raise MalformedMessage(f"{end - start} stray bytes after the last attribute")


def header(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    """Return the fixed part before the attributes of a message. Raises MalformedMessage for a truncated one."""
    if len(payload) < layout.size:
        raise MalformedMessage(
            f"a message of {len(payload)} bytes, where {layout.size} are needed before its attributes"
        )
    return layout.unpack_from(payload)


def request(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """Encode one request message."""
    return HEADER.pack(16 + len(payload), kind, flags | NLM_F_REQUEST, sequence, 0) + payload


def messages(buffer: bytes) -> Iterator[Message]:
    """Yield the messages of one datagram. Raises MalformedMessage for a truncated one."""
    start = 0
    while start + 16 <= len(buffer):
        length, kind, flags, sequence, _port = HEADER.unpack_from(buffer, start)
        if length < 16 or start + length > len(buffer):
            raise MalformedMessage(f"message of type {kind} claims {length} bytes")
        yield Message(kind, flags, sequence, buffer[start + 16 : start + length])
        start += (length + 3) & ~3
    if start < len(buffer):
        raise MalformedMessage(f"{len(buffer) - start} stray bytes after the last message")


def error(message: Message) -> NetlinkError | None:
    """Return the error that an NLMSG_ERROR or NLMSG_DONE message carries, None for a plain acknowledgement.

    Raises MalformedMessage for a truncated one.
    """
    if not message.payload and message.type == NLMSG_DONE:
        return None
    if len(message.payload) < 4:
        raise MalformedMessage(f"an acknowledgement of {len(message.payload)} bytes")
    code = -_ERROR_CODE.unpack_from(message.payload)[0]
    if code == 0:
        return None
    explanation = ""
    if message.flags & NLM_F_ACK_TLVS:
        # The code is followed by the request: its header only if capped, nothing in NLMSG_DONE.
        start = 4
        if message.type == NLMSG_ERROR:
            if len(message.payload) < 20:
                raise MalformedMessage(f"an extended acknowledgement of {len(message.payload)} bytes")
            quoted = 16 if message.flags & NLM_F_CAPPED else HEADER.unpack_from(message.payload, 4)[0]
            start += (quoted + 3) & ~3
        for kind, payload in attributes(message.payload, start):
            if kind == NLMSGERR_ATTR_MSG:
                explanation = payload.rstrip(b"\0").decode(errors="replace")
    return NetlinkError(code, explanation)
