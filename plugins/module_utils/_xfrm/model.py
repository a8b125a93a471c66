# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Security associations and policies as values, in the form that the kernel returns.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import NamedTuple

from .._ip.prefix import Prefix

ESP, AH, COMP = 50, 51, 108
TRANSPORT, TUNNEL, BEET = 0, 1, 4
DIR_IN, DIR_OUT, DIR_FWD = 0, 1, 2
ALLOW, BLOCK = 0, 1
SA_DIR_IN, SA_DIR_OUT = 1, 2

NEVER = (1 << 64) - 1  # no limit on bytes or packets (XFRM_INF)
ALL_BITS = 0xFFFFFFFF
FLAG_AF_UNSPEC, FLAG_ESN = 32, 128
_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}

PROTOCOLS = {"esp": ESP, "ah": AH, "comp": COMP}
MODES = {"transport": TRANSPORT, "tunnel": TUNNEL, "beet": BEET}
DIRECTIONS = {"in": DIR_IN, "out": DIR_OUT, "fwd": DIR_FWD}
ACTIONS = {"allow": ALLOW, "block": BLOCK}
ENCAPSULATIONS = {"espinudp-nonike": 1, "espinudp": 2, "espintcp": 7}
SA_DIRECTIONS = {"in": SA_DIR_IN, "out": SA_DIR_OUT}
LEVELS = {"required": 0, "use": 1}
STATE_FLAGS = {
    "noecn": 1, "decap-dscp": 2, "nopmtudisc": 4, "wildrecv": 8, "icmp": 16, "af-unspec": FLAG_AF_UNSPEC,
    "align4": 64, "esn": FLAG_ESN,
}  # fmt: skip
EXTRA_FLAGS = {"dont-encap-dscp": 1, "oseq-may-wrap": 2}
POLICY_FLAGS = {"localok": 1, "icmp": 2}

# Upper protocols of selectors, and those of them with ports or types.
UPPER_PROTOCOLS = {
    "any": 0, "icmp": 1, "ipv4": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
    "ipv6-icmp": 58, "ospf": 89, "vrrp": 112, "comp": 108, "sctp": 132, "udplite": 136,
}  # fmt: skip
WITH_PORTS = frozenset((6, 17, 33, 132, 136))
WITH_TYPES = frozenset((1, 58, 135))


class Mark(NamedTuple):
    """A mark and its mask; 0/0 is no mark."""

    value: int = 0
    mask: int = 0

    def __str__(self) -> str:
        return f"{self.value:#x}/{self.mask:#x}"

    def takes(self, mark: int) -> bool:
        """Return whether an object with this mark matches a packet or a request with that one."""
        return mark & self.mask == self.value


NO_MARK = Mark()


class Port(NamedTuple):
    """A port, or an ICMP type or code, with its mask."""

    number: int = 0
    mask: int = 0

    def __str__(self) -> str:
        return str(self.number) if self.mask == 0xFFFF else f"{self.number}/{self.mask:#x}"


class Selector(NamedTuple):
    """The packets that a policy applies to, or a state carries."""

    family: int
    source: Prefix
    destination: Prefix
    protocol: int = 0
    source_port: Port = Port()
    destination_port: Port = Port()
    interface: int = 0
    user: int = 0

    def describe(self) -> dict[str, object]:
        """Return the selector in the words of `ip xfrm`, without parts that match all."""
        shown: dict[str, object] = {"src": str(self.source), "dst": str(self.destination)}
        if self.protocol:
            shown["proto"] = name_of(UPPER_PROTOCOLS, self.protocol)
        names = ("type", "code") if self.protocol in WITH_TYPES else ("sport", "dport")
        for name, port in zip(names, (self.source_port, self.destination_port)):
            if port.mask:
                shown[name] = str(port)
        if self.interface:
            shown["dev"] = interface_name(self.interface)
        return shown


class Limits(NamedTuple):
    """Lifetime of an object: soft and hard limits of bytes, packets, and seconds since creation and since first use."""

    byte_soft: int = NEVER
    byte_hard: int = NEVER
    packet_soft: int = NEVER
    packet_hard: int = NEVER
    time_soft: int = 0
    time_hard: int = 0
    time_use_soft: int = 0
    time_use_hard: int = 0

    def describe(self) -> dict[str, int]:
        """Return the limits that are set."""
        pairs = zip(self._fields, self, NO_LIMITS)
        return {name: value for name, value, unset in pairs if value != unset}


NO_LIMITS = Limits()


class Address(NamedTuple):
    """An IP address; the unspecified one is written out."""

    family: int
    packed: bytes

    def __str__(self) -> str:
        return socket.inet_ntop(self.family, self.packed)


ANY_IPV4 = Address(socket.AF_INET, bytes(4))


