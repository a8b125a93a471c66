# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and dumps over a scripted socket: complete answers, errors, or another attempt; never partial answers."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import connection as room
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import Connection, DumpInterrupted
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import MalformedMessage, NetlinkError

from .scripted_socket import Answer, ScriptedSocket, acknowledgement, done, message, part

KIND = 0x20
Connect = Callable[..., Connection]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that creates a connection that uses the given sockets in order."""

    def connect(*links: ScriptedSocket) -> Connection:
        waiting = iter(links)
        monkeypatch.setattr(room, "_open", lambda _family, _strict: next(waiting))
        return Connection(16)

    return connect


def whole(sequence: int) -> list[bytes]:
    return [part(sequence, b"one ") + part(sequence, b"two "), part(sequence, b"three   "), done(sequence)]


def interrupted(sequence: int) -> list[bytes]:
    return [part(sequence, b"old ", nl.NLM_F_DUMP_INTR), part(sequence, b"old "), done(sequence)]


PARTS = [b"one ", b"two ", b"three   "]


def test_a_request_is_acknowledged(connect: Connect) -> None:
    link = ScriptedSocket(lambda sequence: [acknowledgement(sequence)])
    assert connect(link).request(KIND, b"payload", nl.NLM_F_CREATE) == []
    (request,) = link.requests
    assert request == (KIND, nl.NLM_F_REQUEST | nl.NLM_F_ACK | nl.NLM_F_CREATE, 1, b"payload")


def test_replies_precede_the_acknowledgement(connect: Connect) -> None:
    link = ScriptedSocket(lambda s: [message(KIND, s, b"says"), message(KIND, s, b"more") + acknowledgement(s)])
    assert connect(link).request(KIND, b"") == [b"says", b"more"]
    assert link.finished


def test_every_request_has_a_unique_sequence_number(connect: Connect) -> None:
    link = ScriptedSocket(lambda s: [acknowledgement(s)], whole, lambda s: [acknowledgement(s)])
    connection = connect(link)
    connection.request(KIND, b"")
    connection.dump(KIND, b"")
    connection.request(KIND, b"")
    assert [request.sequence for request in link.requests] == [1, 2, 3]


@pytest.mark.parametrize("explanation", ["", "Invalid peer key"])
def test_a_refusal_has_errno_and_the_kernels_message(connect: Connect, explanation: str) -> None:
    link = ScriptedSocket(lambda s: [acknowledgement(s, errno.EINVAL, explanation)])
    with pytest.raises(NetlinkError, match=explanation or "Invalid argument") as caught:
        connect(link).request(KIND, b"")
    assert (caught.value.errno, caught.value.explanation) == (errno.EINVAL, explanation)


def test_a_refusal_may_quote_the_whole_request(connect: Connect) -> None:
    def answer(sequence: int) -> list[bytes]:
        quoted = message(KIND, sequence, b"a request of twenty4byte")
        explained = nl.text(nl.NLMSGERR_ATTR_MSG, "no such thing")
        code = struct.pack("=i", -errno.ENOENT)
        return [message(nl.NLMSG_ERROR, sequence, code + quoted + explained, nl.NLM_F_ACK_TLVS)]

    with pytest.raises(NetlinkError) as caught:
        connect(ScriptedSocket(answer)).request(KIND, b"")
    assert (caught.value.errno, caught.value.explanation) == (errno.ENOENT, "no such thing")


def test_replies_to_another_request_are_dropped(connect: Connect) -> None:
    def answer(sequence: int) -> list[bytes]:
        stale = [acknowledgement(sequence - 1, errno.EPERM), message(KIND, sequence + 7, b"late")]
        mixed = message(KIND, sequence - 1, b"late") + message(KIND, sequence, b"mine")
        return [*stale, mixed, acknowledgement(sequence)]

    link = ScriptedSocket(answer, lambda s: [part(s - 1, b"late"), done(s - 1), *whole(s)])
    connection = connect(link)
    assert connection.request(KIND, b"") == [b"mine"]
    assert connection.dump(KIND, b"") == PARTS


def test_a_dump_in_parts_is_joined(connect: Connect) -> None:
    link = ScriptedSocket(whole)
    assert connect(link).dump(KIND, b"payload") == PARTS
    assert link.requests[0] == (KIND, nl.NLM_F_REQUEST | nl.NLM_F_DUMP, 1, b"payload")


def test_an_empty_dump_is_empty(connect: Connect) -> None:
    assert connect(ScriptedSocket(lambda s: [done(s)])).dump(KIND, b"") == []


@pytest.mark.parametrize(
    "broken",
    [
        interrupted,
        lambda s: [part(s, b"old "), part(s, b"old ", nl.NLM_F_DUMP_INTR), done(s)],
        lambda s: [part(s, b"old "), done(s, flags=nl.NLM_F_DUMP_INTR)],
        lambda s: [part(s, b"old "), done(s, errno.EINTR)],
    ],
    ids=["first part", "last part", "end", "end with EINTR"],
)
def test_an_interrupted_dump_is_repeated(connect: Connect, broken: Answer) -> None:
    link = ScriptedSocket(broken, broken, whole)
    assert connect(link).dump(KIND, b"") == PARTS
    assert link.finished
    assert not link.closed


def test_a_dump_that_is_always_interrupted_is_an_error(connect: Connect) -> None:
    link = ScriptedSocket(*[interrupted] * 20)
    with pytest.raises(DumpInterrupted, match="each of 10 dumps"):
        connect(link).dump(KIND, b"")
    assert len(link.requests) == 10


@pytest.mark.parametrize(
    "broken",
    [
        lambda s: [part(s, b"old "), OSError(errno.ENOBUFS, "No buffer space available")],
        lambda s: [part(s, b"old "), message(nl.NLMSG_OVERRUN, s)],
    ],
    ids=["ENOBUFS", "NLMSG_OVERRUN"],
)
def test_an_overrun_dump_is_repeated_on_another_socket(connect: Connect, broken: Answer) -> None:
    # The kernel refuses a second dump on a socket whose first one has not ended (EBUSY, __netlink_dump_start).
    first, second = ScriptedSocket(broken), ScriptedSocket(whole)
    assert connect(first, second).dump(KIND, b"payload") == PARTS
    assert first.closed
    assert not second.closed
    assert [request.payload for request in second.requests] == [b"payload"]


def test_dumps_that_always_overrun_are_an_error(connect: Connect) -> None:
    links = [ScriptedSocket(lambda s: [OSError(errno.ENOBUFS, "full")]) for _time in range(11)]
    with pytest.raises(DumpInterrupted):
        connect(*links).dump(KIND, b"")
    assert [link.closed for link in links] == [True] * 10 + [False]


@pytest.mark.parametrize(
    "answer",
    [
        lambda s: [acknowledgement(s, errno.ENODEV)],
        lambda s: [part(s, b"old "), done(s, errno.ENODEV)],
        lambda s: [part(s, b"old ", nl.NLM_F_DUMP_INTR), done(s, errno.ENODEV)],
    ],
    ids=["at once", "at the end", "at the end of an interrupted one"],
)
def test_a_dump_that_fails_is_an_error(connect: Connect, answer: Answer) -> None:
    with pytest.raises(NetlinkError) as caught:
        connect(ScriptedSocket(answer)).dump(KIND, b"")
    assert caught.value.errno == errno.ENODEV


@pytest.mark.parametrize("ask", ["request", "dump"])
def test_a_truncated_datagram_is_an_error(connect: Connect, ask: str) -> None:
    link = ScriptedSocket(lambda s: [(part(s, b"some"), socket.MSG_TRUNC), done(s), acknowledgement(s)])
    with pytest.raises(MalformedMessage, match="larger than"):
        getattr(connect(link), ask)(KIND, b"")


@pytest.mark.parametrize("ask", ["request", "dump"])
def test_a_truncated_datagram_is_refused(connect: Connect, ask: str) -> None:
    whole_datagram = part(1, b"some")
    for cut in range(1, len(whole_datagram)):
        link = ScriptedSocket(lambda s, cut=cut: [whole_datagram[:cut], done(s), acknowledgement(s)])  # type: ignore[misc]
        with pytest.raises(MalformedMessage):
            getattr(connect(link), ask)(KIND, b"")


@pytest.mark.parametrize("ask", ["request", "dump"])
def test_other_errors_of_the_socket_are_raised(connect: Connect, ask: str) -> None:
    for raised in (OSError(errno.EIO, "broken"), TimeoutError("late")):
        link = ScriptedSocket(lambda s, raised=raised: [part(s, b"some"), raised])  # type: ignore[misc]
        with pytest.raises(type(raised)):
            getattr(connect(link), ask)(KIND, b"")


def test_a_dump_without_an_end_is_an_error(connect: Connect) -> None:
    with pytest.raises(TimeoutError):
        connect(ScriptedSocket(lambda s: [part(s, b"some")])).dump(KIND, b"")


def test_a_connection_closes_its_socket(connect: Connect) -> None:
    link = ScriptedSocket()
    with connect(link):
        assert not link.closed
    assert link.closed


class _OptionSocket:
    """Replaces the socket of _open(); refuses some options as an old kernel does."""

    def __init__(self, missing: dict[int, int]) -> None:
        self.missing = missing
        self.options: list[tuple[int, int]] = []
        self.closed = False

    def settimeout(self, _seconds: float) -> None: ...

    def setsockopt(self, level: int, option: int, value: int) -> None:
        if level == room.SOL_NETLINK and option in self.missing:
            raise OSError(self.missing[option], "option")
        self.options.append((level, option))

    def bind(self, _address: tuple[int, int]) -> None: ...

    def connect(self, _address: tuple[int, int]) -> None: ...

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("strict", [True, False])
def test_strict_checking_is_requested_if_wanted(monkeypatch: pytest.MonkeyPatch, strict: bool) -> None:
    link = _OptionSocket({})
    monkeypatch.setattr(room.socket, "socket", lambda *_arguments: link)
    Connection(0, strict=strict)
    netlink = [option for level, option in link.options if level == room.SOL_NETLINK]
    assert (room.NETLINK_GET_STRICT_CHK in netlink) == strict
    assert {room.NETLINK_CAP_ACK, room.NETLINK_EXT_ACK} <= set(netlink)


def test_a_kernel_without_newer_socket_options_works(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = dict.fromkeys((room.NETLINK_EXT_ACK, room.NETLINK_GET_STRICT_CHK), errno.ENOPROTOOPT)
    link = _OptionSocket(missing)
    monkeypatch.setattr(room.socket, "socket", lambda *_arguments: link)
    Connection(0, strict=True)
    assert not link.closed


def test_a_socket_that_cannot_be_set_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    link = _OptionSocket({room.NETLINK_CAP_ACK: errno.EPERM})
    monkeypatch.setattr(room.socket, "socket", lambda *_arguments: link)
    with pytest.raises(PermissionError):
        Connection(0)
    assert link.closed
