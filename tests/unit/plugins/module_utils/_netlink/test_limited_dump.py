# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of a dump over a scripted socket: no more than asked for, and the socket is closed."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import connection as room
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import limited_dump
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError

from .scripted_socket import Answer, ScriptedSocket, acknowledgement, done, part


def scripted(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> ScriptedSocket:
    link = ScriptedSocket(answer)
    monkeypatch.setattr(room, "_open", lambda _family, _strict: link)
    return link


@pytest.mark.parametrize(("limit", "expected"), [(1, 1), (2, 2), (3, 3), (4, 3)])
def test_the_start(monkeypatch: pytest.MonkeyPatch, limit: int, expected: int) -> None:
    parts = [b"one ", b"two ", b"three   "]
    link = scripted(monkeypatch, lambda s: [part(s, parts[0]) + part(s, parts[1]), part(s, parts[2]), done(s)])
    assert limited_dump.routes(b"", limit) == parts[:expected]
    assert link.closed


def test_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    link = scripted(monkeypatch, lambda s: [acknowledgement(s, errno.ENOENT)])
    with pytest.raises(NetlinkError) as caught:
        limited_dump.routes(b"", 3)
    assert caught.value.errno == errno.ENOENT and link.closed


def test_a_dump_of_a_changing_table_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, lambda s: [part(s, b"one "), done(s, errno.EINTR)])
    assert limited_dump.routes(b"", 3) == [b"one "]
