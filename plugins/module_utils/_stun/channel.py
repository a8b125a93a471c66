# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""UDP sockets for STUN: an ordinary one, or a raw one next to the WireGuard device that holds the port.

A raw socket gets a copy of the packets to the port, after the host's firewall. The device gets the same packets and
drops those that are no WireGuard messages.

This module is private to the collection.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .._ip.packet import strip_ip_header
from .._wireguard.endpoint import Endpoint
from .datagram import Datagram, answer_filter, decode_datagram, encode_datagram

# linux/in.h, linux/in6.h and asm-generic/socket.h; Python 3.9 lacks these names.
_IP_PKTINFO, _IP_RECVERR, _IPV6_RECVERR, _SO_ATTACH_FILTER = 8, 11, 25, 26

# struct sock_extended_err of linux/errqueue.h: errno, origin, type, code.
_EXTENDED_ERROR = struct.Struct("=IBBB")
_FROM_ICMP = (2, 3)  # SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6
_LARGEST = 65535
_ANY: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104   answers come from servers outside
_SENDS = 3  # earlier packets leave one pending error at most, and another may arrive meanwhile
_BATCH = 256  # messages read at once, so that an endless stream does not block the loop


class Arrived(NamedTuple):
    """A received message and its source."""

    payload: bytes
    source: Endpoint


class Reported(NamedTuple):
    """An ICMP error: the quoted part of the packet, its destination, and the errno the kernel derives from it."""

    quoted: bytes
    destination: Endpoint
    number: int


@dataclass(frozen=True)
class Channel:
    """A socket of one family that sends from one port. ``mark`` is the firewall mark of what it sends, 0 for none."""

    family: int
    port: int
    mark: int
    link: socket.socket
    raw: bool

    def source_towards(self, destination: Endpoint, scope: int = 0) -> Endpoint:
        """Return the source address of packets to a destination. Raises OSError without a route."""
        with socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
            _set_mark(probe, self.mark)
            probe.connect(self._address(destination, scope))
            return Endpoint(str(probe.getsockname()[0]).partition("%")[0], self.port)

    def send(self, message: bytes, source: Endpoint, destination: Endpoint, scope: int = 0) -> None:
        """Send a message. Raises OSError.

        The kernel reports the ICMP error for an earlier packet by the next call on the socket (ip(7), IP_RECVERR), so
        only a repeated error belongs to this message.
        """
        for left in reversed(range(_SENDS)):
            try:
                self._send(message, source, destination, scope)
                return
            except OSError:
                if not left:
                    raise

    def _send(self, message: bytes, source: Endpoint, destination: Endpoint, scope: int) -> None:
        if not self.raw:
            self.link.sendto(message, self._address(destination, scope))
            return
        packed = socket.inet_pton(self.family, source.host)
        datagram = encode_datagram(
            self.family,
            packed,
            socket.inet_pton(self.family, destination.host),
            Datagram(self.port, destination.port, message),
        )
        # The checksum covers the source address, so the kernel must use the same one.
        if self.family == socket.AF_INET:
            control = (socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("@i4s4x", 0, packed))
        else:
            control = (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("@16sI", packed, 0))
        self.link.sendmsg([datagram], [control], 0, self._address(destination._replace(port=0), scope))

    def receive(self) -> Iterator[Arrived | Reported]:
        """Yield the queued messages and errors without blocking."""
        for _one in range(_BATCH):
            try:
                data, control, _flags, address = self.link.recvmsg(_LARGEST, 512, socket.MSG_ERRQUEUE)
            except OSError:
                break
            report = self._report(data, control, address)
            if report is not None:
                yield report
        for _one in range(_BATCH):
            try:
                data, address = self.link.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError:  # an error that arrived meanwhile; it is in the error queue too
                continue
            host, port = str(address[0]).partition("%")[0], address[1]
            if not self.raw:
                yield Arrived(data, Endpoint(host, port))
                continue
            datagram = decode_datagram(strip_ip_header(data) if self.family == socket.AF_INET else data)
            if datagram is not None and datagram.destination_port == self.port:
                yield Arrived(datagram.payload, Endpoint(host, datagram.source_port))

    def _report(self, data: bytes, control: list[tuple[int, int, bytes]], address: tuple[str, int]) -> Reported | None:
        kinds = ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR))
        for level, kind, value in control:
            if (level, kind) not in kinds or len(value) < _EXTENDED_ERROR.size:
                continue
            number, origin, _type, _code = _EXTENDED_ERROR.unpack_from(value)
            host = str(address[0]).partition("%")[0]
            if origin not in _FROM_ICMP:
                continue
            if not self.raw:
                return Reported(data, Endpoint(host, address[1]), number)
            datagram = decode_datagram(data)
            if datagram is not None and datagram.source_port == self.port:
                return Reported(datagram.payload, Endpoint(host, datagram.destination_port), number)
        return None

    def _address(self, endpoint: Endpoint, scope: int) -> tuple[str, int] | tuple[str, int, int, int]:
        where = endpoint.host, endpoint.port
        return where if self.family == socket.AF_INET else (*where, 0, scope)


def open_udp(family: int, port: int = 0, mark: int = 0) -> Channel:
    """Return a channel with its own UDP socket, port 0 for any. Raises OSError, EADDRINUSE for a port in use."""
    link = _open(family, socket.SOCK_DGRAM, 0, mark)
    try:
        link.bind((_ANY[family], port))
    except OSError:
        link.close()
        raise
    return Channel(family, link.getsockname()[1], mark, link, False)


def open_raw(family: int, port: int, mark: int = 0) -> Channel:
    """Return a channel on a port that another socket holds. Raises OSError, EPERM without CAP_NET_RAW."""
    link = _open(family, socket.SOCK_RAW, socket.IPPROTO_UDP, mark)
    try:
        _attach(link, answer_filter(family, port))
    except OSError:
        link.close()
        raise
    return Channel(family, port, mark, link, True)


def _open(family: int, kind: int, protocol: int, mark: int) -> socket.socket:
    link = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
    try:
        _set_mark(link, mark)
        if family == socket.AF_INET:
            link.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            link.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
            if kind == socket.SOCK_DGRAM:  # the IPv4 channel has the same port
                link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    except OSError:
        link.close()
        raise
    return link


def _set_mark(link: socket.socket, mark: int) -> None:
    if mark:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("=I", mark))


def _attach(link: socket.socket, program: bytes) -> None:
    """Attach a classic BPF program by struct sock_fprog of linux/filter.h: its length and its address."""
    code = ctypes.create_string_buffer(program, len(program))
    link.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
