# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links changed with pyroute2."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import link_changes, links, rtnetlink
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import Link

from .scripted import ScriptedIpr


@pytest.mark.parametrize(
    ("after", "requests"),
    [
        (Link("wg0", "wireguard", 1420, True, "mine"), None),
        (Link("wg0", "wireguard", None, False, None), None),
        (Link("wg0", "wireguard", 1380, True, "mine"), {"index": 7, "mtu": 1380}),
        (Link("wg0", "wireguard", 1420, True, "other"), {"index": 7, "IFLA_IFALIAS": "other"}),
    ],
)
def test_only_attributes_that_differ_are_set(after: Link, requests: dict[str, object] | None) -> None:
    ipr = ScriptedIpr()
    link_changes.update(ipr, Link("wg0", "wireguard", 1420, True, "mine", 7), after)
    assert ipr.requests == ([] if requests is None else [("link", "set", requests)])


def test_links_are_set_up_set_down_and_removed() -> None:
    ipr = ScriptedIpr()
    link_changes.set_up(ipr, 7, True)
    link_changes.set_up(ipr, 7, False)
    link_changes.delete(ipr, 7)
    states = [("link", "set", {"index": 7, "state": state}) for state in ("up", "down")]
    assert ipr.requests == [*states, ("link", "del", {"index": 7})]


class _Refusal(Exception):
    code = 0


@pytest.mark.parametrize(("code", "raised"), [(95, link_changes.KindUnsupported), (1, _Refusal)])
def test_a_kind_that_the_kernel_lacks_is_reported(monkeypatch: pytest.MonkeyPatch, code: int, raised: type) -> None:
    def refuse(*_arguments: object, **_attributes: object) -> None:
        error = _Refusal()
        error.code = code
        raise error

    ipr = ScriptedIpr()
    monkeypatch.setattr(ipr, "link", refuse)
    monkeypatch.setattr(rtnetlink, "error_types", lambda: (_Refusal,))
    with pytest.raises(raised):
        link_changes.create(ipr, "wg0", links.WIREGUARD)
