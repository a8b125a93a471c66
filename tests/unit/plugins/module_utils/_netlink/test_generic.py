# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Families of generic netlink by name."""

from __future__ import annotations

import errno
import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import connection, generic
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.connection import Connection
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.generic import FamilyMissing, family_id
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError

from .scripted_socket import Answer, ScriptedSocket, acknowledgement, message


def ask(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> tuple[Connection, ScriptedSocket]:
    link = ScriptedSocket(answer)
    monkeypatch.setattr(connection, "_open", lambda _family, _strict: link)
    return Connection(generic.NETLINK_GENERIC), link


def test_a_family_is_requested_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = b"\1\2\0\0" + nl.text(2, "wireguard") + nl.attribute(1, struct.pack("=H", 31))
    asked, link = ask(monkeypatch, lambda s: [message(0x10, s, reply), acknowledgement(s)])
    assert family_id(asked, "wireguard") == 31
    # GENL_ID_CTRL 16, CTRL_CMD_GETFAMILY 3, version 1, CTRL_ATTR_FAMILY_NAME 2
    assert link.requests[0].type == 16
    assert link.requests[0].payload == b"\3\1\0\0" + nl.text(2, "wireguard")


def test_a_missing_family_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _link = ask(monkeypatch, lambda s: [acknowledgement(s, errno.ENOENT)])
    with pytest.raises(FamilyMissing, match="'wireguard'"):
        family_id(asked, "wireguard")


def test_another_refusal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _link = ask(monkeypatch, lambda s: [acknowledgement(s, errno.EPERM)])
    with pytest.raises(NetlinkError) as caught:
        family_id(asked, "wireguard")
    assert not isinstance(caught.value, FamilyMissing)
