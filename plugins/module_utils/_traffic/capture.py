# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Capture packets on interfaces for a bounded time (packet(7)), outgoing ones included.

This module is private to the collection.
"""

from __future__ import annotations

import errno
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
# struct sock_filter of linux/filter.h: BPF_RET | BPF_K truncates every packet, so that the queue holds more of them.
_TRUNCATE = struct.pack("=HBBI", 0x06, 0, 0, SNAPSHOT)
_BATCH = 256  # packets read from one socket before the next socket and the clock are checked


class CapturedPacket(NamedTuple):
    """A packet and its direction: sent by this host, or received."""

    packet: Packet
    sent: bool


class Capture:
    """Packet sockets on some interfaces. ``lost``: packets dropped because the queue was full, set when it ends."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self.lost = 0
        self._sockets = sockets

    def packets(self, seconds: float, limit: int) -> Iterator[CapturedPacket]:
        """Yield the IP packets of a time in seconds, up to a number of packets."""
        until = time.monotonic() + seconds
        left = limit
        poll = select.poll()
        for one in self._sockets:
            poll.register(one, select.POLLIN)
        by_number = {one.fileno(): one for one in self._sockets}
        while left > 0 and (wait := until - time.monotonic()) > 0:
            for number, _events in poll.poll(wait * 1000):
                for captured in _queued(by_number[number], min(left, _BATCH)):
                    left -= 1
                    yield captured
        self.lost = sum(map(_lost, self._sockets))


@contextmanager
def open_capture(interfaces: Sequence[str]) -> Iterator[Capture]:
    """Start a capture on interfaces; the kernel queues their packets from now on.

    Raises OSError: ENODEV for a missing interface, EPERM without CAP_NET_RAW.
    """
    with ExitStack() as stack:
        yield Capture([stack.enter_context(_open(interface)) for interface in interfaces])


def _open(interface: str) -> socket.socket:
    """Return a socket that receives whole Ethernet frames, or packets without link-layer header on other links.

    Only whole frames show all VLAN tags. On SOCK_DGRAM sockets, kernels since 6.12 give the protocol after the tags but
    leave the tags in the data.
    """
    opened = _bound(interface, socket.SOCK_RAW)
    if opened.getsockname()[3] in _WITH_FRAMES:
        return opened
    opened.close()
    return _bound(interface, socket.SOCK_DGRAM)


def _bound(interface: str, kind: int) -> socket.socket:
    # Protocol 0 receives nothing before bind(), so no packet of another interface is queued (packet(7)).
    opened = socket.socket(socket.AF_PACKET, kind, 0)
    try:
        opened.setblocking(False)
        program = create_string_buffer(_TRUNCATE, len(_TRUNCATE))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, addressof(program)))
        with suppress(PermissionError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_QUEUE_BYTES)
        opened.bind((interface, _ETH_P_ALL))
    except BaseException as exc:
        opened.close()
        if isinstance(exc, OSError):
            raise OSError(exc.errno or errno.EIO, f"interfaces: {interface!r}: {exc.strerror}") from None
        raise
    return opened


def _queued(opened: socket.socket, limit: int) -> Iterator[CapturedPacket]:
    for _turn in range(limit):
        try:
            data, (_interface, ethertype, packet_type, _hardware, _address) = opened.recvfrom(SNAPSHOT)
        except OSError:  # the queue is empty, or the interface is down
            return
        packet = decode_frame(data) if opened.type == socket.SOCK_RAW else decode(ethertype, data)
        if packet is not None:
            yield CapturedPacket(packet, packet_type == _PACKET_OUTGOING)


def _lost(opened: socket.socket) -> int:
    """Return tp_drops of struct tpacket_stats (linux/if_packet.h): packets dropped because the queue was full."""
    _packets, drops = struct.unpack("=II", opened.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    return int(drops)
