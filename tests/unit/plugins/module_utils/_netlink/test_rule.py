# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule messages: requests of iproute2 6.1 (strace of `ip rule add`, without the message header), and answers of kernels."""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, masked, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import rule as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.rule import Rule
from hypothesis import given
from hypothesis import strategies as st

little_endian = pytest.mark.skipif(sys.byteorder == "big", reason="the golden bytes are those of a little-endian host")
IPV4, IPV6 = int(socket.AF_INET), int(socket.AF_INET6)

GOLDEN = {
    "not fwmark 0x100000/0x100000 priority 99 lookup 7100": (
        Rule(IPV4, 99, table=7100, invert=True, fwmark=0x100000, fwmask=0x100000),
        "02000000000000010200000008000a00000010000800100000001000080006006300000008000f00bc1b00000500150002000000",
    ),
    "priority 150 lookup main suppress_prefixlength 0": (
        Rule(IPV4, 150, table=254, suppress_prefixlength=0),
        "02000000fe00000100000000080006009600000008000e00000000000500150002000000",
    ),
    "priority 151 from fd01::/48 to fd02::1 lookup 200": (
        Rule(IPV6, 151, table=200, source=parse_prefix("fd01::/48"), destination=parse_prefix("fd02::1")),
        "0a803000c800000100000000080006009700000014000200fd01000000000000000000000000000014000100"
        "fd0200000000000000000000000000010500150002000000",
    ),
    "priority 152 iif va oif lo ipproto tcp sport 1-9 dport 22 uidrange 5-6 lookup 252": (
        Rule(
            IPV4,
            152,
            table=252,
            input_interface="va",
            output_interface="lo",
            ip_protocol=6,
            source_ports=(1, 9),
            destination_ports=(22, 22),
            uid_range=(5, 6),
        ),
        "02000000fc0000010000000008000600980000000700030076610000070011006c6f0000050016000600000008001700"
        "0100090008001800160016000c00140005000000060000000500150002000000",
    ),
    "priority 153 fwmark 5 goto 32766": (
        Rule(IPV4, 153, codec.FR_ACT_GOTO, goto=32766, fwmark=5),
        "02000000000000020000000008000600990000000800" + "0a000500000008000400fe7f00000500150002000000",
    ),
    "priority 154 to 10.0.0.0/8 prohibit": (
        Rule(IPV4, 154, codec.FR_ACT_PROHIBIT, destination=parse_prefix("10.0.0.0/8")),
        "02080000000000080000000008000600" + "9a000000080001000a0000000500150002000000",
    ),
}


def parts(payload: bytes) -> tuple[bytes, set[tuple[int, bytes]]]:
    """Return the header without its table byte, and the attributes, of which iproute2 has FRA_TABLE only when needed."""
    return payload[:4] + payload[5:12], {(kind, content) for kind, content in nl.attributes(payload, 12) if kind != 15}


@little_endian
@pytest.mark.parametrize("words", GOLDEN)
def test_golden_bytes_of_iproute2(words: str) -> None:
    rule, golden = GOLDEN[words]
    payload = bytes.fromhex(golden)
    assert codec.decode(payload) == rule
    assert parts(codec.encode(rule)) == parts(payload)


@little_endian
def test_default_attributes_of_the_kernel_are_ignored() -> None:
    # Linux 6.18 of `priority 8 ipproto tcp dport 22 goto 9`: no table, nothing suppressed, all bits of the port.
    said = (
        "02000000000000020400000008000f000000000008000e00ffffffff0500150000000000080006000800000008000400"
        "09000000080018001600160006001d00ffff00000500160006000000"
    )
    wanted = Rule(IPV4, 8, codec.FR_ACT_GOTO, goto=9, ip_protocol=6, destination_ports=(22, 22), protocol=0)
    assert codec.decode(bytes.fromhex(said)) == wanted


@little_endian
def test_attributes_that_are_never_set_are_kept_and_distinguished() -> None:
    # Linux 6.18 of `priority 10 from 10.1.2.3/8 tos 0x10 iif foo oif lo prohibit`: [detached] is a flag, and state.
    said = (
        "02000810000000080800000008000f000000000008000e00ffffffff050015000000000008000300666f6f0007001100"
        "6c6f0000080006000a000000080002000a010203"
    )
    rule = codec.decode(bytes.fromhex(said))
    assert rule is not None and rule.rest and rule.source == Prefix(IPV4, b"\x0a\1\2\3", 8)
    assert codec.decode(codec.encode(rule)) == rule
    assert codec.encode(rule)[3] == 0x10
    tunnel = nl.attribute(12, bytes(7) + b"\7")
    other = codec.decode(codec.encode(Rule(IPV4, 5, table=9)) + tunnel)
    assert other is not None and other.rest == ((12, bytes(7) + b"\7"),)
    assert other != Rule(IPV4, 5, table=9)


def test_rules_of_other_families_are_ignored() -> None:
    assert codec.decode(codec.encode_dump(128)) is None


def networks(family: int) -> st.SearchStrategy[Prefix]:
    size = 4 if family == IPV4 else 16
    return st.builds(
        lambda packed, length: Prefix(family, masked(packed, length), length),
        st.binary(min_size=size, max_size=size),
        st.integers(1, size * 8),
    )


def pairs(highest: int) -> st.SearchStrategy[tuple[int, int] | None]:
    ordered = st.tuples(st.integers(1, highest), st.integers(1, highest)).map(lambda two: (min(two), max(two)))
    return st.none() | ordered


@st.composite
def any_rules(draw: st.DrawFn) -> Rule:
    family = draw(st.sampled_from([IPV4, IPV6]))
    action = draw(st.sampled_from([1, 2, 6, 7, 8]))
    words = st.integers(0, 0xFFFFFFFF)
    names = st.none() | st.text("abcdef0123", min_size=1, max_size=15)
    return Rule(
        family,
        draw(words),
        action,
        draw(st.integers(1, 0xFFFFFFFF)) if action == 1 else 0,
        draw(words) if action == 2 else 0,
        draw(st.booleans()),
        draw(st.none() | networks(family)),
        draw(st.none() | networks(family)),
        draw(names),
        draw(names),
        draw(words),
        draw(words),
        draw(st.none() | st.integers(0, 128)),
        draw(pairs(0xFFFFFFFF)),
        draw(st.integers(0, 255)),
        draw(pairs(65535)),
        draw(pairs(65535)),
        draw(st.integers(0, 255)),
    )


@given(any_rules())
def test_rules_round_trip(rule: Rule) -> None:
    assert codec.decode(codec.encode(rule)) == rule


@given(any_rules(), any_rules())
def test_keys_differ_where_rules_do(one: Rule, other: Rule) -> None:
    assert (one.key() == other.key()) == (one == other)
    assert one.key() == replace(one).key()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_rule_or_none_or_malformed(payload: bytes) -> None:
    try:
        codec.decode(payload)
    except MalformedMessage:
        return


def test_numbers_of_a_wrong_size_are_refused() -> None:
    for broken in (nl.attribute(10, bytes(2)), nl.attribute(20, bytes(4)), nl.attribute(1, bytes(3))):
        with pytest.raises(MalformedMessage):
            codec.decode(struct.pack("=BBBBBBBBI", 2, 8, 0, 0, 9, 0, 0, 1, 0) + broken)
