# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, prefixes and peers for the tests of these rooms, and the Hypothesis strategies that make them."""

from __future__ import annotations

import hashlib
import socket

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, masked
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, encode_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer
from hypothesis import strategies as st


def key(number: int) -> bytes:
    """Return the raw key with this number: any 32 bytes are a public key, bar the few of low order."""
    return hashlib.sha256(f"key {number}".encode()).digest()


def key_text(number: int) -> str:
    """Return the base64 form of a numbered key."""
    return encode_key(key(number))


def prefix4(number: int, length: int = 32) -> Prefix:
    """Return a network inside 10.0.0.0/8."""
    return Prefix(socket.AF_INET, masked((10 << 24 | number).to_bytes(4, "big"), length), length)


def prefix6(number: int, length: int = 128) -> Prefix:
    """Return a network inside fd00::/8."""
    return Prefix(socket.AF_INET6, masked((0xFD << 120 | number).to_bytes(16, "big"), length), length)


keys = st.binary(min_size=32, max_size=32)

prefixes = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
        lambda drawn: Prefix(socket.AF_INET, masked(drawn[0].to_bytes(4, "big"), drawn[1]), drawn[1])
    ),
    st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 128)).map(
        lambda drawn: Prefix(socket.AF_INET6, masked(drawn[0].to_bytes(16, "big"), drawn[1]), drawn[1])
    ),
)

endpoints = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(1, 65535)).map(lambda drawn: Endpoint(str(drawn[0]), drawn[1])),
    st.tuples(st.binary(min_size=16, max_size=16), st.integers(1, 65535)).map(
        lambda drawn: Endpoint(socket.inet_ntop(socket.AF_INET6, drawn[0]), drawn[1])
    ),
)

# Few keys and few prefixes, so that peers meet, swap and steal.
_FEW_KEYS = [key(number) for number in range(4)]
_FEW_PREFIXES = [prefix4(1), prefix4(2), prefix4(0, 8), prefix6(1), prefix6(0, 64)]
_FEW_ENDPOINTS = [Endpoint("192.0.2.1", 1), Endpoint("192.0.2.1", 2), Endpoint("2001:db8::1", 1)]
_PRESHARED_KEYS = [ZERO, key(100), key(101)]


@st.composite
def peer_sets(draw: st.DrawFn, *, wanted: bool) -> list[Peer]:
    """Draw the peers of one device: no key twice, no prefix twice; wanted ones may leave anything open."""

    def maybe(choices: list) -> st.SearchStrategy:  # type: ignore[type-arg]
        return st.sampled_from([*choices, None] if wanted else choices)

    chosen = draw(st.lists(st.sampled_from(_FEW_KEYS), unique=True))
    owners = draw(st.lists(st.integers(-1, len(chosen) - 1), min_size=5, max_size=5))
    peers = []
    for position, public_key in enumerate(chosen):
        owned = frozenset(prefix for prefix, owner in zip(_FEW_PREFIXES, owners) if owner == position)
        peers.append(
            Peer(
                public_key,
                draw(maybe(_PRESHARED_KEYS)),
                draw(st.sampled_from([*_FEW_ENDPOINTS, None])),
                draw(maybe([0, 1, 25])),
                None if wanted and not owned and draw(st.booleans()) else owned,
            )
        )
    return peers
