# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What XFRM's messages share, between bytes and values (linux/xfrm.h): numbers, selectors, limits, marks. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct

from .._ip.prefix import Prefix
from .._netlink import messages as nl
from .model import Address, Limits, Mark, Port, Selector

NETLINK_XFRM = 6

# enum: XFRM_MSG_BASE = 0x10
XFRM_MSG_NEWSA, XFRM_MSG_DELSA, XFRM_MSG_GETSA = 0x10, 0x11, 0x12
XFRM_MSG_NEWPOLICY, XFRM_MSG_DELPOLICY, XFRM_MSG_GETPOLICY = 0x13, 0x14, 0x15
XFRM_MSG_UPDPOLICY, XFRM_MSG_UPDSA = 0x19, 0x1A

# enum xfrm_attr_type_t
XFRMA_ALG_CRYPT, XFRMA_ALG_COMP, XFRMA_ENCAP, XFRMA_TMPL = 2, 3, 4, 5
XFRMA_REPLAY_VAL, XFRMA_LASTUSED, XFRMA_POLICY_TYPE, XFRMA_ALG_AEAD = 10, 15, 16, 18
XFRMA_ALG_AUTH_TRUNC, XFRMA_MARK, XFRMA_TFCPAD, XFRMA_REPLAY_ESN_VAL = 20, 21, 22, 23
XFRMA_SA_EXTRA_FLAGS, XFRMA_OFFLOAD_DEV, XFRMA_SET_MARK, XFRMA_SET_MARK_MASK = 24, 28, 29, 30
XFRMA_IF_ID, XFRMA_SA_DIR = 31, 33

# struct xfrm_selector: daddr, saddr, dport, dport_mask, sport, sport_mask, family, prefixlen_d, prefixlen_s, proto,
# ifindex, user. The ports are in network order.
SELECTOR = struct.Struct("=16s16s2s2s2s2sHBBB3xiI")
# struct xfrm_id: daddr, spi in network order, proto
ID = struct.Struct("=16s4sB3x")
# struct xfrm_lifetime_cfg: soft and hard limit of bytes, packets, seconds since added and since used
LIMITS = struct.Struct("=8Q")
# struct xfrm_lifetime_cur: bytes, packets, add_time, use_time
LIFETIME = struct.Struct("=4Q")
U32 = struct.Struct("=I")
MARK = struct.Struct("=II")

ADDRESS_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


def encode_address(packed: bytes) -> bytes:
    """Return an xfrm_address_t: sixteen bytes, of which an IPv4 address fills the first four."""
    return packed + bytes(16 - len(packed))


def decode_address(family: int, raw: bytes) -> Address:
    """Return the address in an xfrm_address_t. Raises MalformedMessage for an unknown family."""
    try:
        return Address(family, raw[: ADDRESS_BYTES[family]])
    except KeyError:
        raise nl.MalformedMessage(f"an XFRM address of family {family}") from None


def encode_selector(selector: Selector) -> bytes:
    """Return a struct xfrm_selector."""
    return SELECTOR.pack(
        encode_address(selector.destination.packed),
        encode_address(selector.source.packed),
        selector.destination_port.number.to_bytes(2, "big"),
        selector.destination_port.mask.to_bytes(2, "big"),
        selector.source_port.number.to_bytes(2, "big"),
        selector.source_port.mask.to_bytes(2, "big"),
        selector.family,
        selector.destination.length,
        selector.source.length,
        selector.protocol,
        selector.interface,
        selector.user,
    )


def decode_selector(raw: bytes, fallback: int) -> Selector:
    """Return the selector in a struct xfrm_selector; a family of 0 is kept, with addresses of the family ``fallback``."""
    daddr, saddr, dport, dmask, sport, smask, family, dlen, slen, proto, ifindex, user = SELECTOR.unpack(raw)
    read_as = family or fallback
    source, destination = decode_address(read_as, saddr), decode_address(read_as, daddr)
    return Selector(
        family,
        Prefix(read_as, source.packed, slen),
        Prefix(read_as, destination.packed, dlen),
        proto,
        Port(int.from_bytes(sport, "big"), int.from_bytes(smask, "big")),
        Port(int.from_bytes(dport, "big"), int.from_bytes(dmask, "big")),
        ifindex,
        user,
    )


def encode_limits(limits: Limits) -> bytes:
    """Return a struct xfrm_lifetime_cfg."""
    return LIMITS.pack(*limits)


def decode_limits(raw: bytes) -> Limits:
    """Return the limits in a struct xfrm_lifetime_cfg."""
    return Limits(*LIMITS.unpack(raw))


def encode_mark(mark: Mark) -> bytes:
    """Return XFRMA_MARK, empty for no mark."""
    return nl.attribute(XFRMA_MARK, MARK.pack(*mark)) if any(mark) else b""


def decode_mark(found: dict[int, bytes]) -> Mark:
    """Return the mark among attributes."""
    raw = found.get(XFRMA_MARK)
    return Mark(*MARK.unpack(raw)) if raw is not None else Mark()


def encode_number(kind: int, value: int) -> bytes:
    """Return an attribute of one u32, empty for 0."""
    return nl.attribute(kind, U32.pack(value)) if value else b""


def decode_number(found: dict[int, bytes], kind: int) -> int:
    """Return the u32 of an attribute, 0 without one."""
    raw = found.get(kind)
    return int(U32.unpack(raw)[0]) if raw is not None else 0
