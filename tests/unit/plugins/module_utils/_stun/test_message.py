# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""STUN messages: test vectors of RFC 5769, rules of RFC 8489, arbitrary bytes."""

from __future__ import annotations

import struct
import zlib

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.message import (
    CHANGE_ADDRESS,
    CHANGE_PORT,
    Answer,
    BadMessage,
    decode_answer,
    encode_request,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

COOKIE = bytes.fromhex("2112a442")
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
MAPPED = Endpoint("192.0.2.1", 32853)

# RFC 5769 section 2.2: header, SOFTWARE padded with a space, XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT.
RFC_IPV4 = bytes.fromhex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200008 0001a147 e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004 c07d4c96"
)
# Section 2.3, the same for IPv6.
RFC_IPV6 = bytes.fromhex(
    "01010048 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f7220"
    "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c"
)


def message(*attributes: tuple[int, bytes], kind: int = 0x0101, transaction: bytes = TRANSACTION) -> bytes:
    """Return an answer with attributes."""
    body = b"".join(struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes)
    return struct.pack("!HH", kind, len(body)) + COOKIE + transaction + body


def fingerprinted(data: bytes) -> bytes:
    """Return a message with FINGERPRINT appended (RFC 8489 section 14.7)."""
    longer = data[:2] + struct.pack("!H", len(data) - 20 + 8) + data[4:]
    return longer + struct.pack("!HHI", 0x8028, 4, zlib.crc32(longer) ^ 0x5354554E)


SEEN = (0x0020, bytes.fromhex("0001a147e112a643"))
SEEN_PLAIN = (0x0001, bytes.fromhex("0001 8055 c0000201"))
OTHER_PLAIN = bytes.fromhex("0001 0d97 c6336402")  # 198.51.100.2:3479


