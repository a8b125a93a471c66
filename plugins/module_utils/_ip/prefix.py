# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""IP prefixes and interface addresses, as values for allowed IPs, routes and links.

This module is private to the collection.
"""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

# As plain numbers: comparing with the members of an enumeration takes several times as long.
_IPV4, _IPV6 = int(AF_INET), int(AF_INET6)
_IPV6_LOOPBACK = bytes(15) + b"\1"
_REMEDY = "write a private address, such as 10.42.0.7/24"
_IPV4_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291


class Prefix(NamedTuple):
    """A network: address family, packed network address, prefix length.

    A tuple rather than a dataclass, because a large device holds tens of thousands of them.
    """

    family: int
    packed: bytes
    length: int

    def __str__(self) -> str:
        return f"{inet_ntop(self.family, self.packed)}/{self.length}"

    @property
    def bare(self) -> str:
        """The address without the length, as text."""
        return inet_ntop(self.family, self.packed)

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
        return f"{inet_ntop(self.family, self.packed)}/{self.length}"

    @property
    def bare(self) -> str:
        """The address alone, as text."""
        return inet_ntop(self.family, self.packed)

    @property
    def host(self) -> Prefix:
        """The address alone, as a /32 or /128."""
        return Prefix(self.family, self.packed, len(self.packed) * 8)

    @property
    def network(self) -> Prefix:
        """The on-link prefix."""
        return Prefix(self.family, masked(self.packed, self.length), self.length)


def host_prefix(packed: bytes) -> Prefix:
    """Return a packed address as a /32 or /128."""
    return Prefix(_IPV4, packed, 32) if len(packed) == 4 else Prefix(_IPV6, packed, 128)


def is_link_local(packed: bytes) -> bool:
    """Return whether a packed address is a link-local one of IPv6."""
    return len(packed) == 16 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


def masked(packed: bytes, length: int) -> bytes:
    """Return a packed address with its host bits cleared."""
    host_bits = len(packed) * 8 - length
    return (int.from_bytes(packed, "big") >> host_bits << host_bits).to_bytes(len(packed), "big")


def _split(text: str) -> tuple[int, bytes, int]:
    host, slash, length_text = text.partition("/")
    family = _IPV6 if ":" in host else _IPV4
    try:
        packed = inet_pton(family, host)
    except (OSError, ValueError):
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address or network") from None
    if not slash:
        return family, packed, len(packed) * 8
    if not length_text.isascii() or not length_text.isdigit() or int(length_text) > len(packed) * 8:
        raise ValueError(f"{text!r} has no prefix length from 0 to {len(packed) * 8}")
    return family, packed, int(length_text)


def parse_prefix(text: str) -> Prefix:
    """Return the network that `10.0.0.0/8`, `10.0.0.1` or `fd00::/8` names.

    Raises ValueError where it is none, or where host bits are set: the kernel would clear them silently
    and the next run would find another network than the wanted one.
    """
    family, packed, length = _split(text)
    if length < len(packed) * 8 and (network := masked(packed, length)) != packed:
        raise ValueError(f"{text!r} has host bits set; write '{Prefix(family, network, length)}'")
    return Prefix(family, packed, length)


def parse_address(text: str) -> Address:
    """Return the interface address that `10.0.0.1/24` names; without a length it is a /32 or /128.

    Raises ValueError where it is none, or where it names an address that the kernel gives to no tunnel.
    """
    family, packed, length = _split(text)
    first = packed[0]
    if first >= 224 and (family == _IPV4 or first == 255):
        kind = "a multicast or reserved" if family == _IPV4 else "a multicast"
        raise ValueError(f"{text!r} is {kind} address, which no host has; {_REMEDY}")
    if not first and not any(packed):
        raise ValueError(f"{text!r} is the unspecified address, which no host has; {_REMEDY}")
    if packed == _IPV6_LOOPBACK or (first == 127 and family == _IPV4):
        raise ValueError(f"{text!r} is a loopback address, which no other host can reach; {_REMEDY}")
    if not first and packed.startswith(_IPV4_MAPPED):
        raise ValueError(f"{text!r} is an IPv4-mapped address; write the IPv4 address")
    return Address(family, packed, length)
