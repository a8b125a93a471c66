# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, when it is right: every field arrives, and what is left open stays open."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import (
    WantedInterface,
    WantedPeer,
    parse_document,
    parse_module_interface,
    parse_module_peers,
)
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.model import Peer

from ..samples import key, key_text

OPTIONS: dict[str, Any] = dict.fromkeys(
    ("threaded_napi", "private_key_file", "listen_port", "fwmark", "mtu", "addresses", "up"), None
)


def test_a_whole_document_arrives() -> None:
    interface = {
        "name": "wg0",
        "private_key_file": "/etc/wireguard/other.key",
        "listen_port": "51820",
        "fwmark": "0x10",
        "mtu": 1420,
        "addresses": ["10.42.0.1/24", "fd42::1/64"],
        "up": False,
        "peers": [
            {
                "public_key": key_text(1),
                "name": "beta",
                "endpoint": "vpn.example.org:51820",
                "allowed_ips": ["10.42.0.2"],
                "persistent_keepalive": 25,
                "addresses": ["10.42.0.2"],
            },
            {"public_key": key_text(2)},
        ],
        "purge": True,
        "routes": False,
        "userspace": True,
        "adopt": True,
        "persistence": "wg_quick",
        "inventory_name": "alpha",
        "unknown_peers": ["gamma"],
        "revoked": {key_text(9): "delta"},
        "sysctls": {"net.ipv4.ip_forward": 1},
        "allow_mass_removal": True,
    }
    (wanted,) = parse_document([interface], {"wg0": {key_text(1): key_text(100), key_text(8): key_text(101)}})
    beta = Peer(key(1), key(100), None, 25, frozenset({parse_prefix("10.42.0.2")}))
    assert wanted == WantedInterface(
        name="wg0",
        private_key_file="/etc/wireguard/other.key",
        listen_port=51820,
        fwmark=16,
        mtu=1420,
        addresses=(parse_address("10.42.0.1/24"), parse_address("fd42::1/64")),
        up=False,
        peers=(
            WantedPeer(beta, Endpoint("vpn.example.org", 51820), "beta", ("10.42.0.2",)),
            WantedPeer(Peer(key(2), ZERO)),
        ),
        purge=True,
        routes=False,
        userspace=True,
        adopt=True,
        persistence="wg_quick",
        inventory_name="alpha",
        unknown_peers=frozenset({"gamma"}),
        revoked={key_text(9): "delta"},
        sysctls=(Sysctl("net/ipv4/ip_forward", "1"),),
        allow_mass_removal=True,
    )


def test_a_document_of_a_name_leaves_the_rest_alone() -> None:
    (wanted,) = parse_document([{"name": "wg0"}], {})
    assert wanted == WantedInterface("wg0", private_key_file="/etc/wireguard/wg0.key", routes=True)
    assert (wanted.owns, wanted.creates, wanted.remembers, wanted.up) == (True, True, True, True)


def test_an_inventory_that_names_no_preshared_key_means_none() -> None:
    (wanted,) = parse_document([{"name": "wg0", "peers": [{"public_key": key_text(1)}]}], {})
    assert wanted.peers is not None
    assert wanted.peers[0].peer.preshared_key == ZERO


def test_an_empty_list_clears_and_a_missing_one_does_not() -> None:
    peers = [{"public_key": key_text(1), "allowed_ips": []}, {"public_key": key_text(2)}]
    (wanted,) = parse_document([{"name": "wg0", "addresses": [], "peers": peers}], {})
    assert wanted.addresses == ()
    assert [item.peer.allowed_ips for item in wanted.peers or ()] == [frozenset(), None]


@pytest.mark.parametrize(("remove", "path"), [(True, "/etc/wireguard/wg0.key"), (False, None)])
def test_an_absent_interface_names_its_key_only_where_it_is_to_go(remove: bool, path: str | None) -> None:
    (wanted,) = parse_document([{"name": "wg0", "state": "absent", "remove_private_key": remove}], {})
    assert wanted == WantedInterface("wg0", present=False, private_key_file=path)


def test_no_interfaces_are_none() -> None:
    assert parse_document([], {}) == ()


def test_the_interface_module_neither_owns_nor_remembers() -> None:
    params = {**OPTIONS, "name": "wg0", "state": "present", "userspace": False, "listen_port": 7, "peers": "ignored"}
    assert parse_module_interface(params) == WantedInterface("wg0", up=None, listen_port=7, owns=False, remembers=False)


def test_the_interface_module_refuses_what_a_document_would() -> None:
    params = {**OPTIONS, "name": "wg0", "state": "present", "userspace": False, "listen_port": -1, "mtu": 1}
    with pytest.raises(InvalidOptions) as caught:
        parse_module_interface(params)
    assert len(caught.value.errors) == 2


def test_the_peer_module_leaves_open_what_is_not_given() -> None:
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


def test_no_text_form_shows_a_preshared_key() -> None:
    raws = [{"public_key": key_text(1), "preshared_key": key_text(100)}]
    shown = repr(parse_module_peers("wg0", raws, purge=False))
    assert key_text(100) not in shown
    assert repr(key(100)) not in shown
