# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Routes of a table between bytes and values, with gateways, several next hops and types. Pure.

Layouts: linux/rtnetlink.h (struct rtmsg, struct rtnexthop, struct rtvia, enum rtattr_type_t).

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .._ip.prefix import Prefix
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
_RTA_ENCAP_TYPE, _RTA_ENCAP, RTA_NH_ID = 21, 22, 30
# Attributes that decode_table_route reads, and RTA_CACHEINFO and RTA_PAD, which are not configuration.
_READ_OR_NOTHING = frozenset((1, 2, 4, 5, 6, 7, 8, 9, 12, 15, 18, 24))
_NO_PREFERENCE = (20, b"\0")  # RTA_PREF of every IPv6 route, medium (RFC 4191)
# Attributes of a route that tell it from another one of the same key.
_IDENTIFYING = frozenset((_RTA_ENCAP_TYPE, _RTA_ENCAP, RTA_NH_ID))

Attributes = tuple[tuple[int, bytes], ...]

RouteKey = tuple[Prefix, int, int, int, tuple[object, ...]]


class Hop(NamedTuple):
    """One next hop: a gateway of either family or none, an interface, or 0 for the one that the kernel finds for the gateway.

    rest: the kernel's other attributes, of one of several next hops.
    """

    via: bytes = b""
    interface_index: int = 0
    weight: int = 1
    onlink: bool = False
    rest: Attributes = ()


@dataclass(frozen=True)
class TableRoute:
    """One route of a table.

    rest: the kernel's other attributes, those among its metrics with the number of these in the upper byte. A wanted route
    has none; one that was read is added again with all of them.
    """

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
    rest: Attributes = ()
    dead: bool = field(default=False, compare=False)

    def key(self) -> RouteKey:
        """The key of a route in the kernel (fib_insert_alias, ip6_route_add)."""
        return (self.destination, self.table, self.metric, self.tos, self.from_network or ())

    @property
    def identified(self) -> TableRoute:
        """The route with the attributes that a request to delete it needs."""
        rest = tuple(entry for entry in self.rest if entry[0] in _IDENTIFYING)
        return replace(self, hops=tuple(hop._replace(rest=()) for hop in self.hops), rest=rest)


def encode_table_dump(family: int, table: int) -> bytes:
    """Return the payload of a dump of one family's routes in a table."""
    return encode_dump(family, table, 0)


def encode_table_route(route: TableRoute) -> bytes:
    """Return the payload that adds or replaces a route, or deletes the one with all these attributes."""
    destination, table = route.destination, route.table
    flags, parts = 0, []
    if destination.length:
        parts.append(nl.attribute(RTA_DST, destination.packed))
    if route.from_network:
        parts.append(nl.attribute(_RTA_SRC, route.from_network.packed))
    # A nexthop object stands for next hops, which the kernel reports too.
    hops = () if any(number == RTA_NH_ID for number, _content in route.rest) else route.hops
    if len(hops) == 1:
        (hop,) = hops
        flags = RTNH_F_ONLINK if hop.onlink else 0
        if hop.via:
            parts.append(_encode_via(destination.family, hop.via))
        if hop.interface_index:
            parts.append(nl.attribute(RTA_OIF, U32.pack(hop.interface_index)))
    elif hops:
        parts.append(nl.attribute(_RTA_MULTIPATH, b"".join(_encode_hop(destination.family, hop) for hop in hops)))
    parts.append(nl.attribute(RTA_TABLE, U32.pack(table)))
    if route.metric:
        parts.append(nl.attribute(RTA_PRIORITY, U32.pack(route.metric)))
    if route.source:
        parts.append(nl.attribute(RTA_PREFSRC, route.source))
    metrics = [nl.attribute(_RTAX_MTU, U32.pack(route.mtu))] if route.mtu else []
    metrics += [nl.attribute(number & 0xFF, content) for number, content in route.rest if number >> 8]
    if metrics:
        parts.append(nl.nested(_RTA_METRICS, *metrics))
    parts += _encode_rest(entry for entry in route.rest if not entry[0] >> 8)
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


def _encode_rest(rest: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    for number, content in rest:
        yield nl.attribute(number | (nl.NLA_F_NESTED if number == _RTA_ENCAP else 0), content)


def _encode_via(family: int, via: bytes) -> bytes:
    if len(via) == ADDRESS_BYTES[family]:
        return nl.attribute(RTA_GATEWAY, via)
    return nl.attribute(_RTA_VIA, _RTVIA_FAMILY.pack(socket.AF_INET6 if len(via) == 16 else socket.AF_INET) + via)


def _encode_hop(family: int, hop: Hop) -> bytes:
    attributes = (_encode_via(family, hop.via) if hop.via else b"") + b"".join(_encode_rest(hop.rest))
    flags = RTNH_F_ONLINK if hop.onlink else 0
    return _RTNEXTHOP.pack(_RTNEXTHOP.size + len(attributes), flags, hop.weight - 1, hop.interface_index) + attributes


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
        hops = ()  # IPv6 reports lo as their interface
    mtu = 0
    rest: list[tuple[int, bytes]] = []
    for number, content in nl.attributes(found[_RTA_METRICS]) if _RTA_METRICS in found else ():
        if number == _RTAX_MTU:
            mtu = _number({number: content}, number)
        else:
            rest.append((_RTA_METRICS << 8 | number, content))
    rest += [entry for entry in found.items() if entry[0] not in _READ_OR_NOTHING and entry != _NO_PREFERENCE]
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
        attributes = dict(nl.attributes(content[start + _RTNEXTHOP.size : start + length]))
        rest = tuple(sorted(entry for entry in attributes.items() if entry[0] not in (RTA_GATEWAY, _RTA_VIA)))
        hops.append(Hop(_decode_via(attributes), index, weight + 1, bool(flags & RTNH_F_ONLINK), rest))
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
