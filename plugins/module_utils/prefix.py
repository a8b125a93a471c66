# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""IP prefixes and interface addresses, the way allowed IPs, routes and links share them.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

_BITS: dict[int, int] = {socket.AF_INET: 32, socket.AF_INET6: 128}


class Prefix(NamedTuple):
    """A network: address family, packed network address, prefix length.

    A tuple rather than a dataclass, because a large device holds tens of thousands of them.
    """

    family: int
    packed: bytes
    length: int

    def __str__(self) -> str:
        return f"{socket.inet_ntop(self.family, self.packed)}/{self.length}"

    def contains(self, other: Prefix) -> bool:
        """Return whether every address of the other prefix is in this one."""
        if self.family != other.family or self.length > other.length:
            return False
        whole_bytes, bits = divmod(self.length, 8)
        if self.packed[:whole_bytes] != other.packed[:whole_bytes]:
            return False
        return not bits or not (self.packed[whole_bytes] ^ other.packed[whole_bytes]) >> (8 - bits)


class Address(NamedTuple):
    """An address with the length of its on-link prefix, as `ip address add` takes it: host bits are kept."""

    family: int
    packed: bytes
    length: int

    def __str__(self) -> str:
        return f"{socket.inet_ntop(self.family, self.packed)}/{self.length}"

    @property
    def host(self) -> Prefix:
        """The address alone, as a /32 or /128."""
        return Prefix(self.family, self.packed, _BITS[self.family])

    @property
    def network(self) -> Prefix:
        """The on-link prefix."""
        return Prefix(self.family, masked(self.packed, self.length), self.length)


def masked(packed: bytes, length: int) -> bytes:
    """Return a packed address with its host bits cleared."""
    host_bits = len(packed) * 8 - length
    return (int.from_bytes(packed, "big") >> host_bits << host_bits).to_bytes(len(packed), "big")


def _split(text: str) -> tuple[int, bytes, int]:
    host, slash, length_text = text.partition("/")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        packed = socket.inet_pton(family, host)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address or network") from None
    if not slash:
        return int(family), packed, len(packed) * 8
    if not length_text.isascii() or not length_text.isdigit() or int(length_text) > len(packed) * 8:
        raise ValueError(f"{text!r} has no prefix length from 0 to {len(packed) * 8}")
    return int(family), packed, int(length_text)


def parse_prefix(text: str) -> Prefix:
    """Return the network that `10.0.0.0/8`, `10.0.0.1` or `fd00::/8` names.

    Raises ValueError where it is none, or where host bits are set: the kernel would clear them silently
    and the next run would find another network than the one that was asked for.
    """
    family, packed, length = _split(text)
    if length == len(packed) * 8:
        return Prefix(family, packed, length)
    network = masked(packed, length)
    if network != packed:
        raise ValueError(f"{text!r} has host bits set; write '{Prefix(family, network, length)}'")
    return Prefix(family, packed, length)


def parse_address(text: str) -> Address:
    """Return the interface address that `10.0.0.1/24` names; without a length it is a /32 or /128.

    Raises ValueError where it is none, or where it names a multicast, unspecified or IPv4-mapped address.
    """
    address = Address(*_split(text))
    if address.family == socket.AF_INET and address.packed[0] >= 224:
        raise ValueError(f"{text!r} is a multicast or reserved address")
    if address.family == socket.AF_INET6 and address.packed[0] == 255:
        raise ValueError(f"{text!r} is a multicast address")
    if not any(address.packed):
        raise ValueError(f"{text!r} is the unspecified address")
    if address.family == socket.AF_INET6 and address.packed.startswith(bytes(10) + b"\xff\xff"):
        raise ValueError(f"{text!r} is an IPv4-mapped address; write the IPv4 address")
    return address
