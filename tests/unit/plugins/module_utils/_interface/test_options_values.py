# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid options: every field is parsed, and fields that are not given stay open."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import (
    WantedInterface,
    WantedPeer,
    parse_document,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer

from ..samples import key, key_text


def test_every_field_of_a_document_is_parsed() -> None:
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


def test_a_document_with_a_name_only_changes_nothing_else() -> None:
    (wanted,) = parse_document([{"name": "wg0"}], {})
    assert wanted == WantedInterface("wg0", private_key_file="/etc/wireguard/wg0.key", routes=True)
    assert (wanted.owns, wanted.creates, wanted.remembers, wanted.up) == (True, True, True, True)


def test_a_peer_without_a_preshared_key_clears_it() -> None:
    (wanted,) = parse_document([{"name": "wg0", "peers": [{"public_key": key_text(1)}]}], {})
    assert wanted.peers is not None
    assert wanted.peers[0].peer.preshared_key == ZERO


def test_an_empty_list_clears_and_a_missing_one_does_not_change() -> None:
    peers = [{"public_key": key_text(1), "allowed_ips": []}, {"public_key": key_text(2)}]
    (wanted,) = parse_document([{"name": "wg0", "addresses": [], "peers": peers}], {})
    assert wanted.addresses == ()
    assert [item.peer.allowed_ips for item in wanted.peers or ()] == [frozenset(), None]


@pytest.mark.parametrize(("remove", "path"), [(True, "/etc/wireguard/wg0.key"), (False, None)])
def test_an_absent_interface_has_a_key_file_only_to_remove_it(remove: bool, path: str | None) -> None:
    (wanted,) = parse_document([{"name": "wg0", "state": "absent", "remove_private_key": remove}], {})
    assert wanted == WantedInterface("wg0", present=False, private_key_file=path)


def test_no_interfaces_are_none() -> None:
    assert parse_document([], {}) == ()
