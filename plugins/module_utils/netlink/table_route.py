# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Routes of a table between bytes and values, with all that a table can hold: gateways, several next hops, types. Pure.

Layouts: linux/rtnetlink.h (struct rtmsg, struct rtnexthop, struct rtvia, enum rtattr_type_t).

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from ..prefix import Prefix
from . import messages as nl
from .route import (
    ADDRESS_BYTES,
    RT_SCOPE_UNIVERSE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_TABLE,
    RTM_F_CLONED,
    RTMSG,
    RTN_BLACKHOLE,
    RTN_PROHIBIT,
    RTN_THROW,
    RTN_UNICAST,
    RTN_UNREACHABLE,
    U32,
    encode_dump,
)

_RTA_SRC, _RTA_METRICS, _RTA_MULTIPATH, _RTA_VIA = 2, 8, 9, 18
_RTAX_MTU = 2
_RTNEXTHOP = struct.Struct("=HBBi")  # length, flags, weight less one, interface index (struct rtnexthop)
_RTVIA_FAMILY = struct.Struct("=H")  # struct rtvia: family, then the address
RTNH_F_DEAD, RTNH_F_ONLINK = 1, 4
# What decode_table_route reads, and RTA_CACHEINFO, RTA_PREF and RTA_PAD, which are no configuration of ours.
_READ_OR_NOTHING = frozenset((1, 2, 4, 5, 6, 7, 8, 9, 12, 15, 18, 20, 24))

RouteKey = tuple[Prefix, int, int, int, tuple[object, ...]]


class Hop(NamedTuple):
    """One next hop: a gateway of either family or none, an interface or 0 for whichever leads to the gateway."""

    via: bytes = b""
    interface_index: int = 0
    weight: int = 1
    onlink: bool = False


@dataclass(frozen=True)
class TableRoute:
    """One route of a table. ``rest`` is what else the kernel says of it, which we never set."""

    destination: Prefix
    table: int
    metric: int = 0
    type: int = RTN_UNICAST
    protocol: int = 0
    scope: int = RT_SCOPE_UNIVERSE
    hops: tuple[Hop, ...] = ()
    source: bytes = b""
    mtu: int = 0
    tos: int = 0
    from_network: Prefix | None = None
    rest: tuple[tuple[int, bytes], ...] = ()
    dead: bool = field(default=False, compare=False)

    def key(self) -> RouteKey:
        """What the kernel tells routes apart by (fib_insert_alias, ip6_route_add)."""
        return (self.destination, self.table, self.metric, self.tos, self.from_network or ())


def encode_table_dump(family: int, table: int) -> bytes:
    """Return the payload of a dump of one family's routes in a table."""
    return encode_dump(family, table, 0)


def encode_table_route(route: TableRoute) -> bytes:
    """Return the payload that adds or replaces a route, or deletes the one that has all of this."""
    destination, table = route.destination, route.table
    flags, parts = 0, []
    if destination.length:
        parts.append(nl.attribute(RTA_DST, destination.packed))
    if route.from_network:
        parts.append(nl.attribute(_RTA_SRC, route.from_network.packed))
    if len(route.hops) == 1:
        (hop,) = route.hops
        flags = RTNH_F_ONLINK if hop.onlink else 0
        if hop.via:
            parts.append(_encode_via(destination.family, hop.via))
        if hop.interface_index:
            parts.append(nl.attribute(RTA_OIF, U32.pack(hop.interface_index)))
    elif route.hops:
        parts.append(nl.attribute(_RTA_MULTIPATH, b"".join(_encode_hop(destination.family, hop) for hop in route.hops)))
    parts.append(nl.attribute(RTA_TABLE, U32.pack(table)))
    if route.metric:
        parts.append(nl.attribute(RTA_PRIORITY, U32.pack(route.metric)))
    if route.source:
        parts.append(nl.attribute(RTA_PREFSRC, route.source))
    if route.mtu:
        parts.append(nl.nested(_RTA_METRICS, nl.attribute(_RTAX_MTU, U32.pack(route.mtu))))
    header = RTMSG.pack(
        destination.family,
        destination.length,
        route.from_network.length if route.from_network else 0,
        route.tos,
        table if table < 256 else 252,
        route.protocol,
        route.scope,
        route.type,
        flags,
    )
    return header + b"".join(parts)


