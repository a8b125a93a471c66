# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Policy routing rules between bytes and values (linux/fib_rules.h: struct fib_rule_hdr, enum FRA_*). Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._ip.prefix import Prefix
from . import messages as nl

RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP = 1, 2, 3
FR_ACT_BLACKHOLE, FR_ACT_UNREACHABLE, FR_ACT_PROHIBIT = 6, 7, 8
RTPROT_KERNEL = 2

# family, dst_len, src_len, tos, table, res1, res2, action, flags
_FIB_RULE_HDR = struct.Struct("=BBBBBBBBI")
_FIB_RULE_INVERT = 2
# In the header's byte where the number does not fit; FRA_TABLE then has it (linux/rtnetlink.h, RT_TABLE_COMPAT).
_RT_TABLE_COMPAT = 252
_FRA_DST, _FRA_SRC, _FRA_TABLE = 1, 2, 15
_ADDRESS_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


class Field(NamedTuple):
    """The layout of one attribute: a struct of one or two numbers, or None for a NUL-terminated name."""

    number: int
    layout: struct.Struct | None
    absent: object


_U8, _U32 = struct.Struct("=B"), struct.Struct("=I")
_U16_RANGE, _U32_RANGE = struct.Struct("=HH"), struct.Struct("=II")

# linux/fib_rules.h: FRA_IIFNAME ... FRA_DPORT_RANGE; struct fib_rule_uid_range, struct fib_rule_port_range.
FIELDS: dict[str, Field] = {
    "input_interface": Field(3, None, None),
    "goto": Field(4, _U32, 0),
    "priority": Field(6, _U32, 0),
    "fwmark": Field(10, _U32, 0),
    "suppress_prefixlength": Field(14, _U32, None),
    "fwmask": Field(16, _U32, 0),
    "output_interface": Field(17, None, None),
    "uid_range": Field(20, _U32_RANGE, None),
    "protocol": Field(21, _U8, 0),
    "ip_protocol": Field(22, _U8, 0),
    "source_ports": Field(23, _U16_RANGE, None),
    "destination_ports": Field(24, _U16_RANGE, None),
}
_NAMES = {field.number: name for name, field in FIELDS.items()}

# Attributes that kernels send for every rule, with the value of a rule that does not use them: FRA_SUPPRESS_IFGROUP,
# FRA_SUPPRESS_PREFIXLEN "none", and from 6.15 on the full mask of a single port (FRA_SPORT_MASK, FRA_DPORT_MASK).
_FRA_SUPPRESS_IFGROUP, _FRA_SUPPRESS_PREFIXLEN, _FRA_PAD = 13, 14, 18
_FRA_SPORT_MASK, _FRA_DPORT_MASK = 28, 29
_SAYS_NOTHING = {
    (_FRA_SUPPRESS_IFGROUP, b"\xff" * 4),
    (_FRA_SUPPRESS_PREFIXLEN, b"\xff" * 4),
    (_FRA_SPORT_MASK, b"\xff" * 2),
    (_FRA_DPORT_MASK, b"\xff" * 2),
    (_FRA_PAD, b""),
}
# Header bytes that have no attribute of their own, kept among the other attributes under numbers no attribute has.
_TOS, _UNKNOWN_FLAGS = 1 << 16, 1 << 17

Range = tuple[int, int]
Rest = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class Rule:
    """One rule. It does not match on fields that are None or 0. ``rest`` has the kernel's other attributes."""

    family: int
    priority: int
    action: int = FR_ACT_TO_TBL
    table: int = 0
    goto: int = 0
    invert: bool = False
    source: Prefix | None = None
    destination: Prefix | None = None
    input_interface: str | None = None
    output_interface: str | None = None
    fwmark: int = 0
    fwmask: int = 0
    suppress_prefixlength: int | None = None
    uid_range: Range | None = None
    ip_protocol: int = 0
    source_ports: Range | None = None
    destination_ports: Range | None = None
    protocol: int = RTPROT_KERNEL
    rest: Rest = ()

    def key(self) -> tuple[int, int, bytes]:
        """The whole rule: rules have no other identity."""
        return (self.family, self.priority, encode(self))


