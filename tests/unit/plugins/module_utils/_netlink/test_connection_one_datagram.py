# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several requests in one datagram: answers are matched to their requests, and foreign ones are dropped."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import connection as nlc
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl

from .scripted_socket import acknowledgement


class Answering:
    """A socket that receives one datagram, and answers its requests with these codes."""

    def __init__(self, *codes: int) -> None:
        self.codes, self.datagrams, self.queue = codes, 0, [acknowledgement(99, 1)]
        self.taken: list[nl.Message] = []

    def sendall(self, datagram: bytes) -> None:
        self.datagrams += 1
        self.taken = list(nl.messages(datagram))
        self.queue += [
            acknowledgement(message.sequence, code, "why" if code else "")
            for message, code in zip(self.taken, self.codes)
        ]

    def recvmsg(self, _size: int) -> tuple[bytes, list[Any], int, None]:
        return self.queue.pop(0), [], 0, None

    def close(self) -> None:
        pass


def test_replies_are_matched_to_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Answering(0, 2, 17)
    monkeypatch.setattr(nlc, "_open", lambda *_arguments: link)
    with nlc.Connection(6) as connection:
        answers = connection.one_datagram([(16, b"abcde", 0x400), (17, b"", 0), (18, b"1234", 0)])
    assert [answer and answer.errno for answer in answers] == [None, 2, 17]
    assert answers[1] is not None and answers[1].explanation == "why"
    assert link.datagrams == 1
    assert [(message.type, message.payload) for message in link.taken] == [(16, b"abcde"), (17, b""), (18, b"1234")]
    assert {message.flags & 5 for message in link.taken} == {5}
