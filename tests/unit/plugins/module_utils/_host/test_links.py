# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: read over a scripted connection."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import links
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import Link
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.messages import NetlinkError

from .scripted import ScriptedConnection


def described(*attributes: bytes, flags: int = 1) -> bytes:
    return struct.pack("=BxHiII", 0, 65534, 7, flags, 0) + b"".join((nl.text(3, "wg0"), *attributes))


MTU = nl.attribute(4, struct.pack("=I", 1420))


def test_a_link_is_read() -> None:
    kind, alias = nl.nested(18, nl.attribute(1, b"wireguard")), nl.text(20, links.OWNER_ALIAS)
    link = links.read(ScriptedConnection([described(MTU, kind, alias)]), "wg0")
    assert link == Link("wg0", links.WIREGUARD, 1420, True, links.OWNER_ALIAS)
    assert link.index == 7
    assert link.is_ours


def test_a_foreign_link_is_not_managed() -> None:
    link = links.read(ScriptedConnection([described(MTU)]), "wg0")
    assert link is not None
    assert not link.is_ours


def test_a_missing_link_is_none_and_a_failure_an_error() -> None:
    assert links.read(ScriptedConnection(NetlinkError(19)), "wg0") is None
    with pytest.raises(NetlinkError):
        links.read(ScriptedConnection(NetlinkError(1)), "wg0")
