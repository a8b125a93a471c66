# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threaded NAPI: when it is set, why it is not, and how files of an interface's directory in /sys are read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import threaded_napi
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import TUN, WIREGUARD, Link
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.diff import describe
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.differences import differences
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current

from .._interface.predicted import again, converged, mesh, wanted_peer

BETA = wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32")


def standing(value: bool | None, *, kind: str = WIREGUARD, peers: bool = True) -> Current:
    """Return a host with an interface that differs only in this setting."""
    current = converged(mesh(*[BETA] * peers))
    assert current.link is not None
    return replace(current, link=replace(current.link, kind=kind, threaded_napi=value))


@pytest.mark.parametrize("now", [True, False])
@pytest.mark.parametrize("wanted", [True, False, None])
def test_threaded_napi_is_set_if_it_differs(now: bool, wanted: bool | None) -> None:
    made = again(standing(now), mesh(BETA, threaded_napi=wanted))
    if wanted in (None, now):
        assert not made
    else:
        assert differences(made) == [f"interface update (threaded_napi {now} to {wanted})"]
        shown = describe(made, lambda _key: "")[0]
        assert shown.before["interface"]["threaded_napi"] is now
        assert shown.after["interface"]["threaded_napi"] is wanted


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (standing(None, kind=TUN), "wireguard-go does not use NAPI"),
        (standing(None), "needs Linux 5.12"),
        (standing(False, peers=False), "only where there is a peer"),
    ],
)
def test_threaded_napi_is_unchanged_if_it_cannot_be_set(current: Current, reason: str) -> None:
    has_peers = bool(current.device and current.device.peers)
    assert not again(current, mesh(*[BETA] * has_peers, threaded_napi=True))
    assert current.link is not None
    assert reason in threaded_napi.obstacle(current.link, has_peers=has_peers)


def test_threaded_napi_is_set_with_the_first_peer() -> None:
    made = again(standing(False, peers=False), mesh(BETA, threaded_napi=True))
    assert "interface update (threaded_napi False to True)" in differences(made)
    fresh = again(Current(), mesh(BETA, threaded_napi=False))
    assert fresh.link[0].after is not None and fresh.link[0].after.threaded_napi is False
    bare = again(Current(), mesh(threaded_napi=False))
    assert bare.link[0].after is not None and bare.link[0].after.threaded_napi is None


def test_files_of_sys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded_napi, "_DIRECTORY", f"{tmp_path}/")
    assert threaded_napi.read("wg0", 7) is None
    (tmp_path / "wg0").mkdir()
    (tmp_path / "wg0/ifindex").write_text("7\n")
    assert threaded_napi.read("wg0", 7) is None, "an old kernel"
    for text, value in (("0", False), ("1", True), ("2", True)):
        (tmp_path / "wg0/threaded").write_text(text + "\n")
        assert threaded_napi.read("wg0", 7) is value
    assert threaded_napi.read("wg0", 8) is None, "of another network namespace"
    threaded_napi.write("wg0", False)
    assert (tmp_path / "wg0/threaded").read_text() == "0\n"
    with pytest.raises(OSError, match="wg1/threaded"):
        threaded_napi.write("wg1", True)


def test_a_link_without_a_wanted_value_does_not_show_it() -> None:
    assert "threaded_napi" not in Link("wg0", WIREGUARD, 1420, True, None, 7).describe()
