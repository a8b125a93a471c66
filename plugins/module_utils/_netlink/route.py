# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Route messages of rtnetlink between bytes and values (linux/rtnetlink.h: struct rtmsg, enum rtattr_type_t). Pure.

Routes of one interface, and route lookups. table_route.py has the routes of a table with all their attributes.

Routes are on our own codec, because only the kernel can filter a dump quickly: with NETLINK_GET_STRICT_CHK it
returns the routes of one table and one interface, where a router's whole table would take minutes to read.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from .._ip.prefix import Prefix
from . import messages as nl

# The protocol of managed routes, unassigned elsewhere (linux/rtnetlink.h, rt_protos).
PROTOCOL = 87
NETLINK_ROUTE = 0
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RT_TABLE_MAIN = 254
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST = 0, 253, 254
RTN_UNICAST, RTN_LOCAL, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW = 1, 2, 6, 7, 8, 9

# family, dst_len, src_len, tos, table, protocol, scope, type, flags
RTMSG = struct.Struct("=BBBBBBBBI")
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_TABLE, _RTA_VIA = 1, 4, 5, 6, 7, 15, 18
RTM_F_CLONED, _RTM_F_FIB_MATCH = 0x200, 0x2000
_RTA_MARK = 16
_RTA_SRC, _RTA_IP_PROTO, _RTA_SPORT, _RTA_DPORT = 2, 27, 28, 29
_PORT = struct.Struct("!H")
U32 = struct.Struct("=I")
ADDRESS_BYTES: dict[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 16}


class RouteMessage(NamedTuple):
    """One unicast route as the kernel reports it."""

    destination: Prefix
    table: int
    protocol: int
    type: int
    metric: int
    interface_index: int
    has_gateway: bool
    source: bytes | None


class Sender(NamedTuple):
    """The sender's side of a packet: source (zeros for none yet), protocol, ports."""

    address: bytes
    protocol: int
    port: int
    destination_port: int


def encode_dump(family: int, table: int, interface_index: int, protocol: int = 0, kind: int = 0) -> bytes:
    """Return the payload of a dump of one family's routes in a table; 0 for any interface, protocol, and type."""
    header = RTMSG.pack(family, 0, 0, 0, 0, protocol, 0, kind, 0)
    attributes = nl.attribute(RTA_TABLE, U32.pack(table))
    if interface_index:
        attributes += nl.attribute(RTA_OIF, U32.pack(interface_index))
    return header + attributes


def encode_lookup(family: int, destination: bytes, mark: int = 0, sender: Sender | None = None) -> bytes:
    """Return the payload of a route lookup for packets to an address, with a mark or without."""
    source = sender.address if sender is not None and any(sender.address) else b""
    header = RTMSG.pack(family, len(destination) * 8, len(source) * 8, 0, 0, 0, 0, 0, 0)
    attributes = [nl.attribute(RTA_DST, destination)]
    attributes += [nl.attribute(_RTA_SRC, source)] if source else []
    attributes += [nl.attribute(_RTA_MARK, U32.pack(mark))] if mark else []
    if sender is not None:
        attributes.append(nl.attribute(_RTA_IP_PROTO, bytes([sender.protocol])))
        ports = ((_RTA_SPORT, sender.port), (_RTA_DPORT, sender.destination_port))
        attributes += [nl.attribute(kind, _PORT.pack(port)) for kind, port in ports if port]
    return header + b"".join(attributes)


def encode_match(destination: Prefix) -> bytes:
    """Return the payload of a lookup of the route for a network's first address."""
    header = RTMSG.pack(destination.family, len(destination.packed) * 8, 0, 0, 0, 0, 0, 0, _RTM_F_FIB_MATCH)
    return header + nl.attribute(RTA_DST, destination.packed)


def encode_route(destination: Prefix, table: int, protocol: int, metric: int, interface_index: int) -> bytes:
    """Return the payload that adds, replaces or deletes a unicast route through an interface without a gateway."""
    scope = RT_SCOPE_LINK if destination.family == socket.AF_INET else RT_SCOPE_UNIVERSE
    header = RTMSG.pack(destination.family, destination.length, 0, 0, min(table, 252), protocol, scope, RTN_UNICAST, 0)
    attributes = [nl.attribute(RTA_DST, destination.packed)] if destination.length else []
    attributes.append(nl.attribute(RTA_OIF, U32.pack(interface_index)))
    attributes.append(nl.attribute(RTA_TABLE, U32.pack(table)))
    if metric:
        attributes.append(nl.attribute(RTA_PRIORITY, U32.pack(metric)))
    return header + b"".join(attributes)


def decode_route(payload: bytes) -> RouteMessage | None:
    """Return the route in a message; None for a cached one. Raises MalformedMessage."""
    family, length, _src_length, _tos, table, protocol, _scope, kind, flags = nl.header(RTMSG, payload)
    if flags & RTM_F_CLONED or family not in ADDRESS_BYTES:
        return None
    return _decode(payload, family, length, table, protocol, kind)


def decode_lookup(payload: bytes) -> RouteMessage:
    """Return the route of a lookup, with its interface and source address."""
    family, length, _src_length, _tos, table, protocol, _scope, kind, _flags = nl.header(RTMSG, payload)
    return _decode(payload, family, length, table, protocol, kind)


def _decode(payload: bytes, family: int, length: int, table: int, protocol: int, kind: int) -> RouteMessage:
    found = dict(nl.attributes(payload, RTMSG.size))

    def number(attribute: int) -> int:
        value = found.get(attribute, bytes(4))
        if len(value) != 4:
            raise nl.MalformedMessage(f"attribute {attribute} of a route is no number")
        return int(U32.unpack(value)[0])

    packed = found.get(RTA_DST, bytes(ADDRESS_BYTES[family]))
    return RouteMessage(
        Prefix(family, packed, length),
        number(RTA_TABLE) or table,
        protocol,
        kind,
        number(RTA_PRIORITY),
        number(RTA_OIF),
        RTA_GATEWAY in found or _RTA_VIA in found,
        found.get(RTA_PREFSRC),
    )
