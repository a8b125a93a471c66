# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink framing: the layout of linux/netlink.h, and truncated buffers."""

from __future__ import annotations

import errno
import struct
import sys

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage, Message
from hypothesis import given
from hypothesis import strategies as st

little_endian = pytest.mark.skipif(sys.byteorder == "big", reason="the golden bytes are those of a little-endian host")

attribute_lists = st.lists(st.tuples(st.integers(0, nl.NLA_TYPE_MASK), st.binary(max_size=40)), max_size=6)
message_lists = st.lists(
    st.builds(
        Message, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1), st.binary(max_size=40)
    ),
    max_size=5,
)


def encoded(attributes: list[tuple[int, bytes]]) -> bytes:
    return b"".join(nl.attribute(kind, payload) for kind, payload in attributes)


def framed(messages: list[Message]) -> bytes:
    """Return a datagram, written by hand: length, type, flags, sequence, port, payload, padding."""
    parts = []
    for message in messages:
        length = 16 + len(message.payload)
        parts.append(struct.pack("=IHHII", length, message.type, message.flags, message.sequence, 7))
        parts.append(message.payload + bytes(-length % 4))
    return b"".join(parts)


@little_endian
@pytest.mark.parametrize(
    ("made", "golden"),
    [
        # nla_len, nla_type, payload, padding to four bytes
        (nl.attribute(6, b"\x6c\xca"), "0600 0600 6cca 0000"),
        (nl.attribute(1, b""), "0400 0100"),
        (nl.text(2, "wg0"), "0800 0200 77673000"),
        (nl.text(2, "wg10"), "0900 0200 7767313000 000000"),
        # NLA_F_NESTED is the top bit of nla_type
        (nl.nested(8, nl.attribute(1, b"\x01")), "0c00 0880 0500 0100 01000000"),
        (nl.nested(0), "0400 0080"),
        # nlmsg_len, nlmsg_type, nlmsg_flags (NLM_F_REQUEST | NLM_F_ACK), nlmsg_seq, nlmsg_pid
        (nl.request(0x1B, nl.NLM_F_ACK, 5, b"\xaa"), "11000000 1b00 0500 05000000 00000000 aa"),
    ],
)
def test_golden_bytes(made: bytes, golden: str) -> None:
    assert made == bytes.fromhex(golden)


@given(attribute_lists)
def test_attributes_round_trip(drawn: list[tuple[int, bytes]]) -> None:
    buffer = encoded(drawn)
    assert len(buffer) % 4 == 0
    assert list(nl.attributes(buffer)) == drawn
    assert list(nl.attributes(b"head" + buffer, 4)) == drawn


def test_flag_bits_of_a_type_are_cleared() -> None:
    assert list(nl.attributes(nl.nested(8, nl.attribute(0x4001, b"abcd")))) == [(8, nl.attribute(0x4001, b"abcd"))]
    assert list(nl.attributes(nl.attribute(0x4001, b"abcd"))) == [(1, b"abcd")]


@given(attribute_lists)
def test_truncated_attributes_are_refused_or_end_with_a_complete_one(drawn: list[tuple[int, bytes]]) -> None:
    buffer = encoded(drawn)
    whole_ends: dict[int, int] = {0: 0}
    end = 0
    for number, (_kind, payload) in enumerate(drawn, 1):
        unpadded = end + 4 + len(payload)
        end = (unpadded + 3) & ~3
        whole_ends.update(dict.fromkeys(range(unpadded, end + 1), number))
    for cut in range(len(buffer)):
        if cut in whole_ends:
            assert list(nl.attributes(buffer[:cut])) == drawn[: whole_ends[cut]]
        else:
            with pytest.raises(MalformedMessage):
                list(nl.attributes(buffer[:cut]))


@pytest.mark.parametrize("length", [0, 1, 3, 9, 0xFFFF])
def test_impossible_attribute_lengths_are_refused(length: int) -> None:
    with pytest.raises(MalformedMessage):
        list(nl.attributes(struct.pack("=HHI", length, 1, 0)))


def test_a_truncated_buffer_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        list(nl.attributes(b"abc", 4))


def test_an_attribute_that_is_too_long_is_refused() -> None:
    assert len(nl.attribute(1, bytes(65531))) == 65536
    with pytest.raises(ValueError, match="65536 bytes is too long"):
        nl.attribute(1, bytes(65532))
    with pytest.raises(ValueError, match="attribute 8 of"):
        nl.nested(8, bytes(40000), bytes(40000))


