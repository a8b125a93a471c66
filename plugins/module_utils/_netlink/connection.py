# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A netlink socket: acknowledged requests and whole dumps, with the kernel's own error texts.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence

from . import messages as nl

SOL_NETLINK = 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 10, 11, 12

# A dump is sent in datagrams as large as the reader's last buffer allows, 32 KiB at most
# (af_netlink.c, netlink_dump); a larger buffer also holds any single reply.
_RECEIVE_BYTES = 1 << 17
_RECEIVE_QUEUE_BYTES = 1 << 21
_TIMEOUT_SECONDS = 30.0
_DUMP_ATTEMPTS = 10
# Requests per datagram. The refusals of all of them, about 800 bytes each, fit the default receive queue (212,992
# bytes).
_BATCH = 200


class DumpInterrupted(OSError):
    """The dumped objects kept changing, so that no consistent dump was possible."""

    def __init__(self, attempts: int) -> None:
        super().__init__(errno.EINTR, f"the kernel's table changed during each of {attempts} dumps")


class _Overrun(Exception):
    """A part of a dump was lost, possibly its end too."""


class Connection:
    """One socket of one netlink family. Use it as a context manager.

    Raises NetlinkError where the kernel refuses a request, OSError where the socket itself fails.
    """

    def __init__(self, family: int, *, strict: bool = False) -> None:
        self._family, self._strict = family, strict
        self._socket = _open(family, strict)
        self._sequence = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def request(self, kind: int, payload: bytes, flags: int = 0) -> list[bytes]:
        """Send one request, wait for its acknowledgement, and return the payloads that came before it."""
        sequence = self._send(kind, flags | nl.NLM_F_ACK, payload)
        replies: list[bytes] = []
        while True:
            for message in self._receive(sequence):
                if message.type == nl.NLMSG_ERROR:
                    refused = nl.error(message)
                    if refused:
                        raise refused
                    return replies
                replies.append(message.payload)

    def one_datagram(self, requests: Sequence[tuple[int, bytes, int]]) -> list[nl.NetlinkError | None]:
        """Send requests (kind, payload, flags) in one datagram, and return the refusals by request.

        The kernel processes them in order and continues after a refused one. A family that holds a lock for a whole
        datagram, as XFRM does, processes them without other requests in between.
        """
        first = self._sequence + 1
        self._sequence += len(requests)
        datagram = [
            nl.request(kind, flags | nl.NLM_F_ACK, first + place, payload) + bytes(-len(payload) & 3)
            for place, (kind, payload, flags) in enumerate(requests)
        ]
        self._socket.sendall(b"".join(datagram))
        refused: list[nl.NetlinkError | None] = []
        while len(refused) < len(requests):
            # Answers come in the order of the requests.
            for message in self._receive(first + len(refused)):
                if message.type == nl.NLMSG_ERROR:
                    refused.append(nl.error(message))
        return refused

    def batch(self, kind: int, flags: int, payloads: Sequence[bytes]) -> dict[int, nl.NetlinkError]:
        """Send one request for each payload, many per datagram; return the refusals by the payload's position.

        The kernel processes later requests of a datagram after a refused one. No datagram is sent after one with a
        refusal.
        """
        refusals: dict[int, nl.NetlinkError] = {}
        for start in range(0, len(payloads), _BATCH):
            part = payloads[start : start + _BATCH]
            first = self._sequence + 1
            self._sequence += len(part)
            datagram = bytearray()
            for position, payload in enumerate(part):
                # Refusals come in any case. One acknowledgement at the end shows that all requests were processed.
                last = nl.NLM_F_ACK if position == len(part) - 1 else 0
                datagram += nl.request(kind, flags | last, first + position, payload)
            self._socket.sendall(bytes(datagram))
            refusals.update((start + position, refused) for position, refused in self._refusals(first, len(part)))
            if refusals:
                break
        return refusals

    def _refusals(self, first: int, count: int) -> Iterator[tuple[int, nl.NetlinkError]]:
        while True:
            datagram = self._receive_datagram()
            for message in nl.messages(datagram):
                position = message.sequence - first
                if message.type != nl.NLMSG_ERROR or not 0 <= position < count:
                    continue
                refused = nl.error(message)
                if refused:
                    yield position, refused
                if position == count - 1:
                    return

    def dump(self, kind: int, payload: bytes) -> list[bytes]:
        """Return the payloads of one whole, uninterrupted dump.

        A dump that the kernel marks as interrupted, or that overran the receive queue, is discarded and
        repeated; partial dumps are never returned. Raises DumpInterrupted when no attempt was complete.
        """
        for _attempt in range(_DUMP_ATTEMPTS):
            try:
                parts = self._dump_once(kind, payload)
            except _Overrun:
                # The kernel still counts this socket's dump as running, and would answer EBUSY to another.
                self.close()
                self._socket = _open(self._family, self._strict)
                continue
            if parts is not None:
                return parts
        raise DumpInterrupted(_DUMP_ATTEMPTS)

    def _dump_once(self, kind: int, payload: bytes) -> list[bytes] | None:
        sequence = self._send(kind, nl.NLM_F_DUMP, payload)
        parts: list[bytes] = []
        interrupted = False
        while True:
            try:
                received = self._receive(sequence)
            except OSError as exc:
                if exc.errno == errno.ENOBUFS:
                    raise _Overrun from None
                raise
            for message in received:
                interrupted = interrupted or bool(message.flags & nl.NLM_F_DUMP_INTR)
                if message.type in (nl.NLMSG_ERROR, nl.NLMSG_DONE):
                    refused = nl.error(message)
                    if refused and refused.errno != errno.EINTR:
                        raise refused
                    return None if interrupted or refused else parts
                if message.type == nl.NLMSG_OVERRUN:
                    raise _Overrun
                parts.append(message.payload)

    def _send(self, kind: int, flags: int, payload: bytes) -> int:
        self._sequence += 1
        self._socket.sendall(nl.request(kind, flags, self._sequence, payload))
        return self._sequence

    def _receive(self, sequence: int) -> list[nl.Message]:
        """Return the messages of the next datagram that answer a request; leftovers of an earlier one are dropped."""
        return [message for message in nl.messages(self._receive_datagram()) if message.sequence == sequence]

    def _receive_datagram(self) -> bytes:
        datagram, _ancillary, flags, _peer = self._socket.recvmsg(_RECEIVE_BYTES)
        if flags & socket.MSG_TRUNC:
            raise nl.MalformedMessage(f"a netlink datagram was larger than {_RECEIVE_BYTES} bytes")
        return datagram


def _open(family: int, strict: bool) -> socket.socket:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
    try:
        link.settimeout(_TIMEOUT_SECONDS)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_QUEUE_BYTES)
        options = [NETLINK_CAP_ACK, NETLINK_EXT_ACK] + ([NETLINK_GET_STRICT_CHK] if strict else [])
        for option in options:
            try:
                link.setsockopt(SOL_NETLINK, option, 1)
            except OSError as exc:
                # Kernels before 4.12 and 4.20 lack the last two: answers are longer, or without explanation.
                if exc.errno != errno.ENOPROTOOPT:
                    raise
        link.bind((0, 0))
        link.connect((0, 0))
    except OSError:
        link.close()
        raise
    return link
