# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, device and state file give the peers to probe."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.options import Wanted, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.targets import (
    cryptokey_routing,
    own_addresses,
    targets,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import encode_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer, StateFile
from hypothesis import given
from hypothesis import strategies as st

PRIVATE, PRESHARED = bytes(range(32)), bytes(range(32, 64))
ALPHA, BETA = b"a" * 32, b"b" * 32


def peer(key: bytes, *allowed_ips: str) -> Peer:
    return Peer(key, PRESHARED, None, 0, frozenset(map(parse_prefix, allowed_ips)))


def device(*peers: Peer) -> Device:
    return Device("wg0", Settings(PRIVATE, 51820, 0), b"c" * 32, peers)


def texts(hosts: tuple[Prefix, ...]) -> list[str]:
    return [str(host) for host in hosts]


@pytest.mark.parametrize(
    ("allowed_ips", "known", "expected"),
    [
        (["10.42.0.2/32", "fd42::2/128", "10.9.0.0/16"], [], ["10.42.0.2/32", "fd42::2/128"]),
        (["10.42.0.9/32", "10.42.0.2/32"], [], ["10.42.0.2/32"]),
        (["10.42.0.9/32", "10.42.0.2/32"], ["10.42.0.9"], ["10.42.0.9/32"]),
        (["10.42.0.0/24"], ["10.42.0.1", "10.43.0.1", "broken"], ["10.42.0.1/32"]),
        (["10.42.0.2/32"], ["10.43.0.1"], ["10.42.0.2/32"]),
        (["10.42.0.0/24"], [], []),
        ([], ["10.42.0.1"], []),
    ],
)
def test_addresses_of_a_peer(allowed_ips: list[str], known: list[str], expected: list[str]) -> None:
    assert texts(own_addresses(peer(ALPHA, *allowed_ips), known)) == expected


def test_names_and_endpoints_come_from_the_state_file() -> None:
    known = StateFile(
        peers={
            encode_key(ALPHA): KnownPeer("zeta", ("10.42.0.2",), "vpn.example.org:51820"),
            encode_key(BETA): KnownPeer("beta", ("10.42.0.3",), "192.0.2.3:51820"),
        }
    )
    found = targets(Wanted("wg0"), device(peer(ALPHA, "10.42.0.2/32"), peer(BETA, "10.42.0.3/32")), known, 1420)
    assert [(one.name, one.wanted_endpoint, one.wanted) for one in found] == [
        ("beta", "", 1420),
        ("zeta", "vpn.example.org:51820", 1420),
    ]


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        (Wanted("wg0", (WantedPeer(ALPHA, mtu=1300),), mtu=1400), 1300),
        (Wanted("wg0", (WantedPeer(ALPHA),), mtu=1400), 1400),
        (Wanted("wg0", (WantedPeer(ALPHA),)), 1420),
        (Wanted("wg0", (WantedPeer(ALPHA),), path_mtu=False), None),
    ],
)
def test_wanted_size(wanted: Wanted, size: int | None) -> None:
    (found,) = targets(wanted, device(peer(ALPHA)), StateFile(), 1420)
    assert found.wanted == size


def test_peer_missing_on_the_device_is_a_target() -> None:
    (found,) = targets(Wanted("wg0", (WantedPeer(BETA, "lost"),)), device(peer(ALPHA)), StateFile(), 1420)
    assert (found.label, found.addresses) == ("lost", ())


HOSTS = st.binary(min_size=4, max_size=4)
NETWORKS = st.builds(
    lambda packed, length: Prefix(
        2, (int.from_bytes(packed, "big") >> 32 - length << 32 - length).to_bytes(4, "big"), length
    ),
    HOSTS,
    st.integers(1, 32),
)


@given(st.dictionaries(NETWORKS, st.sampled_from([ALPHA, BETA]), max_size=20), HOSTS)
def test_cryptokey_routing_takes_the_longest_prefix(table: dict[Prefix, bytes], packed: bytes) -> None:
    peers = [Peer(key, allowed_ips=frozenset(net for net in table if table[net] == key)) for key in (ALPHA, BETA)]
    host = Prefix(2, packed, 32)
    holding = [network for network in table if network.contains(host)]
    expected = table[max(holding, key=lambda network: network.length)] if holding else None
    assert cryptokey_routing(device(*peers))(host) == expected
