# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Sockets of a probe, bound to one interface: ICMP echo and UDP, one of each per address family.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from .._ip.packet import strip_ip_header
from . import echo

# linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h, asm-generic/socket.h
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE, IP_RECVERR = 10, 3, 11
IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE, IPV6_RECVERR, IPV6_DONTFRAG = 23, 3, 25, 62
SOL_RAW, ICMP_FILTER, ICMPV6_FILTER = 255, 1, 1
SO_RCVBUFFORCE = 33

# struct sock_extended_err of linux/errqueue.h: errno, origin, type, code, padding, info, data; the sender follows.
_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ORIGIN_ICMP: dict[int, int] = {socket.AF_INET: 2, socket.AF_INET6: 3}
_SENDER: dict[int, slice] = {
    socket.AF_INET: slice(20, 24),
    socket.AF_INET6: slice(24, 40),
}  # sockaddr_in.sin_addr, sin6_addr

# The first destination port of traceroute(8), closed on almost every host.
UDP_PORT = 33434

_PROTOCOL: dict[int, int] = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_RECEIVE_QUEUE_BYTES = 1 << 22


class Destination(NamedTuple):
    """An address to send to; the scope is the interface index for a link-local address, else 0."""

    family: int
    packed: bytes
    scope: int = 0

    def socket_address(self, port: int = 0) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return the address as sockets take it."""
        text = socket.inet_ntop(self.family, self.packed)
        return (text, port) if self.family == socket.AF_INET else (text, port, 0, self.scope)


class EchoSocket:
    """Sends echo requests that are never fragmented, and receives their replies. A context manager.

    A ping socket where net.ipv4.ping_group_range allows it (icmp(7)), else a raw one, which needs CAP_NET_RAW.
    Raises OSError.
    """

    def __init__(self, family: int, interface: str) -> None:
        self.family = family
        self._token = os.urandom(echo.TOKEN_BYTES)
        self._identifier: int | None = None
        try:
            self.socket = _open(family, socket.SOCK_DGRAM, _PROTOCOL[family], interface)
        except PermissionError:
            self.socket = _open(family, socket.SOCK_RAW, _PROTOCOL[family], interface)
            self._identifier = int.from_bytes(os.urandom(2), "big")
            _only_replies(self.socket, family)
        _never_fragment(self.socket, family)

    def __enter__(self) -> EchoSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, to: Destination, number: int, size: int) -> int | None:
        """Send a request; return the errno on failure, EMSGSIZE for a packet larger than the device's MTU."""
        message = echo.encode_request(self.family, self._token, self._identifier or 0, number, size)
        try:
            self.socket.sendto(message, to.socket_address())
        except OSError as exc:
            return exc.errno or errno.EIO
        return None

    def replies(self) -> Iterator[tuple[bytes, echo.Reply]]:
        """Yield the received replies, each with its packed source address."""
        raw_ipv4 = self._identifier is not None and self.family == socket.AF_INET
        while True:
            try:
                message, sender = self.socket.recvfrom(echo.LARGEST)
            except OSError:  # the queue is empty, or an error that belongs to none of our packets
                return
            if raw_ipv4:
                message = strip_ip_header(message)
            reply = echo.decode_reply(self.family, self._token, self._identifier, message)
            if reply is not None:
                yield _packed(self.family, sender[0]), reply


def initiate_handshakes(interface: str, hosts: Iterable[Destination]) -> None:
    """Send each host a packet that gets no answer: WireGuard starts a handshake when it has a packet to send.

    Send errors are ignored: the missing handshake shows them. Raises OSError where no socket can be opened.
    """
    by_family: dict[int, list[Destination]] = {}
    for host in hosts:
        by_family.setdefault(host.family, []).append(host)
    for family, destinations in by_family.items():
        with _open(family, socket.SOCK_RAW, _PROTOCOL[family], interface) as opened:
            for destination in destinations:
                with suppress(OSError):
                    opened.sendto(echo.encode_unsolicited_reply(family), destination.socket_address())


class UdpProbeSocket:
    """Sends empty UDP datagrams to a closed port, and receives the ICMP errors, as traceroute does. A context manager."""

    def __init__(self, family: int, interface: str) -> None:
        self.family = family
        self.socket = _open(family, socket.SOCK_DGRAM, 0, interface)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)

    def __enter__(self) -> UdpProbeSocket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.socket.close()

    def send(self, to: Destination) -> None:
        """Send a datagram. Errors are ignored: they may belong to an earlier one, and more datagrams follow."""
        with suppress(OSError):
            self.socket.sendto(b"", to.socket_address(UDP_PORT))

    def answers(self) -> Iterator[bytes]:
        """Yield the packed address of each destination that answered itself, with UDP or an ICMP error."""
        while True:
            try:
                _data, ancillary, _flags, asked = self.socket.recvmsg(1, 512, socket.MSG_ERRQUEUE)
            except OSError:
                break
            for _level, _kind, value in ancillary:
                origin = _EXTENDED_ERROR.unpack_from(value)[1]
                sender = value[_SENDER[self.family]]
                # Errors of this host itself (no route, no session) are no answers.
                if origin == _ORIGIN_ICMP[self.family] and sender == _packed(self.family, asked[0]):
                    yield sender
        while True:
            try:
                sender = self.socket.recvfrom(1)[1]
            except OSError:  # the queue is empty, or the pending socket error (ip(7)), reported once
                return
            yield _packed(self.family, sender[0])


def _open(family: int, kind: int, protocol: int, interface: str) -> socket.socket:
    opened = socket.socket(family, kind | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        try:
            opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _RECEIVE_QUEUE_BYTES)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_QUEUE_BYTES)
    except BaseException:
        opened.close()
        raise
    return opened


def _never_fragment(opened: socket.socket, family: int) -> None:
    """Set DF and allow packets up to the device's MTU, whatever path MTU the host has cached."""
    if family == socket.AF_INET:
        opened.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
    else:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE)
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)


def _only_replies(opened: socket.socket, family: int) -> None:
    """Drop all other ICMP types on a raw socket (raw(7)): a set bit in the mask drops a type."""
    if family == socket.AF_INET:
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << 0)))
    else:
        words = [0xFFFFFFFF] * 8
        words[129 >> 5] &= ~(1 << (129 & 31))
        opened.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, struct.pack("=8I", *words))


def _packed(family: int, text: str) -> bytes:
    return socket.inet_pton(family, text.partition("%")[0])
