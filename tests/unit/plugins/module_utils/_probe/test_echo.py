# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Codec of echo requests and replies."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.packet import internet_checksum, strip_ip_header
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.echo import (
    HEADERS,
    TOKEN_BYTES,
    Reply,
    decode_reply,
    encode_request,
    encode_unsolicited_reply,
)
from hypothesis import given
from hypothesis import strategies as st

FAMILIES = st.sampled_from([socket.AF_INET, socket.AF_INET6])
TOKEN = bytes(range(TOKEN_BYTES))
REPLY_TYPE = {socket.AF_INET: 0, socket.AF_INET6: 129}

# An echo request of ping(8) from iputils 20221126 with `-s 24 -p ff`, and the reply to it, as tcpdump recorded them.
PING_REQUEST = bytes.fromhex("0800f4ac231e0001b3ea016b0000000023de070000000000ffffffffffffffff")
PING_REPLY = bytes.fromhex("0000fcac231e0001b3ea016b0000000023de070000000000ffffffffffffffff")


def reply_to(request: bytes, family: int) -> bytes:
    return bytes([REPLY_TYPE[family]]) + request[1:]


def test_checksum_of_the_example_in_rfc_1071() -> None:
    # Section 3: the words 0001 f203 f4f5 f6f7 add up to ddf2.
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@pytest.mark.parametrize("message", [PING_REQUEST, PING_REPLY], ids=["request", "reply"])
def test_checksum_of_packets_of_ping(message: bytes) -> None:
    assert decode_reply(socket.AF_INET, TOKEN, None, message) is None, "the token is not ours"
    assert internet_checksum(message) == 0
    assert internet_checksum(message[:2] + bytes(2) + message[4:]) == int.from_bytes(message[2:4], "big")


@given(st.binary(min_size=1, max_size=99).filter(any))
def test_checksum_is_the_ones_complement_sum(data: bytes) -> None:
    total = 0
    for place in range(0, len(data), 2):
        total += int.from_bytes((data[place : place + 2] + b"\0")[:2], "big")
        total = (total & 0xFFFF) + (total >> 16)
    assert internet_checksum(data) == total ^ 0xFFFF


@given(FAMILIES, st.integers(0, 2**32 - 1), st.integers(84, 9000), st.integers(0, 0xFFFF))
def test_reply_to_a_request_is_recognised(family: int, number: int, size: int, identifier: int) -> None:
    size = max(size, HEADERS[family] + TOKEN_BYTES + 4)
    request = encode_request(family, TOKEN, identifier, number, size)
    assert len(request) == size - HEADERS[family] + 8
    assert request[0] == {socket.AF_INET: 8, socket.AF_INET6: 128}[family]
    if family == socket.AF_INET:
        assert internet_checksum(request) == 0
    reply = reply_to(request, family)
    assert decode_reply(family, TOKEN, identifier, reply) == Reply(number, size)
    assert decode_reply(family, TOKEN, None, reply) == Reply(number, size)
    assert decode_reply(family, TOKEN, identifier ^ 1, reply) is None
    assert decode_reply(family, TOKEN, identifier, request) is None, "a request, not a reply"
    assert decode_reply(family, bytes(TOKEN_BYTES), identifier, reply) is None, "the token of another run"


@given(FAMILIES, st.data())
def test_altered_reply_is_ignored(family: int, data: st.DataObject) -> None:
    reply = bytearray(reply_to(encode_request(family, TOKEN, 7, 300, 200), family))
    place = data.draw(st.integers(0, len(reply) - 1).filter(lambda place: place not in (2, 3)))  # the checksum
    reply[place] ^= data.draw(st.integers(1, 255))
    assert decode_reply(family, TOKEN, 7, bytes(reply)) is None


@given(FAMILIES, st.binary(max_size=200))
def test_arbitrary_bytes_are_ignored(family: int, message: bytes) -> None:
    assert decode_reply(family, TOKEN, None, message) is None


@given(FAMILIES, st.integers(0, 11))
def test_truncated_reply_is_ignored(family: int, length: int) -> None:
    reply = reply_to(encode_request(family, TOKEN, 7, 1, 200), family)
    assert decode_reply(family, TOKEN, 7, reply[: 8 + length]) is None


@pytest.mark.parametrize("words", [5, 6, 15])
def test_ip_header_is_stripped_by_its_length_field(words: int) -> None:
    assert strip_ip_header(bytes([0x40 | words]) + bytes(4 * words - 1) + b"rest") == b"rest"


def test_strip_ip_header_of_an_empty_packet() -> None:
    assert strip_ip_header(b"") == b""


def test_unsolicited_reply() -> None:
    ipv4, ipv6 = (encode_unsolicited_reply(family) for family in (socket.AF_INET, socket.AF_INET6))
    assert (ipv4[:2], internet_checksum(ipv4), len(ipv4)) == (bytes([0, 0]), 0, 8)
    assert ipv6 == bytes([129, 0, 0, 0, 0, 0, 0, 0]), "the kernel computes the checksum"
