# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Codec of STUN Binding messages: requests and answers (RFC 8489, RFC 5780; servers of RFC 3489 too). Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from .._wireguard.endpoint import Endpoint

MAGIC_COOKIE = 0x2112A442
TRANSACTION_BYTES = 12

_HEADER = struct.Struct("!HHI12s")  # type, length without the header, magic cookie, transaction id
_ATTRIBUTE = struct.Struct("!HH")  # type, length without the padding to four bytes

# RFC 8489 section 5: method Binding with the two bits of the class.
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111

# RFC 8489 section 18.3, RFC 5780 section 7, RFC 3489 section 11.2 (SOURCE-ADDRESS, CHANGED-ADDRESS, REFLECTED-FROM).
MAPPED_ADDRESS = 0x0001
CHANGE_REQUEST = 0x0003
CHANGED_ADDRESS = 0x0005
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
MESSAGE_INTEGRITY_SHA256 = 0x001C
XOR_MAPPED_ADDRESS = 0x0020
SOFTWARE = 0x8022
FINGERPRINT = 0x8028
OTHER_ADDRESS = 0x802C
# SOURCE-ADDRESS, USERNAME, UNKNOWN-ATTRIBUTES, REFLECTED-FROM, REALM, NONCE, PASSWORD-ALGORITHM, USERHASH, PADDING,
# RESPONSE-PORT: understood, not used here.
_UNUSED = {0x0004, 0x0006, 0x000A, 0x000B, 0x0014, 0x0015, 0x001D, 0x001E, 0x0026, 0x0027}
_REQUIRED = _UNUSED | {
    MAPPED_ADDRESS,
    CHANGE_REQUEST,
    CHANGED_ADDRESS,
    MESSAGE_INTEGRITY,
    ERROR_CODE,
    MESSAGE_INTEGRITY_SHA256,
    XOR_MAPPED_ADDRESS,
}
_OPTIONAL = 0x8000  # first comprehension-optional type: unknown ones are skipped

_FINGERPRINT_XOR = 0x5354554E
_FAMILIES = {1: socket.AF_INET, 2: socket.AF_INET6}
_TEXT = 128  # characters kept of a server's text

# The flags of CHANGE-REQUEST, RFC 5780 section 7.2.
CHANGE_ADDRESS = 0x4
CHANGE_PORT = 0x2


class BadMessage(ValueError):
    """The bytes are no answer to the request."""


class Answer(NamedTuple):
    """An answer: the mapped address, or an error such as `420 Unknown Attribute`."""

    mapped: Endpoint | None
    error: str = ""
    other: Endpoint | None = None  # the server's second address and port
    software: str = ""


def encode_request(transaction: bytes, change: int = 0) -> bytes:
    """Return a Binding request with a transaction id of 12 bytes, with CHANGE-REQUEST if flags for it are given."""
    body = _ATTRIBUTE.pack(CHANGE_REQUEST, 4) + struct.pack("!I", change) if change else b""
    return _HEADER.pack(_REQUEST, len(body), MAGIC_COOKIE, transaction) + body


def is_answer_to(transaction: bytes, data: bytes) -> bool:
    """Return whether the bytes have the magic cookie and this transaction id of a STUN header."""
    return data[4:20] == struct.pack("!I", MAGIC_COOKIE) + transaction


