# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tracked connections with source NAT, between bytes and values: listed, deleted, and created with the same translation. Pure.

Layouts: linux/netfilter/nfnetlink_conntrack.h (enum ctattr_*), linux/netfilter/nf_conntrack_common.h (enum ip_conntrack_status),
linux/netfilter/nf_conntrack_tcp.h (IP_CT_TCP_FLAG_BE_LIBERAL). Addresses and ports are kept as the kernel sends them.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from . import messages as nl

NETLINK_NETFILTER = 12
_SUBSYSTEM = 1  # NFNL_SUBSYS_CTNETLINK
NEW, GET, DELETE = (_SUBSYSTEM << 8 | message for message in (0, 1, 2))
_HEADER = struct.Struct("=BBH")  # family, version, resource id

_ORIGINAL, _REPLY, _STATUS, _PROTOCOL_INFO, _NAT_SOURCE, _TIMEOUT, _MARK = 1, 2, 3, 4, 6, 7, 8
_ID, _NAT_DESTINATION, _ZONE, _STATUS_MASK = 12, 13, 18, 26
_IP, _PROTOCOL = 1, 2
_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
# By address length: source and destination of a tuple, lowest and highest address of a translation.
_IP_ENDS = {4: (1, 2), 16: (3, 4)}
_NAT_ENDS = {4: (1, 2), 16: (4, 5)}
_NAT_PORTS, _LOWEST_PORT, _HIGHEST_PORT = 3, 1, 2
_TCP, _TCP_FLAGS = 1, (4, 5)

SEEN_REPLY, ASSURED, CONFIRMED, SOURCE_NAT, DESTINATION_NAT = 0x2, 0x4, 0x8, 0x10, 0x20
_BE_LIBERAL, _ALL_FLAGS = 0x08, 0xFF
_WITH_PORTS = (socket.IPPROTO_TCP, socket.IPPROTO_UDP)


class Ends(NamedTuple):
    """The tuple of one direction of a connection; ports as two bytes."""

    source: bytes
    destination: bytes
    protocol: int
    source_port: bytes
    destination_port: bytes

    def reversed(self) -> Ends:
        """Return the tuple of the other direction without translation."""
        return Ends(self.destination, self.source, self.protocol, self.destination_port, self.source_port)


class TrackedConnection(NamedTuple):
    """A TCP or UDP connection whose source is translated. Other values are attributes as the kernel sends them."""

    original: Ends
    reply: Ends
    status: int
    timeout: bytes
    mark: bytes | None
    identity: bytes
    zone: bytes | None
    protocol_info: bytes | None


def encode_dump(family: int) -> bytes:
    """Return the payload of a dump of connections whose source is translated. Kernels before 5.17 send all."""
    status = struct.pack("!I", SOURCE_NAT)
    return _header(family) + nl.attribute(_STATUS, status) + nl.attribute(_STATUS_MASK, status)


def decode(payload: bytes) -> TrackedConnection | None:
    """Return a TCP or UDP connection whose source is translated, None for any other. Raises MalformedMessage."""
    found = dict(nl.attributes(payload, _HEADER.size))
    (status,) = struct.unpack("!I", found.get(_STATUS, bytes(4)))
    if not status & SOURCE_NAT or not {_ORIGINAL, _REPLY, _ID, _TIMEOUT} <= found.keys():
        return None
    original, reply = (_ends(found[kind]) for kind in (_ORIGINAL, _REPLY))
    if original is None or reply is None:
        return None
    return TrackedConnection(
        original,
        reply,
        status,
        found[_TIMEOUT],
        found.get(_MARK),
        found[_ID],
        found.get(_ZONE),
        found.get(_PROTOCOL_INFO),
    )


def encode_delete(connection: TrackedConnection) -> bytes:
    """Return the payload that deletes exactly this connection."""
    return b"".join(
        [
            _header(_family(connection.original)),
            _encode_ends(_ORIGINAL, connection.original),
            nl.attribute(_ID, connection.identity),
            *_optional(_ZONE, connection.zone),
        ]
    )


def encode_create(connection: TrackedConnection) -> bytes:
    """Return the payload that creates the connection with the same addresses and ports.

    The kernel derives the reply's tuple from the translations, so it is given without them. The window of TCP is unknown in
    the new connection, so the kernel must not check it (as conntrackd(8) does).
    """
    original, reply = connection.original, connection.reply
    translated = [_translation(_NAT_SOURCE, reply.destination, reply.destination_port)]
    if connection.status & DESTINATION_NAT:
        translated.append(_translation(_NAT_DESTINATION, reply.source, reply.source_port))
    status = CONFIRMED | connection.status & (SEEN_REPLY | ASSURED)
    return b"".join(
        [
            _header(_family(original)),
            _encode_ends(_ORIGINAL, original),
            _encode_ends(_REPLY, original.reversed()),
            nl.attribute(_STATUS, struct.pack("!I", status)),
            nl.attribute(_TIMEOUT, connection.timeout),
            *_optional(_MARK, connection.mark),
            *_optional(_ZONE, connection.zone),
            *translated,
            *_tcp_state(connection),
        ]
    )


def _header(family: int) -> bytes:
    return _HEADER.pack(family, 0, 0)


def _family(ends: Ends) -> int:
    return int(socket.AF_INET6 if len(ends.source) == 16 else socket.AF_INET)


def _ends(payload: bytes) -> Ends | None:
    found = dict(nl.attributes(payload))
    addresses, protocol = (dict(nl.attributes(found.get(kind, b""))) for kind in (_IP, _PROTOCOL))
    number = protocol.get(_NUMBER, b"\0")[0]
    if number not in _WITH_PORTS or not {_SOURCE_PORT, _DESTINATION_PORT} <= protocol.keys():
        return None
    for kinds in _IP_ENDS.values():
        if set(kinds) <= addresses.keys():
            ports = protocol[_SOURCE_PORT], protocol[_DESTINATION_PORT]
            return Ends(addresses[kinds[0]], addresses[kinds[1]], number, *ports)
    return None


def _encode_ends(kind: int, ends: Ends) -> bytes:
    first, second = _IP_ENDS[len(ends.source)]
    return nl.nested(
        kind,
        nl.nested(_IP, nl.attribute(first, ends.source), nl.attribute(second, ends.destination)),
        nl.nested(
            _PROTOCOL,
            nl.attribute(_NUMBER, bytes([ends.protocol])),
            nl.attribute(_SOURCE_PORT, ends.source_port),
            nl.attribute(_DESTINATION_PORT, ends.destination_port),
        ),
    )


def _translation(kind: int, address: bytes, port: bytes) -> bytes:
    lowest, highest = _NAT_ENDS[len(address)]
    ports = nl.nested(_NAT_PORTS, nl.attribute(_LOWEST_PORT, port), nl.attribute(_HIGHEST_PORT, port))
    return nl.nested(kind, nl.attribute(lowest, address), nl.attribute(highest, address), ports)


def _optional(kind: int, payload: bytes | None) -> list[bytes]:
    return [] if payload is None else [nl.attribute(kind, payload)]


def _tcp_state(connection: TrackedConnection) -> list[bytes]:
    if connection.protocol_info is None:
        return []
    info = dict(nl.attributes(connection.protocol_info))
    if _TCP not in info:
        return []
    state = dict(nl.attributes(info[_TCP]))
    for kind in _TCP_FLAGS:
        state[kind] = bytes([state.get(kind, b"\0")[0] | _BE_LIBERAL, _ALL_FLAGS])
    return [nl.nested(_PROTOCOL_INFO, nl.nested(_TCP, *(nl.attribute(*item) for item in sorted(state.items()))))]
