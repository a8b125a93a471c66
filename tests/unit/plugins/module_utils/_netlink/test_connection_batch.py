# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many requests in a datagram: the bytes sent, and the match of refusals and requests."""

from __future__ import annotations

import errno
from collections import deque

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import connection as room
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import Connection

from .scripted_socket import acknowledgement

KIND = 24


class _Kernel:
    """Answers as netlink_rcv_skb does: refusals always, acknowledgements if requested."""

    def __init__(self, refused: dict[bytes, int]) -> None:
        self.refused = refused
        self.datagrams: list[list[nl.Message]] = []
        self._answers: deque[bytes] = deque()

    def sendall(self, datagram: bytes) -> None:
        requests = list(nl.messages(datagram))
        self.datagrams.append(requests)
        for request in requests:
            code = self.refused.get(request.payload, 0)
            if code or request.flags & nl.NLM_F_ACK:
                self._answers.append(acknowledgement(request.sequence, code, "no such thing" if code else ""))

    def recvmsg(self, _size: int) -> tuple[bytes, list[object], int, object]:
        if not self._answers:
            raise TimeoutError("nothing more comes")
        return self._answers.popleft(), [], 0, (0, 0)

    def close(self) -> None: ...


def batch(monkeypatch: pytest.MonkeyPatch, count: int, *refused: int) -> tuple[dict[int, nl.NetlinkError], _Kernel]:
    payloads = [number.to_bytes(4, "big") for number in range(count)]
    kernel = _Kernel({payloads[position]: errno.EEXIST for position in refused})
    monkeypatch.setattr(room, "_open", lambda _family, _strict: kernel)
    return Connection(0).batch(KIND, nl.NLM_F_CREATE, payloads), kernel


def test_a_thousand_requests_are_five_datagrams_with_one_acknowledgement_each(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, kernel = batch(monkeypatch, 1000)
    assert refusals == {}
    assert [len(requests) for requests in kernel.datagrams] == [200] * 5
    sent = [request for requests in kernel.datagrams for request in requests]
    assert [request.payload for request in sent] == [number.to_bytes(4, "big") for number in range(1000)]
    assert len({request.sequence for request in sent}) == 1000
    for requests in kernel.datagrams:
        assert [bool(request.flags & nl.NLM_F_ACK) for request in requests] == [False] * 199 + [True]


@pytest.mark.parametrize("refused", [(0,), (199,), (3, 7), (0, 199), (5, 6, 198, 199)])
def test_refusals_are_matched_by_position(monkeypatch: pytest.MonkeyPatch, refused: tuple[int, ...]) -> None:
    refusals, kernel = batch(monkeypatch, 200, *refused)
    assert sorted(refusals) == list(refused)
    assert {refusal.explanation for refusal in refusals.values()} == {"no such thing"}
    assert len(kernel.datagrams) == 1


def test_sending_stops_after_a_datagram_with_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, kernel = batch(monkeypatch, 1000, 250, 260, 900)
    assert sorted(refusals) == [250, 260]
    assert len(kernel.datagrams) == 2


def test_an_empty_batch_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch(monkeypatch, 0)[1].datagrams == []