@given(message_lists)
def test_messages_round_trip(drawn: list[Message]) -> None:
    assert list(nl.messages(framed(drawn))) == drawn


@given(message_lists)
def test_a_truncated_datagram_is_refused_unless_it_ends_with_a_complete_message(drawn: list[Message]) -> None:
    buffer = framed(drawn)
    whole_ends: dict[int, int] = {0: 0}
    end = 0
    for number, message in enumerate(drawn, 1):
        unpadded = end + 16 + len(message.payload)
        end = (unpadded + 3) & ~3
        whole_ends.update(dict.fromkeys(range(unpadded, end + 1), number))
    for cut in range(len(buffer)):
        if cut in whole_ends:
            assert list(nl.messages(buffer[:cut])) == drawn[: whole_ends[cut]]
        else:
            with pytest.raises(MalformedMessage):
                list(nl.messages(buffer[:cut]))


@pytest.mark.parametrize("length", [0, 15, 17, 2**32 - 1])
def test_impossible_message_lengths_are_refused(length: int) -> None:
    with pytest.raises(MalformedMessage):
        list(nl.messages(struct.pack("=IHHII", length, 1, 0, 0, 0)))


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_malformed(buffer: bytes) -> None:
    for read in (nl.messages, nl.attributes):
        try:
            list(read(buffer))
        except MalformedMessage:
            continue


QUOTED = struct.pack("=IHHII", 24, 0x1B, 5, 1, 0) + b"12345678"
EXPLAINED = nl.text(nl.NLMSGERR_ATTR_MSG, "Invalid peer key")
OFFSET = nl.attribute(2, bytes(4))


def error_of(kind: int, flags: int, payload: bytes) -> nl.NetlinkError | None:
    return nl.error(Message(kind, flags, 1, payload))


def code(number: int) -> bytes:
    return struct.pack("=i", -number)


def test_a_code_of_zero_is_an_acknowledgement() -> None:
    assert error_of(nl.NLMSG_ERROR, nl.NLM_F_CAPPED, code(0) + QUOTED[:16]) is None
    assert error_of(nl.NLMSG_DONE, nl.NLM_F_MULTI, code(0)) is None
    assert error_of(nl.NLMSG_DONE, nl.NLM_F_MULTI, b"") is None


@pytest.mark.parametrize(
    ("kind", "flags", "behind"),
    [
        (nl.NLMSG_ERROR, nl.NLM_F_CAPPED, QUOTED[:16]),
        (nl.NLMSG_ERROR, 0, QUOTED),
        (nl.NLMSG_DONE, nl.NLM_F_MULTI, b""),
    ],
    ids=["capped", "whole request quoted", "end of a dump"],
)
def test_refusals_with_and_without_explanation(kind: int, flags: int, behind: bytes) -> None:
    plain = error_of(kind, flags, code(errno.EINVAL) + behind)
    assert plain is not None
    assert (plain.errno, plain.explanation, plain.strerror) == (errno.EINVAL, "", "Invalid argument")
    told = error_of(kind, flags | nl.NLM_F_ACK_TLVS, code(errno.EINVAL) + behind + OFFSET + EXPLAINED)
    assert told is not None
    assert (told.explanation, told.strerror) == ("Invalid peer key", "Invalid argument: Invalid peer key")


def test_an_explanation_outside_utf_8_keeps_the_error() -> None:
    explained = nl.attribute(nl.NLMSGERR_ATTR_MSG, b"\xff\0")
    refused = error_of(nl.NLMSG_ERROR, nl.NLM_F_CAPPED | nl.NLM_F_ACK_TLVS, code(1) + QUOTED[:16] + explained)
    assert refused is not None
    assert refused.explanation == "\ufffd"


@pytest.mark.parametrize("size", range(4))
def test_a_truncated_acknowledgement_is_refused(size: int) -> None:
    with pytest.raises(MalformedMessage):
        error_of(nl.NLMSG_ERROR, 0, bytes(size))


def test_a_truncated_explained_refusal_is_malformed() -> None:
    payload = code(errno.EINVAL) + QUOTED + EXPLAINED
    for cut in range(4, len(payload)):
        if cut == 4 + len(QUOTED) or len(payload) - cut < 4:  # complete without its explanation, or without padding
            continue
        with pytest.raises(MalformedMessage):
            error_of(nl.NLMSG_ERROR, nl.NLM_F_ACK_TLVS, payload[:cut])
