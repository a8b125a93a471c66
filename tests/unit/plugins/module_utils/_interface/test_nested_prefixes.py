# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allowed IPs of one peer inside those of another."""

from __future__ import annotations

import ipaddress
from itertools import permutations

from ansible_collections.wirewright.overlay.plugins.module_utils._interface.nested_prefixes import nested
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import encode_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key


def warnings(*allowed: list[str]) -> list[str]:
    """Return the warnings about peers with these allowed IPs, named a, b and so on."""
    peers = tuple(
        WantedPeer(Peer(key(number), allowed_ips=frozenset(map(parse_prefix, texts))), name=chr(ord("a") + number))
        for number, texts in enumerate(allowed)
    )
    wanted = WantedInterface("wg0", private_key_file="/k", peers=peers)
    return nested(wanted, Current(), plan(Current(), wanted, key(99)))


def test_the_nearest_network_around_is_named() -> None:
    said = warnings(["10.0.0.0/8"], ["10.1.0.0/16"], ["10.1.2.0/24"], ["10.2.0.0/16"])
    assert said == [
        "wg0: 10.0.0.0/8 of a contains 10.1.0.0/16 of b, 10.2.0.0/16 of d; the longer prefix wins",
        "wg0: 10.1.0.0/16 of b contains 10.1.2.0/24 of c; the longer prefix wins",
    ]


def test_networks_of_one_peer_and_default_routes_are_no_news() -> None:
    assert warnings(["10.0.0.0/8", "10.1.0.0/16"], ["0.0.0.0/0", "::/0"], ["fd00::/8"]) == []


def test_many_peers_are_counted() -> None:
    (said,) = warnings(["10.0.0.0/8"], *([f"10.{number}.0.0/16"] for number in range(20)))
    assert said.endswith(" and those of 15 more; the longer prefix wins")


def test_a_peer_without_a_name_is_named_by_its_key() -> None:
    peers = tuple(WantedPeer(Peer(key(n), allowed_ips=frozenset({parse_prefix(f"10.0.0.0/{8 + n}")}))) for n in (1, 2))
    wanted = WantedInterface("wg0", private_key_file="/k", peers=peers)
    (said,) = nested(wanted, Current(), plan(Current(), wanted, key(99)))
    assert encode_key(key(1)) in said and encode_key(key(2)) in said


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(25, 32)), min_size=1, max_size=5, unique=True))
def test_there_is_a_warning_if_networks_of_two_peers_are_nested(found: list[tuple[int, int]]) -> None:
    networks = list(dict.fromkeys(ipaddress.ip_network((0x0A000000 + (a << 4), b), strict=False) for a, b in found))
    nests = any(one != other and one.subnet_of(other) for one, other in permutations(networks, 2))  # type: ignore[arg-type]
    assert bool(warnings(*([str(network)] for network in networks))) is nests
