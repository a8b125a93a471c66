# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""WireGuard's generic netlink messages between bytes and values (linux/wireguard.h, WG_GENL_VERSION 1). Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator

from .._ip.prefix import Prefix
from .._netlink import generic
from .._netlink import messages as nl
from .endpoint import Endpoint
from .keys import ZERO
from .model import Device, Peer, PeerChange, Settings

WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE = 0, 1
_VERSION = 1

# enum wgdevice_attribute
_IFNAME, _PRIVATE_KEY, _PUBLIC_KEY, _FLAGS, _LISTEN_PORT, _FWMARK, _PEERS = 2, 3, 4, 5, 6, 7, 8
# enum wgpeer_attribute
_PEER_PUBLIC_KEY, _PEER_PRESHARED_KEY, _PEER_FLAGS, _PEER_ENDPOINT, _PEER_KEEPALIVE = 1, 2, 3, 4, 5
_PEER_LAST_HANDSHAKE, _PEER_RX_BYTES, _PEER_TX_BYTES, _PEER_ALLOWED_IPS = 6, 7, 8, 9
# enum wgallowedip_attribute
_IP_FAMILY, _IP_ADDRESS, _IP_CIDR_MASK = 1, 2, 3
# enum wgpeer_flag
_REMOVE_ME, _REPLACE_ALLOWEDIPS, _UPDATE_ONLY = 1, 2, 4

# The PEERS attribute and a peer's ALLOWEDIPS have 16-bit lengths, and a socket's send buffer is 208 KiB by default.
# Half of the former is below both limits.
MESSAGE_BYTES = 32768

_U16, _U32, _U64 = struct.Struct("=H"), struct.Struct("=I"), struct.Struct("=Q")
_KEY = struct.Struct("=32s")
_ADDRESS: dict[int, struct.Struct] = {socket.AF_INET: struct.Struct("=4s"), socket.AF_INET6: struct.Struct("=16s")}
_ATTRIBUTE = nl.ATTRIBUTE
_SOCKADDR_IN = struct.Struct("=HH4s8x")  # family, port in network order, address
_SOCKADDR_IN6 = struct.Struct("=HHI16sI")  # family, port in network order, flow info, address, scope
# One allowed IP as the kernel prints it: the nest's header, then family, mask and address or family, address, mask.
_ALLOWED_IP: dict[int, struct.Struct] = {
    socket.AF_INET: struct.Struct("=HHHHHxxHH4sHHBxxx"),
    socket.AF_INET6: struct.Struct("=HHHHHxxHH16sHHBxxx"),
}


def encode_get(name: str) -> bytes:
    """Return the payload of a dump of one device."""
    return generic.HEADER.pack(WG_CMD_GET_DEVICE, _VERSION, 0) + nl.text(_IFNAME, name)


def encode_set(name: str, settings: Settings, changes: Iterable[PeerChange]) -> Iterator[bytes]:
    """Yield the payloads of the set requests that carry all changes, each at most MESSAGE_BYTES.

    The first has the device's settings. A peer with more allowed IPs than fit continues in the next message, with its
    public key and further allowed IPs only.
    """
    head = generic.HEADER.pack(WG_CMD_SET_DEVICE, _VERSION, 0) + nl.text(_IFNAME, name)
    settings_part = _encode_settings(settings)
    room = MESSAGE_BYTES - len(head) - len(settings_part) - 4
    pending: list[bytes] = []
    size = 0
    sent = False
    for piece in _peer_pieces(changes):
        if pending and size + len(piece) > room:
            yield head + settings_part + nl.nested(_PEERS, *pending)
            pending, size, settings_part, sent = [], 0, b"", True
        pending.append(piece)
        size += len(piece)
    if pending:
        yield head + settings_part + nl.nested(_PEERS, *pending)
    elif settings_part and not sent:
        yield head + settings_part


def _encode_settings(settings: Settings) -> bytes:
    parts = []
    if settings.private_key is not None:
        parts.append(nl.attribute(_PRIVATE_KEY, settings.private_key))
    if settings.listen_port is not None:
        parts.append(nl.attribute(_LISTEN_PORT, _U16.pack(settings.listen_port)))
    if settings.fwmark is not None:
        parts.append(nl.attribute(_FWMARK, _U32.pack(settings.fwmark)))
    return b"".join(parts)


def _peer_pieces(changes: Iterable[PeerChange]) -> Iterator[bytes]:
    """Yield each peer as one nest, or as several if it has many allowed IPs."""
    per_piece = (MESSAGE_BYTES - 1024) // 40
    for change in changes:
        head = _encode_peer_head(change)
        prefixes = change.allowed_ips
        start = 0
        while True:
            batch = prefixes[start : start + per_piece]
            ips = nl.nested(_PEER_ALLOWED_IPS, *map(_encode_allowed_ip, batch)) if batch else b""
            yield nl.nested(0, head, ips)
            start += per_piece
            if start >= len(prefixes):
                break
            head = nl.attribute(_PEER_PUBLIC_KEY, change.public_key)


def _encode_peer_head(change: PeerChange) -> bytes:
    flags = (
        _REMOVE_ME * change.remove
        | _REPLACE_ALLOWEDIPS * change.replace_allowed_ips
        | _UPDATE_ONLY * change.update_only
    )
    parts = [nl.attribute(_PEER_PUBLIC_KEY, change.public_key)]
    if flags:
        parts.append(nl.attribute(_PEER_FLAGS, _U32.pack(flags)))
    if change.preshared_key is not None:
        parts.append(nl.attribute(_PEER_PRESHARED_KEY, change.preshared_key))
    if change.endpoint is not None:
        parts.append(nl.attribute(_PEER_ENDPOINT, encode_endpoint(change.endpoint)))
    if change.persistent_keepalive is not None:
        parts.append(nl.attribute(_PEER_KEEPALIVE, _U16.pack(change.persistent_keepalive)))
    return b"".join(parts)


