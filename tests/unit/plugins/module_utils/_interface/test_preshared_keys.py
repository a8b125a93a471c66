# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preshared keys that a run removes or puts off, by the names of peers."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.prepare import PreparedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO

from ..samples import key
from .predicted import again, converged, mesh, wanted_peer


def with_key(number: int, preshared_key: bytes, *, keeps: bool = False) -> WantedPeer:
    made = wanted_peer(number)
    return replace(made, peer=replace(made.peer, preshared_key=preshared_key), keeps_preshared_key=keeps)


def remarks(before: WantedInterface, wanted: WantedInterface) -> dict[str, object]:
    host = converged(before)
    own = replace(wanted, inventory_name="h0")
    found = PreparedInterface(own, again(host, own), host).details()
    del found["public_key"]
    return found


def test_peers_that_lose_or_keep_a_preshared_key_are_named() -> None:
    before = mesh(*(with_key(number, key(100)) for number in (1, 2, 3, 4)))
    wanted = mesh(with_key(1, ZERO), with_key(2, key(101)), with_key(3, ZERO, keeps=True), with_key(4, key(100)))
    assert remarks(before, wanted) == {"preshared_keys_removed": ["h1"], "preshared_keys_put_off": ["h3"]}


def test_a_first_preshared_key_is_put_off_too() -> None:
    assert remarks(mesh(with_key(1, ZERO)), mesh(with_key(1, key(100), keeps=True))) == {
        "preshared_keys_put_off": ["h1"]
    }


def test_without_a_change_there_is_no_remark() -> None:
    same = mesh(with_key(1, key(100)), with_key(2, ZERO, keeps=True))
    assert remarks(same, same) == {}
