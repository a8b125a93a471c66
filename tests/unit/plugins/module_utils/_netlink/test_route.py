# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route messages: golden bytes by hand from linux/rtnetlink.h (struct rtmsg, then attributes), and reading them."""

from __future__ import annotations

import socket
import struct
import sys

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import route as codec
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.route import RouteMessage
from hypothesis import given
from hypothesis import strategies as st

little_endian = pytest.mark.skipif(sys.byteorder == "big", reason="the golden bytes are those of a little-endian host")

SITE, SITE6, ANY = parse_prefix("10.77.0.0/16"), parse_prefix("fd77::/48"), parse_prefix("0.0.0.0/0")


@little_endian
@pytest.mark.parametrize(
    ("made", "golden"),
    [
        # rtmsg: family dst_len src_len tos table protocol scope type flags; then attributes
        (
            codec.encode_dump(socket.AF_INET, 254, 7),
            "02 00 00 00 00 00 00 00 00000000 0800 0f00 fe000000 0800 0400 07000000",
        ),
        (codec.encode_dump(socket.AF_INET6, 254, 0), "0a 00 00 00 00 00 00 00 00000000 0800 0f00 fe000000"),
        # scope link (253), type unicast (1), protocol 87; RTA_DST 1, RTA_OIF 4, RTA_TABLE 15
        (
            codec.encode_route(SITE, 254, 87, 0, 7),
            "02 10 00 00 fc 57 fd 01 00000000 0800 0100 0a4d0000 0800 0400 07000000 0800 0f00 fe000000",
        ),
        # IPv6 has scope universe, and RTA_PRIORITY 6
        (
            codec.encode_route(SITE6, 100, 87, 1024, 7),
            "0a 30 00 00 64 57 00 01 00000000 1400 0100 fd770000000000000000000000000000 0800 0400 07000000"
            "0800 0f00 64000000 0800 0600 00040000",
        ),
        # a default route has no RTA_DST; a table above 252 is only in the attribute
        (
            codec.encode_route(ANY, 1000, 87, 0, 7),
            "02 00 00 00 fc 57 fd 01 00000000 0800 0400 07000000 0800 0f00 e8030000",
        ),
        (codec.encode_lookup(socket.AF_INET, b"\xc0\0\2\1"), "02 20 00 00 00 00 00 00 00000000 0800 0100 c0000201"),
        (
            codec.encode_lookup(socket.AF_INET, b"\xc0\0\2\1", 0, codec.Sender(b"\xc0\0\2\2", 6, 22, 0)),
            "02 20 20 00 00 00 00 00 00000000 0800 0100 c0000201 0800 0200 c0000202 0500 1b00 06000000 0600 1c00 00160000",
        ),
        (
            codec.encode_lookup(socket.AF_INET, b"\xc0\0\2\1", 0, codec.Sender(bytes(4), 17, 0, 51820)),
            "02 20 00 00 00 00 00 00 00000000 0800 0100 c0000201 0500 1b00 11000000 0600 1d00 ca6c0000",
        ),
        (
            codec.encode_lookup(socket.AF_INET, b"\xc0\0\2\1", 0x1C02),
            "02 20 00 00 00 00 00 00 00000000 0800 0100 c0000201 0800 1000 021c0000",
        ),
        # RTM_F_FIB_MATCH 0x2000
        (codec.encode_match(SITE), "02 20 00 00 00 00 00 00 00200000 0800 0100 0a4d0000"),
    ],
)
def test_golden_bytes(made: bytes, golden: str) -> None:
    assert made == bytes.fromhex(golden)


def message(*attributes: bytes, family: int = 2, length: int = 16, table: int = 254, flags: int = 0) -> bytes:
    return struct.pack("=BBBBBBBBI", family, length, 0, 0, table, 87, 253, 1, flags) + b"".join(attributes)


DST, OIF = nl.attribute(1, SITE.packed), nl.attribute(4, struct.pack("=I", 7))


def test_a_managed_route_round_trips() -> None:
    for destination in (SITE, SITE6, ANY):
        payload = codec.encode_route(destination, 254, 87, 1024, 7)
        assert codec.decode_route(payload) == RouteMessage(destination, 254, 87, 1, 1024, 7, False, None)


def test_the_table_attribute_overrides_the_header() -> None:
    found = codec.decode_route(message(DST, OIF, nl.attribute(15, struct.pack("=I", 1000)), table=252))
    assert found is not None
    assert found.table == 1000


def test_a_gateway_and_a_source_are_read() -> None:
    gateway, source = nl.attribute(5, bytes(4)), nl.attribute(7, b"\x0a\0\0\1")
    found = codec.decode_route(message(DST, OIF, gateway, source))
    assert found is not None
    assert (found.has_gateway, found.source) == (True, b"\x0a\0\0\1")


def test_cached_routes_and_other_families_are_ignored() -> None:
    assert codec.decode_route(message(DST, OIF, flags=0x200)) is None
    assert codec.decode_route(message(family=28)) is None


def test_a_lookup_returns_interface_and_source() -> None:
    found = codec.decode_lookup(message(DST, OIF, nl.attribute(7, b"\x0a\0\0\1"), length=32, flags=0x200))
    assert (found.interface_index, found.source) == (7, b"\x0a\0\0\1")


def test_a_message_truncated_within_an_attribute_is_refused() -> None:
    payload = message(DST, OIF)
    for cut in set(range(len(payload))) - {12, 20, 28}:
        with pytest.raises(MalformedMessage):
            codec.decode_route(payload[:cut])


def test_a_number_of_a_wrong_size_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        codec.decode_route(message(DST, nl.attribute(4, bytes(2))))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_route_or_none_or_malformed(payload: bytes) -> None:
    try:
        codec.decode_route(payload)
    except MalformedMessage:
        return