def _encode_via(family: int, via: bytes) -> bytes:
    if len(via) == ADDRESS_BYTES[family]:
        return nl.attribute(RTA_GATEWAY, via)
    return nl.attribute(_RTA_VIA, _RTVIA_FAMILY.pack(socket.AF_INET6 if len(via) == 16 else socket.AF_INET) + via)


def _encode_hop(family: int, hop: Hop) -> bytes:
    gateway = _encode_via(family, hop.via) if hop.via else b""
    flags = RTNH_F_ONLINK if hop.onlink else 0
    return _RTNEXTHOP.pack(_RTNEXTHOP.size + len(gateway), flags, hop.weight - 1, hop.interface_index) + gateway


def decode_table_route(payload: bytes) -> TableRoute | None:
    """Return the route in a message; None for a cached one and for other families. Raises MalformedMessage."""
    family, length, source_length, tos, table, protocol, scope, kind, flags = nl.header(RTMSG, payload)
    if flags & RTM_F_CLONED or family not in ADDRESS_BYTES:
        return None
    found = dict(nl.attributes(payload, RTMSG.size))
    packed = found.get(RTA_DST)
    if packed is None:
        packed = bytes(ADDRESS_BYTES[family])
    if len(packed) != ADDRESS_BYTES[family] or length > len(packed) * 8:
        raise nl.MalformedMessage(f"a route to {len(packed)} bytes with a prefix length of {length}")
    table = _number(found, RTA_TABLE) or table
    if _RTA_MULTIPATH in found:
        hops = tuple(_decode_hops(found[_RTA_MULTIPATH]))
    else:
        via, index = _decode_via(found), _number(found, RTA_OIF)
        hops = (Hop(via, index, 1, bool(flags & RTNH_F_ONLINK)),) if via or index else ()
    if kind in (RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW):
        hops = ()  # IPv6 says "through lo" of them
    mtu = 0
    rest: list[tuple[int, bytes]] = []
    for number, content in nl.attributes(found[_RTA_METRICS]) if _RTA_METRICS in found else ():
        if number == _RTAX_MTU:
            mtu = _number({number: content}, number)
        else:
            rest.append((_RTA_METRICS << 8 | number, content))
    for number, content in found.items():
        if number not in _READ_OR_NOTHING:
            rest.append((number, content))
    return TableRoute(
        Prefix(int(family), packed, length),
        table,
        _number(found, RTA_PRIORITY),
        kind,
        protocol,
        scope,
        hops,
        found.get(RTA_PREFSRC, b""),
        mtu,
        tos,
        Prefix(int(family), found.get(_RTA_SRC, b""), source_length) if source_length else None,
        tuple(sorted(rest)) if rest else (),
        bool(flags & RTNH_F_DEAD),
    )


def _decode_hops(content: bytes) -> list[Hop]:
    hops = []
    start = 0
    while start < len(content):
        if start + _RTNEXTHOP.size > len(content):
            raise nl.MalformedMessage(f"{len(content) - start} stray bytes behind the last next hop")
        length, flags, weight, index = _RTNEXTHOP.unpack_from(content, start)
        if length < _RTNEXTHOP.size or start + length > len(content):
            raise nl.MalformedMessage(f"a next hop claims {length} bytes")
        via = _decode_via(dict(nl.attributes(content[start + _RTNEXTHOP.size : start + length])))
        hops.append(Hop(via, index, weight + 1, bool(flags & RTNH_F_ONLINK)))
        start += (length + 3) & ~3
    return hops


def _decode_via(found: dict[int, bytes]) -> bytes:
    if _RTA_VIA in found:
        return found[_RTA_VIA][_RTVIA_FAMILY.size :]
    return found.get(RTA_GATEWAY, b"")


def _number(found: dict[int, bytes], attribute: int) -> int:
    value = found.get(attribute)
    if value is None:
        return 0
    if len(value) != 4:
        raise nl.MalformedMessage(f"attribute {attribute} of a route is no number")
    return int(U32.unpack(value)[0])
