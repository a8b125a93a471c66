# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding of IP packets, byte by byte."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.packet import (
    ESP,
    ETH_P_IP,
    ETH_P_IPV6,
    TCP,
    UDP,
    Fragment,
    Packet,
    decode,
    decode_frame,
)
from hypothesis import given
from hypothesis import strategies as st

from .packets import fragment_header, ipv4, ipv6, packed, tcp, udp

A, B = "10.0.0.1", "10.0.0.2"
A6, B6 = "fd00::1", "fd00::2"


def test_ipv4_packet() -> None:
    found = decode(ETH_P_IP, ipv4(A, B, UDP, udp(1, 51820)))
    assert found == Packet(packed(A), packed(B), UDP, udp(1, 51820)[:12])
    assert found.ports == (1, 51820) and found.begins


def test_options_are_skipped() -> None:
    found = decode(ETH_P_IP, ipv4(A, B, TCP, tcp(22, 5), options=3))
    assert found is not None and found.ports == (22, 5)


def test_dont_fragment_is_not_a_fragment() -> None:
    found = decode(ETH_P_IP, ipv4(A, B, UDP, udp(1, 2), place=0x4000))
    assert found is not None and found.fragment is None


@pytest.mark.parametrize(("place", "first"), [(0x2000, True), (0x2010, False), (0x0010, False)])
def test_ipv4_fragments(place: int, first: bool) -> None:
    found = decode(ETH_P_IP, ipv4(A, B, UDP, udp(1, 2), place=place, number=77))
    assert found is not None and found.fragment == Fragment(77, first)
    assert found.ports == ((1, 2) if first else None), "later fragments have no header"


def test_ipv6_packet() -> None:
    assert decode(ETH_P_IPV6, ipv6(A6, B6, ESP, b"x" * 40)) == Packet(packed(A6), packed(B6), ESP, b"x" * 12)


def test_chain_of_ipv6_headers() -> None:
    chain = bytes([60, 0]) + bytes(6) + bytes([43, 1]) + bytes(14) + bytes([UDP, 0]) + bytes(6) + udp(5, 6)
    found = decode(ETH_P_IPV6, ipv6(A6, B6, 0, chain))
    assert found is not None and (found.protocol, found.ports) == (UDP, (5, 6))


@pytest.mark.parametrize(
    ("offset", "more", "fragment"),
    [(0, True, Fragment(9, True)), (2, True, Fragment(9, False)), (2, False, Fragment(9, False)), (0, False, None)],
)
def test_ipv6_fragments(offset: int, more: bool, fragment: Fragment | None) -> None:
    found = decode(ETH_P_IPV6, ipv6(A6, B6, 44, fragment_header(UDP, offset, more) + udp(5, 6)))
    assert found is not None and (found.protocol, found.fragment) == (UDP, fragment)


def test_later_fragment_has_no_extension_headers() -> None:
    payload = fragment_header(60, 4, False) + bytes([ESP, 0]) + bytes(30)
    found = decode(ETH_P_IPV6, ipv6(A6, B6, 44, payload))
    assert found is not None and found.protocol == 60


@pytest.mark.parametrize("tags", [1, 2])
@pytest.mark.parametrize("outer", [0x8100, 0x88A8, 0x9100])
def test_vlan_tags_left_by_the_kernel_are_skipped(outer: int, tags: int) -> None:
    inner = b"\x00\x05\x81\x00" * (tags - 1) + b"\x00\x07\x08\x00"
    found = decode(outer, inner + ipv4(A, B, ESP))
    assert found == Packet(packed(A), packed(B), ESP, b"")
    frame = bytes(12) + outer.to_bytes(2, "big") + inner + ipv4(A, B, ESP)
    assert decode_frame(frame) == found and decode_frame(frame[:13]) is None


@pytest.mark.parametrize(
    ("ethertype", "data"),
    [
        (0x0806, bytes(28)),
        (ETH_P_IP, b""),
        (ETH_P_IP, ipv4(A, B, UDP)[:19]),
        (ETH_P_IP, ipv6(A6, B6, UDP)),
        (ETH_P_IP, b"\x44" + ipv4(A, B, UDP)[1:]),
        (ETH_P_IPV6, ipv6(A6, B6, UDP)[:39]),
        (ETH_P_IPV6, ipv4(A, B, UDP) + bytes(40)),
        (0x8100, b"\x00\x07"),
    ],
)
def test_truncated_and_foreign_packets_are_ignored(ethertype: int, data: bytes) -> None:
    assert decode(ethertype, data) is None


@given(
    st.sampled_from([ETH_P_IP, ETH_P_IPV6, 0x8100]), st.sampled_from([b"", b"\x45", b"\x60"]), st.binary(max_size=300)
)
def test_arbitrary_bytes_are_decoded_without_error(ethertype: int, begin: bytes, data: bytes) -> None:
    found = decode(ethertype, begin + data)
    assert found is None or found.ports is None or len(found.ports) == 2