def test_vectors_of_rfc_5769() -> None:
    assert decode_answer(TRANSACTION, RFC_IPV4) == Answer(MAPPED, software="test vector")
    mapped = Endpoint("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert decode_answer(TRANSACTION, RFC_IPV6) == Answer(mapped, software="test vector")


@pytest.mark.parametrize("vector", [RFC_IPV4, RFC_IPV6], ids=["ipv4", "ipv6"])
def test_no_changed_bit_changes_the_address(vector: bytes) -> None:
    refused = 0
    for bit in range(20 * 8, len(vector) * 8):
        changed = bytearray(vector)
        changed[bit // 8] ^= 1 << bit % 8
        try:  # an attribute that is not FINGERPRINT any more cannot fail
            assert decode_answer(TRANSACTION, bytes(changed)) == decode_answer(TRANSACTION, vector)
        except BadMessage:
            refused += 1
    assert refused == len(vector[20:]) * 8 - 17  # its type, and the bit that makes the attribute before it contain it


def test_requests() -> None:
    assert encode_request(TRANSACTION) == bytes.fromhex("00010000") + COOKIE + TRANSACTION
    # RFC 5780 section 7.2: flag A is the third lowest bit, flag B the second lowest.
    expected = bytes.fromhex("00010008") + COOKIE + TRANSACTION + bytes.fromhex("00030004 00000006")
    assert encode_request(TRANSACTION, CHANGE_ADDRESS | CHANGE_PORT) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([SEEN], Answer(MAPPED)),
        ([SEEN_PLAIN], Answer(MAPPED)),  # RFC 3489
        ([(0x0001, bytes.fromhex("0001 8055 0a000001")), SEEN], Answer(MAPPED)),  # a gateway has rewritten the first
        ([SEEN, (0x0020, bytes.fromhex("0001a147e112a644"))], Answer(MAPPED)),  # the first of two counts
        ([SEEN, (0x802C, OTHER_PLAIN)], Answer(MAPPED, other=Endpoint("198.51.100.2", 3479))),
        ([SEEN_PLAIN, (0x0005, OTHER_PLAIN)], Answer(MAPPED, other=Endpoint("198.51.100.2", 3479))),
        ([SEEN, (0x802C, b"")], Answer(MAPPED)),
        ([SEEN, (0x802C, bytes.fromhex("0001 0000 c6336402"))], Answer(MAPPED)),
        ([(0xFFFF, b"odd"), (0x8000, b""), SEEN], Answer(MAPPED)),
        ([SEEN, (0x0008, bytes(20)), (0x0020, b"?"), (0x7777, b"")], Answer(MAPPED)),  # after MESSAGE-INTEGRITY
        ([SEEN, (0x8022, b"a\n\x1b[31m\xff" + b"b" * 300)], Answer(MAPPED, software="a[31m\ufffd" + "b" * 122)),
    ],
)
def test_successes(attributes: list[tuple[int, bytes]], expected: Answer) -> None:
    assert decode_answer(TRANSACTION, message(*attributes)) == expected
    assert decode_answer(TRANSACTION, fingerprinted(message(*attributes))) == expected


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"\0\0\4\24Unknown Attribute", "420 Unknown Attribute"),
        (b"\0\0\3\0Try Alternate", "300 Try Alternate"),
        (b"\0\0\6\0", "600"),
        (b"\xff\xff\xfd\1", "501"),  # reserved bits are ignored
    ],
)
def test_errors(value: bytes, error: str) -> None:
    assert decode_answer(TRANSACTION, message((0x0009, value), kind=0x0111)) == Answer(None, error)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (RFC_IPV4[:19], "19 bytes"),
        (RFC_IPV4[:-4], "a length of"),
        (RFC_IPV4 + b"\0\0\0\0", "a length of"),
        (RFC_IPV4[:3] + b"\x3d" + RFC_IPV4[4:], "a length of 61"),
        (message(SEEN, transaction=bytes(12)), "transaction id"),
        (RFC_IPV4[:4] + bytes(4) + RFC_IPV4[8:], "magic cookie"),
        (message(SEEN, kind=0x0001), "0x0001 is no answer"),
        (message(SEEN, kind=0x0103), "0x0103 is no answer"),
        (message(SEEN, kind=0x8101), "0x8101 is no answer"),
        (message(), "without XOR-MAPPED-ADDRESS"),
        (message(SEEN, (0x0777, b"")), "0x0777"),
        (message((0x0009, b"\0\0\4\24"), (0x0777, b""), kind=0x0111), "0x0777"),
        (message((0x0009, b"\0\0\4"), kind=0x0111), "ERROR-CODE"),
        (message((0x0009, b"\0\0\2\0"), kind=0x0111), "ERROR-CODE"),
        (message((0x0009, b"\0\0\4\144"), kind=0x0111), "ERROR-CODE"),
        (message(SEEN, kind=0x0111), "ERROR-CODE"),
        (message((0x0020, b"")), "neither IPv4 nor"),
        (message((0x0020, bytes.fromhex("0002a147e112a643"))), "neither IPv4 nor"),
        (message((0x0020, bytes.fromhex("0003a147e112a643"))), "neither IPv4 nor"),
        (message((0x0001, bytes.fromhex("0001 0000 c0000201"))), "unspecified"),
        (message((0x0001, bytes.fromhex("0001 8055 00000000"))), "unspecified"),
        (bytes.fromhex("01010004") + COOKIE + TRANSACTION + bytes.fromhex("00200008"), "is longer than"),
        (fingerprinted(message(SEEN))[:-1] + b"\0", "FINGERPRINT does not match"),
        (message((0x8028, bytes(4)), SEEN), "not the last"),
        (message(SEEN, (0x8028, bytes(3))), "does not match"),
    ],
)
def test_invalid_answers(data: bytes, reason: str) -> None:
    with pytest.raises(BadMessage, match=reason):
        decode_answer(TRANSACTION, data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_an_answer_or_refused(body: bytes) -> None:
    for data in (body, struct.pack("!HH", 0x0101, len(body)) + COOKIE + TRANSACTION + body):
        try:
            answer = decode_answer(TRANSACTION, data)
        except BadMessage:
            continue
        assert answer.mapped is not None


ATTRIBUTES = st.tuples(
    st.sampled_from([0x0001, 0x0005, 0x0009, 0x0020, 0x0008, 0x8022, 0x802C, 0x8028, 0x0777, 0x9999]),
    st.one_of(st.binary(max_size=24), st.binary(min_size=4, max_size=4).map(lambda tail: b"\0\1\0\1" + tail)),
)


@given(st.lists(ATTRIBUTES, max_size=6), st.sampled_from([0x0101, 0x0111]))
def test_arbitrary_attributes_are_an_answer_or_refused(attributes: list[tuple[int, bytes]], kind: int) -> None:
    try:
        answer = decode_answer(TRANSACTION, message(*attributes, kind=kind))
    except BadMessage:
        return
    assert (answer.mapped is None) == (kind == 0x0111) == bool(answer.error)
    assert (answer.error + answer.software).isprintable()