def decode_answer(transaction: bytes, data: bytes) -> Answer:
    """Return the answer to a Binding request. Raises BadMessage, and nothing else, for any other bytes.

    An answer with an unknown comprehension-required attribute is rejected (RFC 8489 sections 6.3.3 and 6.3.4). Of a
    repeated attribute the first one counts (section 14).
    """
    if len(data) < _HEADER.size:
        raise BadMessage(f"{len(data)} bytes are no STUN message")
    kind, length, _cookie, _transaction = _HEADER.unpack_from(data)
    if not is_answer_to(transaction, data):
        raise BadMessage("another magic cookie or transaction id")
    if kind not in (_SUCCESS, _ERROR):
        raise BadMessage(f"message type {kind:#06x} is no answer to a Binding request")
    if length % 4 or length != len(data) - _HEADER.size:
        raise BadMessage(f"a length of {length} in a message with {len(data) - _HEADER.size} bytes of attributes")
    values = _collect(data)
    software = _text(values.get(SOFTWARE, b""))
    if kind == _ERROR:
        return Answer(None, _decode_error(values.get(ERROR_CODE, b"")), software=software)
    mapped = values.get(XOR_MAPPED_ADDRESS)
    if mapped is not None:
        address = _decode_address(mapped, data[4:20])
    elif MAPPED_ADDRESS in values:
        address = _decode_address(values[MAPPED_ADDRESS], bytes(16))
    else:
        raise BadMessage("a success without XOR-MAPPED-ADDRESS or MAPPED-ADDRESS")
    other = values.get(OTHER_ADDRESS, values.get(CHANGED_ADDRESS))
    return Answer(address, "", None if other is None else _decode_other(other), software)


def _collect(data: bytes) -> dict[int, bytes]:
    """Return the known attributes by type. Raises BadMessage."""
    values: dict[int, bytes] = {}
    unknown = []
    sealed = False
    for kind, value, start in _attributes(data):
        if kind == FINGERPRINT:
            if start + 8 != len(data):
                raise BadMessage("FINGERPRINT is not the last attribute")
            if value != struct.pack("!I", zlib.crc32(data[:start]) ^ _FINGERPRINT_XOR):
                raise BadMessage("FINGERPRINT does not match")
        elif sealed:  # RFC 8489 section 14.5: attributes after MESSAGE-INTEGRITY are ignored
            continue
        elif kind < _OPTIONAL and kind not in _REQUIRED:
            unknown.append(f"{kind:#06x}")
        else:
            values.setdefault(kind, value)
            sealed = kind in (MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256)
    if unknown:
        raise BadMessage(f"unknown comprehension-required attributes {', '.join(unknown[:8])}")
    return values


def _attributes(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield type, value and start of each attribute. Raises BadMessage for one longer than the message."""
    at = _HEADER.size
    while at < len(data):  # both are multiples of four, so a header always fits
        kind, length = _ATTRIBUTE.unpack_from(data, at)
        first = at + _ATTRIBUTE.size
        end = first + length + -length % 4
        if end > len(data):
            raise BadMessage(f"attribute {kind:#06x} of {length} bytes is longer than the message")
        yield kind, data[first : first + length], at
        at = end


def _decode_address(value: bytes, mask: bytes) -> Endpoint:
    """Return the address of an attribute; the mask is magic cookie and transaction id, or 16 zero bytes for none."""
    family = _FAMILIES.get(value[1]) if len(value) > 1 else None
    if family is None or len(value) != (8 if family == socket.AF_INET else 20):
        raise BadMessage("an address that is neither IPv4 nor IPv6")
    # RFC 8489 section 14.2: the port is masked with the upper half of the magic cookie, the address with the whole
    # cookie and the transaction id.
    port, host = _xor(value[2:4], mask), _xor(value[4:], mask)
    if not any(port) or not any(host):
        raise BadMessage("an unspecified address")
    return Endpoint(socket.inet_ntop(family, host), int.from_bytes(port, "big"))


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ key for byte, key in zip(data, mask))


def _decode_other(value: bytes) -> Endpoint | None:
    """Return a server's other address; an invalid one is ignored."""
    try:
        return _decode_address(value, bytes(16))
    except BadMessage:
        return None


def _decode_error(value: bytes) -> str:
    """Return an error such as `420 Unknown Attribute`: hundreds in three bits, the rest in a byte, then the reason."""
    if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        raise BadMessage("an error without a valid ERROR-CODE")
    return f"{(value[2] & 7) * 100 + value[3]} {_text(value[4:])}".strip()


def _text(value: bytes) -> str:
    """Return a server's text without unprintable characters, truncated."""
    return "".join(letter for letter in value.decode(errors="replace") if letter.isprintable())[:_TEXT]
