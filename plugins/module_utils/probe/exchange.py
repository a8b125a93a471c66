# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Asks many addresses at once, in one loop over the sockets, until all have answered or the time is over.

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

from .inquiry import Inquiry
from .sockets import Destination, EchoSocket, KnockSocket

# A socket or a queue is full for the moment; the next try comes anyway.
_PASSING = (errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM)

# Seconds from one packet to the next: 2,000 a second, and 500 a second where each costs a handshake, because more
# than a few hundred of those at once put WireGuard under load, and it then asks for a second round trip five seconds
# later (section 5.4.7 of its paper; MAX_QUEUED_INCOMING_HANDSHAKES of drivers/net/wireguard/messages.h).
_PACE, _HANDSHAKE_PACE = 1 / 2000, 1 / 500
_CREDIT = 0.01  # seconds that may be caught up with, because a wait ends late by some
_AT_A_TIME = 16  # inquiries between two looks at what has come


class Question(NamedTuple):
    """An address, the size of the packets that should pass (None for small ones only), whether it has a session."""

    destination: Destination
    wanted: int | None
    has_session: bool


class _Sent(NamedTuple):
    place: int
    size: int
    at: float


def ask_all(interface: str, questions: Sequence[Question], seconds: float) -> list[Inquiry]:
    """Return what came of each question, in their order. Raises OSError where no socket can be had."""
    start = time.monotonic()
    inquiries = [Inquiry(question.destination.family, question.wanted, start) for question in questions]
    echoes: dict[int, EchoSocket] = {}
    knocks: dict[int, KnockSocket] = {}
    with ExitStack() as stack:
        for family in {question.destination.family for question in questions}:
            try:
                echoes[family] = stack.enter_context(EchoSocket(family, interface))
            except OSError as exc:
                if exc.errno != errno.EAFNOSUPPORT:
                    raise
                _give_up(inquiry for inquiry in inquiries if inquiry.family == family)
                continue
            knocks[family] = stack.enter_context(KnockSocket(family, interface))
        _Exchange(questions, inquiries, echoes, knocks).run(start + seconds)
    return inquiries


def _give_up(inquiries: Iterable[Inquiry]) -> None:
    """Take note that this host does not have their family, IPv6 most likely."""
    for inquiry in inquiries:
        inquiry.due, inquiry.error = math.inf, errno.EAFNOSUPPORT


class _Exchange:
    """The loop's state: when to ask whom next, and which packets are on their way."""

    def __init__(
        self,
        questions: Sequence[Question],
        inquiries: Sequence[Inquiry],
        echoes: Mapping[int, EchoSocket],
        knocks: Mapping[int, KnockSocket],
    ) -> None:
        self._questions, self._inquiries, self._echoes, self._knocks = questions, inquiries, echoes, knocks
        self._places = {question.destination[:2]: place for place, question in enumerate(questions)}
        self._queue = [(inquiry.due, place) for place, inquiry in enumerate(inquiries) if inquiry.due != math.inf]
        self._sent: dict[int, _Sent] = {}
        self._free_at = 0.0  # when the next packet may be sent

    def run(self, deadline: float) -> None:
        """Ask and listen until nothing is left to ask or the deadline (of time.monotonic) has passed."""
        with selectors.DefaultSelector() as selector:
            for family in self._echoes:
                selector.register(self._echoes[family].socket, selectors.EVENT_READ, partial(self._hear_echoes, family))
                selector.register(
                    self._knocks[family].socket, selectors.EVENT_READ, partial(self._hear_refusals, family)
                )
            while True:
                self._ask_those_due(time.monotonic())
                due, now = self._next_due(), time.monotonic()
                if due == math.inf or now >= deadline:
                    return
                wake = min(max(due, self._free_at), deadline)
                for key, _events in selector.select(max(wake - now, 0)):
                    key.data()

    def _next_due(self) -> float:
        """Return when to ask next; an answer may have changed that and put in another entry."""
        while self._queue and self._queue[0][0] != self._inquiries[self._queue[0][1]].due:
            heapq.heappop(self._queue)
        return self._queue[0][0] if self._queue else math.inf

    def _ask_those_due(self, now: float) -> None:
        self._free_at = max(self._free_at, now - _CREDIT)
        for _turn in range(_AT_A_TIME):
            if self._next_due() > now or self._free_at > now:
                return
            _due, place = heapq.heappop(self._queue)
            self._ask(place)
            self._put(place)

    def _put(self, place: int) -> None:
        due = self._inquiries[place].due
        if due != math.inf:
            heapq.heappush(self._queue, (due, place))

    def _ask(self, place: int) -> None:
        inquiry, (destination, _wanted, has_session) = self._inquiries[place], self._questions[place]
        for size in inquiry.ask(time.monotonic()):
            self._free_at += _PACE if has_session or inquiry.replied else _HANDSHAKE_PACE
            number = len(self._sent)
            self._sent[number] = _Sent(place, size, time.monotonic())
            error = self._echoes[destination.family].send(destination, number, size)
            if error == errno.EMSGSIZE:
                inquiry.too_large(size, time.monotonic())
            inquiry.error = None if error in _PASSING else error
        if inquiry.knocks:
            self._free_at += _PACE
            self._knocks[destination.family].send(destination)

    def _hear_echoes(self, family: int) -> None:
        for sender, reply in self._echoes[family].replies():
            now = time.monotonic()
            sent = self._sent.get(reply.number)
            if sent is None or sent.size != reply.size or self._places.get((family, sender)) != sent.place:
                continue
            before = self._inquiries[sent.place].due
            self._inquiries[sent.place].answered(reply.size, now - sent.at, now)
            if self._inquiries[sent.place].due != before:
                self._put(sent.place)

    def _hear_refusals(self, family: int) -> None:
        for sender in self._knocks[family].answers():
            place = self._places.get((family, sender))
            if place is not None:
                self._inquiries[place].refused = True