class Encap(NamedTuple):
    """ESP in UDP or TCP: kind (enum of linux/udp.h), ports, original address."""

    kind: int
    source_port: int
    destination_port: int
    original: bytes = bytes(16)

    def describe(self, family: int) -> dict[str, object]:
        """Return the encapsulation in the words of `ip xfrm`; the original address only if it is set."""
        shown: dict[str, object] = {
            "type": name_of(ENCAPSULATIONS, self.kind),
            "sport": self.source_port,
            "dport": self.destination_port,
        }
        if any(self.original):
            shown["oa"] = str(Address(family, self.original[: _BYTES[family]]))
        return shown


class Offload(NamedTuple):
    """Hardware offload: interface index and flags (IPV6 1, INBOUND 2, PACKET 4)."""

    interface: int
    flags: int


@dataclass(frozen=True)
class Algorithm:
    """An algorithm by its kernel name; ``tag_bits`` is the ICV or truncation length, 0 where there is none."""

    name: str
    key: bytes = field(default=b"", repr=False)
    tag_bits: int = 0


# Family, destination, protocol, SPI, mark.
StateKey = tuple[int, bytes, int, int, Mark]


@dataclass(frozen=True)
class State:
    """A security association. Counters, sequence numbers and the recorded message are not compared."""

    destination: Address
    protocol: int
    spi: int
    mark: Mark = NO_MARK
    source: Address = ANY_IPV4
    mode: int = TUNNEL
    reqid: int = 0
    aead: Algorithm | None = None
    auth: Algorithm | None = None
    enc: Algorithm | None = None
    comp: Algorithm | None = None
    selector: Selector | None = None
    flags: int = 0
    extra_flags: int = 0
    replay_window: int = 0
    limits: Limits = NO_LIMITS
    encap: Encap | None = None
    output_mark: Mark = NO_MARK
    if_id: int = 0
    tfc_padding: int = 0
    direction: int = 0
    offload: Offload | None = None
    byte_count: int = field(default=0, compare=False)
    packet_count: int = field(default=0, compare=False)
    added: int = field(default=0, compare=False)
    used: int = field(default=0, compare=False)
    sequence: tuple[int, int] = field(default=(0, 0), compare=False)  # sent, received
    failed: tuple[int, int, int] = field(default=(0, 0, 0), compare=False)  # replay window, replay, integrity
    recorded: bytes = field(default=b"", compare=False, repr=False)

    def key(self) -> StateKey:
        """What identifies a state in the kernel."""
        return (self.destination.family, self.destination.packed, self.protocol, self.spi, self.mark)

    @property
    def algorithms(self) -> dict[str, Algorithm]:
        """The algorithms of the state, by the name of their option."""
        found = {"aead": self.aead, "auth": self.auth, "enc": self.enc, "comp": self.comp}
        return {name: algorithm for name, algorithm in found.items() if algorithm is not None}


class Template(NamedTuple):
    """A transformation that a policy requires; ``source`` and ``destination`` may be unspecified."""

    source: Address
    destination: Address
    protocol: int = ESP
    mode: int = TUNNEL
    reqid: int = 0
    spi: int = 0
    optional: int = 0


PolicyKey = tuple[int, int, Mark, Selector]


@dataclass(frozen=True)
class Policy:
    """A policy of the main database. Its index and its use are not compared."""

    direction: int
    selector: Selector
    mark: Mark = NO_MARK
    if_id: int = 0
    priority: int = 0
    action: int = ALLOW
    flags: int = 0
    limits: Limits = NO_LIMITS
    templates: tuple[Template, ...] = ()
    index: int = field(default=0, compare=False)
    added: int = field(default=0, compare=False)
    used: int = field(default=0, compare=False)

    def key(self) -> PolicyKey:
        """What identifies a policy in the kernel; the priority is no part of it."""
        return (self.direction, self.if_id, self.mark, self.selector)


def any_prefix(family: int) -> Prefix:
    """Return 0.0.0.0/0 or ::/0."""
    return Prefix(family, bytes(_BYTES[family]), 0)


def any_address(family: int) -> Address:
    """Return 0.0.0.0 or ::."""
    return Address(family, bytes(_BYTES[family]))


def name_of(names: dict[str, int], number: int) -> str:
    """Return the name of a number, or the number as text."""
    return next((name for name, value in names.items() if value == number), str(number))


def names_of(names: dict[str, int], flags: int) -> list[str]:
    """Return the names of the set flags, and unnamed flags as one number."""
    named = [name for name, bit in names.items() if flags & bit]
    rest = flags & ~sum(names.values())
    return named + ([f"{rest:#x}"] if rest else [])


def interface_name(index: int) -> str:
    """Return an interface's name, or its index if it does not exist."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)
