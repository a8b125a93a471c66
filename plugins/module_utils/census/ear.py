# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Listening to interfaces for a bounded time: packet sockets (packet(7)), which see what is sent and what is received.

This module is private to the collection.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ctypes import addressof, create_string_buffer
from typing import NamedTuple

from .packet import SNAPSHOT, Packet, decode, decode_frame

# linux/if_ether.h, linux/if_packet.h, asm-generic/socket.h
_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_OUTGOING = 263, 6, 4
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_WITH_FRAMES = (1, 772)  # ARPHRD_ETHER and ARPHRD_LOOPBACK of linux/if_arp.h
_RECEIVE_QUEUE_BYTES = 1 << 23
# struct sock_filter of linux/filter.h: take the beginning of every packet, so that the queue holds no more of them.
_TAKE_BEGINNING = struct.pack("=HBBI", 0x06, 0, 0, SNAPSHOT)
_AT_ONCE = 256  # packets of one socket before the next gets its turn, and the clock is looked at


class Heard(NamedTuple):
    """A packet, and whether this host sent it."""

    packet: Packet
    sent: bool


class Ear:
    """Packet sockets on some interfaces. ``lost``: packets that came faster than they were read, when it has ended."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self.lost = 0
        self._sockets = sockets

    def packets(self, seconds: float, most: int) -> Iterator[Heard]:
        """Yield the IP packets until so many seconds have passed, or so many packets."""
        until = time.monotonic() + seconds
        left = most
        poll = select.poll()
        for one in self._sockets:
            poll.register(one, select.POLLIN)
        by_number = {one.fileno(): one for one in self._sockets}
        while left > 0 and (wait := until - time.monotonic()) > 0:
            for number, _events in poll.poll(wait * 1000):
                for heard in _waiting(by_number[number], min(left, _AT_ONCE)):
                    left -= 1
                    yield heard
        self.lost = sum(map(_lost, self._sockets))


@contextmanager
def listening(interfaces: Sequence[str]) -> Iterator[Ear]:
    """Listen to interfaces; what they send and receive from now on is kept until it is read.

    Raises OSError: ENODEV for an interface that is not there, EPERM without CAP_NET_RAW.
    """
    with ExitStack() as stack:
        yield Ear([stack.enter_context(_open(interface)) for interface in interfaces])


def _open(interface: str) -> socket.socket:
    """Return a socket with whole frames where these are of Ethernet, else one with what follows the link's header.

    Only whole frames show all VLAN tags: of the others, kernels since 6.12 give the protocol that follows the tags, and
    the tags with the data.
    """
    opened = _bound(interface, socket.SOCK_RAW)
    if opened.getsockname()[3] in _WITH_FRAMES:
        return opened
    opened.close()
    return _bound(interface, socket.SOCK_DGRAM)


def _bound(interface: str, kind: int) -> socket.socket:
    # With no protocol it hears nothing until it is bound, and so nothing of other interfaces.
    opened = socket.socket(socket.AF_PACKET, kind, 0)
    try:
        opened.setblocking(False)
        program = create_string_buffer(_TAKE_BEGINNING, len(_TAKE_BEGINNING))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, addressof(program)))
        with suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_QUEUE_BYTES)
        opened.bind((interface, _ETH_P_ALL))
    except BaseException:
        opened.close()
        raise
    return opened


def _waiting(opened: socket.socket, most: int) -> Iterator[Heard]:
    for _turn in range(most):
        try:
            data, (_interface, ethertype, way, _hardware, _address) = opened.recvfrom(SNAPSHOT)
        except OSError:  # nothing more is there, or the interface went down
            return
        packet = decode_frame(data) if opened.type == socket.SOCK_RAW else decode(ethertype, data)
        if packet is not None:
            yield Heard(packet, way == _PACKET_OUTGOING)


def _lost(opened: socket.socket) -> int:
    """struct tpacket_stats: packets, and those of them that found the queue full."""
    _packets, drops = struct.unpack("=II", opened.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    return int(drops)
