# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of wg_interface and wg_peer: those that are not given change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.module_options import (
    parse_module_interface,
    parse_module_peers,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer

from ..samples import key, key_text

OPTIONS: dict[str, Any] = dict.fromkeys(
    ("threaded_napi", "private_key_file", "listen_port", "fwmark", "mtu", "addresses", "up"), None
)


def test_wg_interface_sets_no_alias_and_stores_no_state() -> None:
    params = {
        **OPTIONS,
        "interface": "wg0",
        "state": "present",
        "userspace": False,
        "listen_port": 7,
        "peers": "ignored",
    }
    assert parse_module_interface(params) == WantedInterface("wg0", up=None, listen_port=7, owns=False, remembers=False)


def test_wg_interface_refuses_invalid_values() -> None:
    params = {**OPTIONS, "interface": "wg0", "state": "present", "userspace": False, "listen_port": -1, "mtu": 1}
    with pytest.raises(InvalidOptions) as caught:
        parse_module_interface(params)
    assert len(caught.value.errors) == 2


def test_wg_interface_names_the_option_of_an_invalid_name() -> None:
    params = {**OPTIONS, "interface": "a/b", "state": "present", "userspace": False}
    with pytest.raises(InvalidOptions, match=r"^interface: 'a/b' cannot name an interface"):
        parse_module_interface(params)


def test_wg_peer_does_not_change_options_that_are_not_given() -> None:
    raws = [
        {"public_key": key_text(1), "state": "present", "preshared_key": None, "allowed_ips": None, "endpoint": None},
        {"public_key": key_text(2), "preshared_key": "", "allowed_ips": [], "persistent_keepalive": 0},
        {"public_key": key_text(3), "state": "absent"},
    ]
    wanted = parse_module_peers("wg0", raws, purge=True)
    assert wanted.peers == (
        WantedPeer(Peer(key(1))),
        WantedPeer(Peer(key(2), ZERO, None, 0, frozenset())),
    )
    assert (wanted.absent_peers, wanted.purge) == ((key(3),), True)
    assert (wanted.owns, wanted.creates, wanted.up, wanted.private_key_file) == (False, False, None, None)


def test_repr_contains_no_preshared_key() -> None:
    raws = [{"public_key": key_text(1), "preshared_key": key_text(100)}]
    shown = repr(parse_module_peers("wg0", raws, purge=False))
    assert key_text(100) not in shown
    assert repr(key(100)) not in shown
