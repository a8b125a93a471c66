# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Decode IP packets: addresses, protocol, the first bytes of the payload, fragmentation. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

# linux/if_ether.h
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
_TAGS = (0x8100, 0x88A8, 0x9100)
# linux/in.h, linux/in6.h
TCP, UDP, ESP, ICMPV6 = 6, 17, 50, 58
_HOP_BY_HOP, _ROUTING, _FRAGMENT, _DESTINATION = 0, 43, 44, 60

# Bytes read of a packet: link-layer header, VLAN tags, IP headers and the beginning of the payload.
SNAPSHOT = 256
_BEGINNING = 12  # bytes of the IP payload: the UDP header and four bytes of its data


class Fragment(NamedTuple):
    """The identification field of a fragment, and whether it is the first fragment of its packet."""

    identification: int
    is_first: bool


class Packet(NamedTuple):
    """One IP packet: packed addresses, protocol, the first bytes of its payload, None or the fragment it is."""

    source: bytes
    destination: bytes
    protocol: int
    beginning: bytes
    fragment: Fragment | None = None

    @property
    def ports(self) -> tuple[int, int] | None:
        """Source and destination port of a TCP or UDP packet, None where its header is missing."""
        shown = self.protocol in (TCP, UDP) and len(self.beginning) >= 4 and self.begins
        return struct.unpack_from("!HH", self.beginning) if shown else None

    @property
    def begins(self) -> bool:
        """Whether the packet has the transport header: it is whole, or a first fragment."""
        return self.fragment is None or self.fragment.is_first


def decode(ethertype: int, data: bytes) -> Packet | None:
    """Return the IP packet that follows a link-layer header; None for other protocols and truncated packets.

    The kernel strips the outermost VLAN tag; further ones (IEEE 802.1Q, 802.1ad) are skipped here.
    """
    while ethertype in _TAGS and len(data) >= 4:
        (ethertype,) = struct.unpack_from("!H", data, 2)
        data = data[4:]
    if ethertype == ETH_P_IP:
        return _ipv4(data)
    return _ipv6(data) if ethertype == ETH_P_IPV6 else None


def decode_frame(frame: bytes) -> Packet | None:
    """Return the IP packet of an Ethernet frame, None for other protocols."""
    return decode(int.from_bytes(frame[12:14], "big"), frame[14:])


def _ipv4(data: bytes) -> Packet | None:
    """RFC 791 section 3.1."""
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    identification, place = struct.unpack_from("!HH", data, 4)
    fragment = Fragment(identification, not place & 0x1FFF) if place & 0x3FFF else None
    start = 4 * (data[0] & 0x0F)
    if start < 20:
        return None
    return Packet(data[12:16], data[16:20], data[9], data[start : start + _BEGINNING], fragment)


def _ipv6(data: bytes) -> Packet | None:
    """RFC 8200 sections 3 and 4: follow the extension headers to the upper-layer header."""
    if len(data) < 40 or data[0] >> 4 != 6:
        return None
    protocol, start, fragment = data[6], 40, None
    while protocol in (_HOP_BY_HOP, _ROUTING, _DESTINATION, _FRAGMENT) and len(data) >= start + 8:
        if protocol == _FRAGMENT:
            place, identification = struct.unpack_from("!HI", data, start + 2)
            if place & 0xFFF9:  # else an atomic fragment, a whole packet (RFC 6946)
                fragment = Fragment(identification, not place & 0xFFF8)
            length = 8
        else:
            length = 8 * (data[start + 1] + 1)
        protocol, start = data[start], start + length
        if fragment is not None and not fragment.is_first:
            break
    return Packet(data[8:24], data[24:40], protocol, data[start : start + _BEGINNING], fragment)
