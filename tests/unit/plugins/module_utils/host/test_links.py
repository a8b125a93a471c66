# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: what is read over a scripted connection, and what is asked of pyroute2."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host import links
from ansible_collections.wirewright.overlay.plugins.module_utils.host.links import Link
from ansible_collections.wirewright.overlay.plugins.module_utils.netlink import messages as nl
from ansible_collections.wirewright.overlay.plugins.module_utils.netlink.messages import NetlinkError

from .scripted import ScriptedConnection, ScriptedIpr


def described(*attributes: bytes, flags: int = 1) -> bytes:
    return struct.pack("=BxHiII", 0, 65534, 7, flags, 0) + b"".join((nl.text(3, "wg0"), *attributes))


MTU = nl.attribute(4, struct.pack("=I", 1420))


def test_a_link_is_read() -> None:
    kind, alias = nl.nested(18, nl.attribute(1, b"wireguard")), nl.text(20, links.OWNER_ALIAS)
    link = links.read(ScriptedConnection([described(MTU, kind, alias)]), "wg0")
    assert link == Link("wg0", links.WIREGUARD, 1420, True, links.OWNER_ALIAS)
    assert link.index == 7
    assert link.is_ours


def test_another_owners_link_is_not_ours() -> None:
    link = links.read(ScriptedConnection([described(MTU)]), "wg0")
    assert link is not None
    assert not link.is_ours


def test_no_link_is_none_and_a_failure_is_not() -> None:
    assert links.read(ScriptedConnection(NetlinkError(19)), "wg0") is None
    with pytest.raises(NetlinkError):
        links.read(ScriptedConnection(NetlinkError(1)), "wg0")


@pytest.mark.parametrize(
    ("after", "asked"),
    [
        (Link("wg0", "wireguard", 1420, True, "mine"), None),
        (Link("wg0", "wireguard", None, False, None), None),
        (Link("wg0", "wireguard", 1380, True, "mine"), {"index": 7, "mtu": 1380}),
        (Link("wg0", "wireguard", 1420, True, "other"), {"index": 7, "IFLA_IFALIAS": "other"}),
    ],
)
def test_only_attributes_that_differ_are_set(after: Link, asked: dict[str, object] | None) -> None:
    ipr = ScriptedIpr()
    links.update(ipr, Link("wg0", "wireguard", 1420, True, "mine", 7), after)
    assert ipr.asked == ([] if asked is None else [("link", "set", asked)])


def test_links_go_up_down_and_away() -> None:
    ipr = ScriptedIpr()
    links.set_up(ipr, 7, True)
    links.set_up(ipr, 7, False)
    links.delete(ipr, 7)
    states = [("link", "set", {"index": 7, "state": state}) for state in ("up", "down")]
    assert ipr.asked == [*states, ("link", "del", {"index": 7})]


class _Refusal(Exception):
    code = 0


@pytest.mark.parametrize(("code", "raised"), [(95, links.KindUnsupported), (1, _Refusal)])
def test_a_kind_that_the_kernel_lacks_is_said(monkeypatch: pytest.MonkeyPatch, code: int, raised: type) -> None:
    def refuse(*_arguments: object, **_attributes: object) -> None:
        error = _Refusal()
        error.code = code
        raise error

    ipr = ScriptedIpr()
    monkeypatch.setattr(ipr, "link", refuse)
    monkeypatch.setattr(links, "error_types", lambda: (_Refusal,))
    with pytest.raises(raised):
        links.create(ipr, "wg0", links.WIREGUARD)
