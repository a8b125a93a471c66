# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""STUN Binding transactions, many at once: requests, retransmissions, answers.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .._wireguard.endpoint import Endpoint
from .channel import Arrived, Channel, Reported
from .message import TRANSACTION_BYTES, Answer, BadMessage, decode_answer, encode_request, is_answer_to

# RFC 8489 section 6.2.1: initial retransmission timeout in seconds, which doubles, and the number of requests (Rc).
_RTO = 0.5
_MOST_REQUESTS = 7

# RFC 1122 section 4.2.3.9: ICMP errors that end a transaction; all others may be temporary.
_HARD = (errno.ECONNREFUSED, errno.ENOPROTOOPT)

# Outcomes of a request.
ANSWERED = "answered"
TIMEOUT = "timeout"
REFUSED = "refused"
UNREACHABLE = "unreachable"
BAD_ANSWER = "bad_answer"
ERROR = "error"


class Request(NamedTuple):
    """A request: its channel, its destination, and the expected source of the answer.

    ``change``: flags of CHANGE-REQUEST, which make a server answer from its other address or port.
    """

    channel: Channel
    destination: Endpoint
    answered_by: Endpoint
    scope: int = 0
    change: int = 0


@dataclass(frozen=True)
class Reply:
    """The outcome of a request with its reason; ``local`` is the source address, None if no request was sent."""

    outcome: str
    detail: str = ""
    answer: Answer | None = field(default=None)
    local: Endpoint | None = None

    @property
    def mapped(self) -> Endpoint | None:
        """Source address and port of the request as the server received it."""
        return self.answer.mapped if self.answer else None


def send_times(timeout: float) -> list[float]:
    """Return the times of the requests of a transaction with a timeout, in seconds after the first."""
    times = [_RTO * (2**count - 1) for count in range(_MOST_REQUESTS)]
    return [at for at in times if at < timeout]


@dataclass
class _Transaction:
    request: Request
    id: bytes
    due: list[float]
    reply: Reply  # the reply so far
    done: bool = False


def exchange(requests: Sequence[Request], timeout: float) -> list[Reply]:
    """Send all requests at once and return their replies, at the latest after a timeout in seconds.

    An invalid answer is recorded and the wait continues, because any host can send a datagram.
    """
    started = time.monotonic()
    transactions = [_begin(request, [started + at for at in send_times(timeout)]) for request in requests]
    with selectors.DefaultSelector() as selector:
        for channel in {id(request.channel): request.channel for request in requests}.values():
            selector.register(channel.link, selectors.EVENT_READ, channel)
        while True:
            now = time.monotonic()
            open_ones = [one for one in transactions if not one.done]
            if not open_ones or now >= started + timeout:
                return [one.reply for one in transactions]
            for one in open_ones:
                if one.due and one.due[0] <= now:
                    one.due.pop(0)
                    _send(one)
            wake = min([started + timeout, *(one.due[0] for one in open_ones if one.due)])
            for key, _events in selector.select(max(wake - time.monotonic(), 0)):
                for event in key.data.receive():
                    for one in transactions:
                        if not one.done and one.request.channel is key.data:
                            _handle(one, event)


def _begin(request: Request, due: list[float]) -> _Transaction:
    transaction = os.urandom(TRANSACTION_BYTES)
    try:
        local = request.channel.source_towards(request.destination, request.scope)
    except OSError as exc:
        return _Transaction(request, transaction, [], Reply(UNREACHABLE, _reason(exc.errno)), done=True)
    return _Transaction(request, transaction, due, Reply(TIMEOUT, "no answer", local=local))


def _send(one: _Transaction) -> None:
    request, local = one.request, one.reply.local
    if local is None:
        return
    try:
        request.channel.send(encode_request(one.id, request.change), local, request.destination, request.scope)
    except OSError as exc:  # for example this host's firewall, which may pass the next request
        one.reply = replace(one.reply, outcome=UNREACHABLE, detail=_reason(exc.errno))


def _handle(one: _Transaction, event: Arrived | Reported) -> None:
    """Update a transaction with an event that belongs to it."""
    if isinstance(event, Arrived):
        if is_answer_to(one.id, event.payload):
            one.reply, one.done = evaluate(one.request, one.id, event, one.reply)
    elif event.destination == one.request.destination and is_quoted(one.id, event.quoted):
        outcome = REFUSED if event.number in _HARD else UNREACHABLE
        one.reply = replace(one.reply, outcome=outcome, detail=f"ICMP: {_reason(event.number)}")
        one.done = event.number in _HARD


def evaluate(request: Request, transaction: bytes, event: Arrived, so_far: Reply) -> tuple[Reply, bool]:
    """Return the reply after a message with the request's transaction id, and whether the reply is final."""
    try:
        answer = decode_answer(transaction, event.payload)
    except BadMessage as exc:
        return replace(so_far, outcome=BAD_ANSWER, detail=str(exc)), False
    if answer.error:
        return replace(so_far, outcome=ERROR, detail=answer.error, answer=answer), True
    if event.source != request.answered_by:
        detail = f"the answer came from {event.source}, not from {request.answered_by}"
        return replace(so_far, outcome=BAD_ANSWER, detail=detail), False
    return replace(so_far, outcome=ANSWERED, detail="", answer=answer), True


def is_quoted(transaction: bytes, quoted: bytes) -> bool:
    """Return whether an ICMP error may quote this request. Errors that quote eight bytes lack the transaction id."""
    return len(quoted) < 20 or is_answer_to(transaction, quoted)


def _reason(number: int | None) -> str:
    return os.strerror(number) if number else "unknown reason"