def encode_dump(family: int) -> bytes:
    """Return the payload of a dump of one family's rules."""
    return _FIB_RULE_HDR.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)


def encode(rule: Rule) -> bytes:
    """Return the payload that adds this rule, or deletes the first rule with all its attributes."""
    parts, header = [], {"tos": 0, "flags": _FIB_RULE_INVERT if rule.invert else 0}
    for number, network in ((_FRA_DST, rule.destination), (_FRA_SRC, rule.source)):
        if network is not None:
            parts.append(nl.attribute(number, network.packed))
    for name, field in FIELDS.items():
        value = getattr(rule, name)
        if value != field.absent or name == "priority":
            parts.append(_encode_field(field, value))
    for number, payload in rule.rest:
        if number == _TOS:
            header["tos"] = payload[0]
        elif number == _UNKNOWN_FLAGS:
            header["flags"] |= _U32.unpack(payload)[0]
        else:
            parts.append(nl.attribute(number, payload))
    if rule.table:
        parts.append(nl.attribute(_FRA_TABLE, _U32.pack(rule.table)))
    return _FIB_RULE_HDR.pack(
        rule.family,
        rule.destination.length if rule.destination else 0,
        rule.source.length if rule.source else 0,
        header["tos"],
        rule.table if rule.table < 256 else _RT_TABLE_COMPAT,
        0,
        0,
        rule.action,
        header["flags"],
    ) + b"".join(parts)


def _encode_field(field: Field, value: Any) -> bytes:
    if field.layout is None:
        return nl.text(field.number, value)
    return nl.attribute(field.number, field.layout.pack(*(value if isinstance(value, tuple) else (value,))))


def decode(payload: bytes) -> Rule | None:
    """Return the rule in a message; None for families other than IPv4 and IPv6. Raises MalformedMessage."""
    family, to_length, from_length, tos, table, _res1, _res2, action, flags = nl.header(_FIB_RULE_HDR, payload)
    if family not in _ADDRESS_BYTES:
        return None
    values: dict[str, Any] = {"protocol": 0}
    rest: list[tuple[int, bytes]] = []
    for number, content in nl.attributes(payload, _FIB_RULE_HDR.size):
        if (number, content) in _SAYS_NOTHING:
            continue
        if number == _FRA_DST:
            values["destination"] = _network(family, content, to_length)
        elif number == _FRA_SRC:
            values["source"] = _network(family, content, from_length)
        elif number == _FRA_TABLE:
            (table,) = _unpack(_U32, content)
        elif number in _NAMES:
            values[_NAMES[number]] = _decode_field(FIELDS[_NAMES[number]], content)
        else:
            rest.append((number, content))
    if tos:
        rest.append((_TOS, bytes([tos])))
    if action != FR_ACT_TO_TBL:
        table = 0  # sent by some programs, without effect
    # FIB_RULE_IIF_DETACHED and similar flags change with interfaces; the upper half is internal to the kernel.
    foreign_flags = flags & 0xFFFF & ~(_FIB_RULE_INVERT | 0x1 | 0x4 | 0x8 | 0x10)
    if foreign_flags:
        rest.append((_UNKNOWN_FLAGS, _U32.pack(foreign_flags)))
    return Rule(
        int(family),
        values.pop("priority", 0),
        action,
        table,
        invert=bool(flags & _FIB_RULE_INVERT),
        rest=tuple(sorted(rest)),
        **values,
    )


def _network(family: int, packed: bytes, length: int) -> Prefix:
    if len(packed) != _ADDRESS_BYTES[family] or length > len(packed) * 8:
        raise nl.MalformedMessage(f"a rule's network of {len(packed)} bytes with a prefix length of {length}")
    return Prefix(int(family), packed, length)


def _decode_field(field: Field, content: bytes) -> str | int | Range:
    if field.layout is None:
        return content.rstrip(b"\0").decode(errors="replace")
    numbers = _unpack(field.layout, content)
    return numbers if len(numbers) == 2 else numbers[0]  # type: ignore[return-value]


def _unpack(layout: struct.Struct, content: bytes) -> tuple[int, ...]:
    if len(content) != layout.size:
        raise nl.MalformedMessage(f"a rule's number of {len(content)} bytes, where {layout.size} were due")
    return layout.unpack(content)