def _encode_allowed_ip(prefix: Prefix) -> bytes:
    address = prefix.packed
    return _ALLOWED_IP[prefix.family].pack(
        24 + len(address), nl.NLA_F_NESTED,
        6, _IP_FAMILY, prefix.family,
        4 + len(address), _IP_ADDRESS, address,
        5, _IP_CIDR_MASK, prefix.length,
    )  # fmt: skip


def encode_endpoint(endpoint: Endpoint) -> bytes:
    """Return the struct sockaddr_in or sockaddr_in6 of an endpoint whose host is an address.

    Raises OSError where its scope names no interface of this host.
    """
    host, _percent, scope = endpoint.host.partition("%")
    port = socket.htons(endpoint.port)
    if ":" not in host:
        return _SOCKADDR_IN.pack(socket.AF_INET, port, socket.inet_pton(socket.AF_INET, host))
    index = (int(scope) if scope.isdigit() else socket.if_nametoindex(scope)) if scope else 0
    return _SOCKADDR_IN6.pack(socket.AF_INET6, port, 0, socket.inet_pton(socket.AF_INET6, host), index)


def decode_endpoint(payload: bytes) -> Endpoint:
    """Return the endpoint in a struct sockaddr; a scope is returned as the interface's name."""
    if _U16.unpack_from(payload)[0] == socket.AF_INET:
        _family, port, packed = _SOCKADDR_IN.unpack_from(payload)
        return Endpoint(socket.inet_ntop(socket.AF_INET, packed), socket.ntohs(port))
    _family, port, _flow, packed, scope = _SOCKADDR_IN6.unpack_from(payload)
    host = socket.inet_ntop(socket.AF_INET6, packed)
    if scope:
        try:
            host += "%" + socket.if_indextoname(scope)
        except OSError:  # the interface no longer exists
            host += f"%{scope}"
    return Endpoint(host, socket.ntohs(port))


def decode_device(name: str, payloads: Iterable[bytes]) -> Device:
    """Return the device of a complete dump.

    A peer whose allowed IPs do not fit into one message is repeated in the next with its public key and the rest
    (drivers/net/wireguard/netlink.c, get_peer); such parts are joined by public key. Raises MalformedMessage for truncated
    messages.
    """
    try:
        return _decode_device(name, payloads)
    except (struct.error, KeyError, IndexError) as exc:
        raise nl.MalformedMessage(f"not a description of a WireGuard device ({type(exc).__name__})") from None


def _decode_device(name: str, payloads: Iterable[bytes]) -> Device:
    private_key, public_key, listen_port, fwmark = ZERO, ZERO, 0, 0
    peers: dict[bytes, Peer] = {}
    for payload in payloads:
        for kind, value in nl.attributes(payload, generic.HEADER.size):
            if kind == _PEERS:
                for _index, body in nl.attributes(value):
                    peer = decode_peer(body)
                    known = peers.get(peer.public_key)
                    peers[peer.public_key] = _joined(known, peer) if known else peer
            elif kind == _PRIVATE_KEY:
                (private_key,) = _KEY.unpack(value)
            elif kind == _PUBLIC_KEY:
                (public_key,) = _KEY.unpack(value)
            elif kind == _LISTEN_PORT:
                (listen_port,) = _U16.unpack(value)
            elif kind == _FWMARK:
                (fwmark,) = _U32.unpack(value)
    return Device(name, Settings(private_key, listen_port, fwmark), public_key, tuple(peers.values()))


def _joined(first: Peer, rest: Peer) -> Peer:
    return Peer(
        first.public_key,
        first.preshared_key,
        first.endpoint,
        first.persistent_keepalive,
        (first.allowed_ips or frozenset()) | (rest.allowed_ips or frozenset()),
        first.latest_handshake,
        first.rx_bytes,
        first.tx_bytes,
    )


def decode_peer(body: bytes) -> Peer:
    """Return one peer from its nest's payload."""
    found = dict(nl.attributes(body))
    endpoint = found.get(_PEER_ENDPOINT)
    keepalive = found.get(_PEER_KEEPALIVE)
    handshake = found.get(_PEER_LAST_HANDSHAKE)
    rx_bytes, tx_bytes = found.get(_PEER_RX_BYTES), found.get(_PEER_TX_BYTES)
    return Peer(
        _KEY.unpack(found[_PEER_PUBLIC_KEY])[0],
        _KEY.unpack(found.get(_PEER_PRESHARED_KEY, ZERO))[0],
        None if endpoint is None else decode_endpoint(endpoint),
        0 if keepalive is None else _U16.unpack(keepalive)[0],
        _decode_allowed_ips(found.get(_PEER_ALLOWED_IPS, b"")),
        0 if handshake is None else _U64.unpack_from(handshake)[0],
        0 if rx_bytes is None else _U64.unpack(rx_bytes)[0],
        0 if tx_bytes is None else _U64.unpack(tx_bytes)[0],
    )


def _decode_allowed_ips(body: bytes) -> frozenset[Prefix]:
    prefixes = []
    for _index, entry in nl.attributes(body):
        found = dict(nl.attributes(entry))
        (family,) = _U16.unpack(found[_IP_FAMILY])
        (address,) = _ADDRESS[family].unpack(found[_IP_ADDRESS])
        prefixes.append(Prefix(family, address, found[_IP_CIDR_MASK][0]))
    return frozenset(prefixes)
