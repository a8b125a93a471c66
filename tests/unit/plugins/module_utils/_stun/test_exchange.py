# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transactions on local UDP sockets: retransmissions and final outcomes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.channel import Arrived, Channel, open_udp
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.exchange import (
    ANSWERED,
    BAD_ANSWER,
    ERROR,
    REFUSED,
    TIMEOUT,
    Reply,
    Request,
    evaluate,
    exchange,
    is_quoted,
    send_times,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

from .test_message import COOKIE, OTHER_PLAIN, SEEN, TRANSACTION, message

HERE = Endpoint("127.0.0.1", 9)
NO_ANSWER = Reply(TIMEOUT, "no answer", local=HERE)


@pytest.fixture
def channel() -> Iterator[Channel]:
    opened = open_udp(socket.AF_INET)
    yield opened
    opened.link.close()


@pytest.mark.parametrize(
    ("timeout", "times"),
    [
        (1, [0, 0.5]),
        (3, [0, 0.5, 1.5]),
        (60, [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),  # RFC 8489 section 6.2.1
    ],
)
def test_retransmission_interval_doubles(timeout: float, times: list[float]) -> None:
    assert send_times(timeout) == times


def judged(channel: Channel, data: bytes, source: Endpoint = HERE) -> tuple[str, bool]:
    reply, last = evaluate(Request(channel, HERE, HERE), TRANSACTION, Arrived(data, source), NO_ANSWER)
    assert reply.local == HERE
    return reply.outcome, last


def test_final_outcomes(channel: Channel) -> None:
    assert judged(channel, message(SEEN)) == (ANSWERED, True)
    assert judged(channel, message((0x0009, b"\0\0\4\24"), kind=0x0111)) == (ERROR, True)
    assert judged(channel, message()) == (BAD_ANSWER, False)
    assert judged(channel, message(SEEN), HERE._replace(port=10)) == (BAD_ANSWER, False)
    assert judged(channel, message(SEEN), HERE._replace(host="127.0.0.2")) == (BAD_ANSWER, False)


def test_quotes_in_icmp_errors() -> None:
    request = struct.pack("!HH", 1, 0) + COOKIE + TRANSACTION
    assert is_quoted(TRANSACTION, request)
    assert is_quoted(TRANSACTION, b"")
    assert not is_quoted(TRANSACTION, request[:8] + bytes(12))


@contextmanager
def server(*replies: Callable[[bytes], bytes]) -> Iterator[Endpoint]:
    """Run a local server that answers each request with these messages."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))
        link.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    data, source = link.recvfrom(2048)
                except OSError:  # no request yet
                    continue
                for reply in replies:
                    link.sendto(reply(data[8:20]), source)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Endpoint("127.0.0.1", link.getsockname()[1])
        finally:
            ended.set()
            thread.join()


def good(transaction: bytes) -> bytes:
    plain = (0x0001, bytes.fromhex("0001 8055 c0000201"))
    return message(plain, (0x802C, OTHER_PLAIN), transaction=transaction)


def test_many_requests_at_once_with_forged_answers_first(channel: Channel) -> None:
    forged = [
        lambda _transaction: b"",
        lambda _transaction: bytes(2000),
        lambda _transaction: good(bytes(12)),
        lambda transaction: good(transaction)[:-1],
        lambda transaction: message(transaction=transaction),
    ]
    with server(*forged, good) as one, server(good) as two, server(*forged) as three, server() as silent:
        asked = [Request(channel, where, where) for where in (one, two, three, silent)]
        replies = exchange(asked, 1)
    assert [reply.outcome for reply in replies] == [ANSWERED, ANSWERED, BAD_ANSWER, TIMEOUT]
    assert {reply.mapped for reply in replies[:2]} == {Endpoint("192.0.2.1", 32853)}
    assert {reply.local for reply in replies} == {Endpoint("127.0.0.1", channel.port)}


def test_refusal_ends_its_own_request_at_once(channel: Channel) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        nobody = Endpoint("127.0.0.1", free.getsockname()[1])
    with server(good) as somebody:
        asked = [Request(channel, where, where) for where in (nobody, somebody, nobody, somebody)]
        replies = exchange(asked, 30)
    assert [reply.outcome for reply in replies] == [REFUSED, ANSWERED, REFUSED, ANSWERED]
    assert "Connection refused" in replies[0].detail


def test_no_requests() -> None:
    assert exchange([], 30) == []


@given(st.binary(max_size=120))
def test_arbitrary_bytes_from_a_server_are_handled(data: bytes) -> None:
    with closing(open_udp(socket.AF_INET).link) as link:
        channel = Channel(socket.AF_INET, 1, 0, link, False)
        for payload in (data, data[:4] + COOKIE + TRANSACTION + data[4:]):
            outcome, _last = judged(channel, payload)
            assert outcome in (ANSWERED, ERROR, BAD_ANSWER)
