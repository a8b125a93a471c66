# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of probe_info: parsing, and all errors at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.options import Wanted, parse
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import encode_key

ALPHA, BETA = b"a" * 32, b"b" * 32


def options(**more: Any) -> dict[str, Any]:
    base = {
        "interface": "wg0",
        "peers": None,
        "mtu": None,
        "path_mtu": True,
        "deadline": 10.0,
        "wait": False,
        "handshake": False,
    }
    return {**base, **more}


def peer_options(**more: Any) -> dict[str, Any]:
    return {"public_key": encode_key(ALPHA), "name": None, "addresses": None, "mtu": None, **more}


def test_default_is_all_peers_and_the_mtu_of_the_interface() -> None:
    assert parse(options()) == Wanted("wg0", None, 10.0, None, True, False)


def test_options_of_a_peer() -> None:
    entry = peer_options(name="a", addresses=["10.42.0.2/24", "fd42::2"], mtu=1400)
    (read,) = parse(options(peers=[entry])).peers or ()
    assert (read.public_key, read.name, read.mtu) == (ALPHA, "a", 1400)
    assert [str(address) for address in read.addresses] == ["10.42.0.2/24", "fd42::2/128"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"interface": ""}, "interface: ''"),
        ({"interface": "a/b"}, "interface: 'a/b'"),
        ({"interface": ".."}, "interface: '..'"),
        ({"interface": "sixteen-letters-"}, "interface: 'sixteen-letters-'"),
        ({"deadline": 0.5}, "deadline: 0.5 is not within 1 and 600 seconds"),
        ({"deadline": float("nan")}, "deadline: nan"),
        ({"deadline": float("inf")}, "deadline: inf"),
        ({"mtu": 575}, "mtu: 575 is not within 576 and 65535"),
        ({"mtu": 65536}, "mtu: 65536 is not within"),
        ({"mtu": 1400, "path_mtu": False}, "path_mtu: false excludes mtu"),
        ({"mtu": 1400, "handshake": True}, "handshake: true excludes mtu"),
        ({"peers": [peer_options(mtu=1400)], "path_mtu": False}, "path_mtu: false excludes mtu"),
        ({"peers": [peer_options(mtu=1279, addresses=["fd42::2"])]}, "peers[0].mtu: 1279 is not within 1280 and"),
        ({"peers": [peer_options(public_key="x")]}, "peers[0].public_key: a WireGuard key is 44 characters"),
        ({"peers": [peer_options(addresses=["10.42.0"])]}, "peers[0].addresses[0]: '10.42.0' is not an IPv4"),
        ({"peers": [peer_options(addresses=["224.0.0.1"])]}, "peers[0].addresses[0]: '224.0.0.1' is a multicast"),
        (
            {"peers": [peer_options(addresses=["10.42.0.2", "10.42.0.2/24"])]},
            "peers[0].addresses: 10.42.0.2 is in peers[0] already",
        ),
        (
            {
                "peers": [
                    peer_options(addresses=["10.42.0.2"]),
                    peer_options(addresses=["10.42.0.2"], public_key=encode_key(BETA)),
                ]
            },
            "peers[1].addresses: 10.42.0.2 is in peers[0] already",
        ),
        ({"peers": [peer_options(), peer_options()]}, "peers[1].public_key: peers[0] has the same; give addresses"),
    ],
)
def test_invalid_option_is_named(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidOptions) as refused:
        parse(options(**wrong))
    (error,) = refused.value.errors
    assert words in error


def test_one_peer_may_have_two_entries_with_addresses() -> None:
    entries = [peer_options(addresses=["10.42.0.1"]), peer_options(addresses=["10.42.0.3"], name="gamma")]
    assert len(parse(options(peers=entries)).peers or ()) == 2


def test_all_errors_are_reported_at_once_without_keys() -> None:
    with pytest.raises(InvalidOptions) as refused:
        parse(options(interface="", deadline=0, mtu=1, peers=[peer_options(public_key="secret"), peer_options(mtu=1)]))
    assert len(refused.value.errors) == 5
    assert "secret" not in str(refused.value)


def test_peers_are_grouped_by_interface() -> None:
    peers = [
        {"public_key": encode_key(ALPHA), "interface": "wg0"},
        {"public_key": encode_key(BETA), "interface": "wg1"},
        {"public_key": encode_key(b"c" * 32), "interface": "wg0"},
    ]
    parts = parse(options(interface=None, peers=peers, deadline=20.0)).by_interface()
    assert [(part.interface, part.deadline) for part in parts] == [("wg0", 20.0), ("wg1", 20.0)]
    assert [[peer.public_key for peer in part.peers or ()] for part in parts] == [[ALPHA, b"c" * 32], [BETA]]
    assert [part.peers for part in parse(options()).by_interface()] == [None]
    assert [part.peers for part in parse(options(peers=[])).by_interface()] == [()]


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        (None, "interface: missing"),
        ([{"public_key": encode_key(ALPHA)}], "interface: missing"),
        (
            [{"public_key": encode_key(ALPHA), "interface": "wg/0"}],
            "peers[0].interface: 'wg/0' is not an interface name",
        ),
    ],
)
def test_missing_and_invalid_interfaces_are_refused(peers: Any, expected: str) -> None:
    with pytest.raises(InvalidOptions, match=re.escape(expected)):
        parse(options(interface=None, peers=peers))
