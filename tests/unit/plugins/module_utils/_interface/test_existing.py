# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs and what files say, as one interface; the fact of it is hostile input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._interface import existing
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.configured import (
    ConfiguredInterface,
    ConfiguredPeer,
    Finding,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.existing import (
    ExistingInterface,
    ExistingPeer,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, clamp, public_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key, key_text

SECRET = clamp(key(1000))
ONE, TWO = parse_address("10.0.0.1/24"), parse_address("fd00::1/64")
FIRST = frozenset({parse_prefix("10.0.0.2/32")})
RUNNING = Device(
    "wg0",
    Settings(SECRET, 51999, 0),
    public_key(SECRET),
    (Peer(key(1), key(9), Endpoint("198.51.100.7", 999), 0, FIRST),),
)
FILE = ConfiguredInterface(
    "wg0",
    "wg_quick",
    ("/etc/wireguard/wg0.conf",),
    key(1000),
    listen_port=51820,
    fwmark=5,
    mtu=1380,
    addresses=(ONE, TWO),
    peers=(
        ConfiguredPeer(key(1), "h2", Endpoint("h2.example.org", 51820), (parse_prefix("10.77.0.0/16"),), 25, key(8)),
        ConfiguredPeer(key(2), "h3"),
        ConfiguredPeer(public_key(SECRET), "h1"),
    ),
    routes=True,
)


def test_what_runs_comes_first_and_the_file_adds_to_it() -> None:
    found = existing.combine("wg0", RUNNING, [ONE], 1420, [FILE])
    assert (found.private_key, found.public_key) == (SECRET, public_key(SECRET))
    assert (found.runs, found.listen_port, found.fwmark, found.mtu, found.routes) == (True, 51999, 5, 1380, True)
    assert found.addresses == (ONE, TWO) and found.findings == ()
    second, third = sorted(found.peers, key=lambda peer: peer.name)
    assert second == ExistingPeer(
        key(1),
        "h2",
        Endpoint("h2.example.org", 51820),
        FIRST | {parse_prefix("10.77.0.0/16")},
        25,
        key(9),
        True,
        True,
    )
    assert third == ExistingPeer(key(2), "h3"), "and an entry of the host itself is none, as for the kernel"


def test_a_file_alone_and_a_device_alone() -> None:
    file = existing.combine("wg0", None, [], None, [FILE])
    assert (file.public_key, file.listen_port, file.runs) == (public_key(SECRET), 51820, False)
    device = existing.combine("wg0", RUNNING, [ONE], 1380, [])
    assert (device.method, device.mtu, device.paths) == ("", 1380, ())
    assert existing.combine("wg0", RUNNING, [ONE], 1420, []).mtu is None
    keyless = existing.combine("wg0", Device("wg0", Settings(ZERO, 0, 0), ZERO), [], 1420, [])
    assert not any(keyless.public_key)


def test_another_key_in_the_file_is_named_without_the_key() -> None:
    found = existing.combine("wg0", RUNNING, [], None, [replace(FILE, private_key=key(1001))])
    (finding,) = found.findings
    assert "restart the interface" in finding.text and key_text(1001) not in finding.text
    assert found.private_key == SECRET


def test_a_fact_has_no_secret_and_comes_back_equal() -> None:
    found = existing.combine("wg0", RUNNING, [ONE], 1420, [replace(FILE, findings=(Finding("/a", 3, "DNS"),))])
    fact = existing.to_fact(found)
    assert key_text(1000) not in str(fact) and key_text(9) not in str(fact) and key_text(8) not in str(fact)
    back = existing.from_fact("wg0", fact)
    assert [str(finding) for finding in back.findings] == [": /a, line 3: DNS"] or back.findings[
        0
    ].text == "/a, line 3: DNS"
    assert [peer.public_key for peer in found.peers] == sorted(peer.public_key for peer in found.peers)
    public = [replace(peer, preshared_key=ZERO) for peer in found.peers]
    assert list(back.peers) == public and back.addresses == found.addresses
    for name in ("runs", "listen_port", "port_is_configured", "fwmark", "mtu", "routes"):
        assert getattr(back, name) == getattr(found, name), name


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.just(f"{key_text(1)}\ta\tx\t1\t25\tpsk\truns")),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(existing.to_fact(ExistingInterface("wg0")))), JSON))
def test_any_fact_is_read(fact: dict[str, Any]) -> None:
    found = existing.from_fact("wg0", fact)
    assert 0 <= found.listen_port <= 65535 and all(peer.public_key for peer in found.peers)
