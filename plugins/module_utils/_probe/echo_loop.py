# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Send echo requests to many addresses at once, in one loop over the sockets, until all have replied or time is up.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import heapq
import math
import selectors
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from .size_search import SizeSearch
from .sockets import Destination, EchoSocket, UdpProbeSocket

# The queue of a socket or device is full for the moment; the next request follows anyway.
_TEMPORARY = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)

# Seconds between packets: 2,000 a second, and 500 a second where each needs a handshake. More than a few hundred
# handshakes at once put WireGuard under load, and it then requires a second round trip five seconds later (section
# 5.4.7 of its paper; MAX_QUEUED_INCOMING_HANDSHAKES of drivers/net/wireguard/messages.h).
_PACE, _HANDSHAKE_PACE = 1 / 2000, 1 / 500
_CREDIT = 0.01  # seconds of delay that may be caught up, because select() returns late
_BATCH = 16  # addresses served before the sockets are read again


class Question(NamedTuple):
    """An address, the packet size that should pass (None for small packets only), whether it has a session."""

    destination: Destination
    wanted: int | None
    has_session: bool


class _Sent(NamedTuple):
    place: int
    size: int
    at: float


def ask_all(interface: str, questions: Sequence[Question], seconds: float) -> list[SizeSearch]:
    """Return the search of each question, in their order. Raises OSError where no socket can be opened."""
    start = time.monotonic()
    searches = [SizeSearch(question.destination.family, question.wanted, start) for question in questions]
    echoes: dict[int, EchoSocket] = {}
    udp: dict[int, UdpProbeSocket] = {}
    with ExitStack() as stack:
        for family in {question.destination.family for question in questions}:
            try:
                echoes[family] = stack.enter_context(EchoSocket(family, interface))
            except OSError as exc:
                if exc.errno != errno.EAFNOSUPPORT:
                    raise
                _skip(search for search in searches if search.family == family)
                continue
            udp[family] = stack.enter_context(UdpProbeSocket(family, interface))
        _EchoLoop(questions, searches, echoes, udp).run(start + seconds)
    return searches


def _skip(searches: Iterable[SizeSearch]) -> None:
    """End the searches of an address family that this host lacks."""
    for search in searches:
        search.due, search.error = math.inf, errno.EAFNOSUPPORT


class _EchoLoop:
    """State of the loop: a queue of searches by due time, and the packets sent."""

    def __init__(
        self,
        questions: Sequence[Question],
        searches: Sequence[SizeSearch],
        echoes: Mapping[int, EchoSocket],
        udp: Mapping[int, UdpProbeSocket],
    ) -> None:
        self._questions, self._searches, self._echoes, self._udp = questions, searches, echoes, udp
        self._places = {question.destination[:2]: place for place, question in enumerate(questions)}
        self._queue = [(search.due, place) for place, search in enumerate(searches) if search.due != math.inf]
        self._sent: dict[int, _Sent] = {}
        self._free_at = 0.0  # when the next packet may be sent

    def run(self, deadline: float) -> None:
        """Send and receive until no search is due or the deadline (of time.monotonic) has passed."""
        with selectors.DefaultSelector() as selector:
            for family in self._echoes:
                selector.register(
                    self._echoes[family].socket, selectors.EVENT_READ, partial(self._read_replies, family)
                )
                selector.register(self._udp[family].socket, selectors.EVENT_READ, partial(self._read_refusals, family))
            while True:
                self._send_due(time.monotonic())
                due, now = self._next_due(), time.monotonic()
                if due == math.inf or now >= deadline:
                    return
                wake = min(max(due, self._free_at), deadline)
                for key, _events in selector.select(max(wake - now, 0)):
                    key.data()

    def _next_due(self) -> float:
        """Return the next due time; entries that a reply has made obsolete are dropped."""
        while self._queue and self._queue[0][0] != self._searches[self._queue[0][1]].due:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else math.inf

    def _send_due(self, now: float) -> None:
        self._free_at = max(self._free_at, now - _CREDIT)
        for _turn in range(_BATCH):
            if self._next_due() > now or self._free_at > now:
                return
            _due, place = heapq.heappop(self._queue)
            self._send(place)
            self._enqueue(place)

    def _enqueue(self, place: int) -> None:
        due = self._searches[place].due
        if due != math.inf:
            heapq.heappush(self._queue, (due, place))

    def _send(self, place: int) -> None:
        search, (destination, _wanted, has_session) = self._searches[place], self._questions[place]
        for size in search.next_sizes(time.monotonic()):
            self._free_at += _PACE if has_session or search.replied else _HANDSHAKE_PACE
            number = len(self._sent)
            self._sent[number] = _Sent(place, size, time.monotonic())
            error = self._echoes[destination.family].send(destination, number, size)
            if error == errno.EMSGSIZE:
                search.too_large(size, time.monotonic())
            search.error = None if error in _TEMPORARY else error
        if search.try_udp:
            self._free_at += _PACE
            self._udp[destination.family].send(destination)

    def _read_replies(self, family: int) -> None:
        for sender, reply in self._echoes[family].replies():
            now = time.monotonic()
            sent = self._sent.get(reply.number)
            if sent is None or sent.size != reply.size or self._places.get((family, sender)) != sent.place:
                continue
            before = self._searches[sent.place].due
            self._searches[sent.place].answered(reply.size, now - sent.at, now)
            if self._searches[sent.place].due != before:
                self._enqueue(sent.place)

    def _read_refusals(self, family: int) -> None:
        for sender in self._udp[family].answers():
            place = self._places.get((family, sender))
            if place is not None:
                self._searches[place].refused = True
