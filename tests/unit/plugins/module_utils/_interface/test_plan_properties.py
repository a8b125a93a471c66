# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of whole plans: one run converges from any state, and check mode predicts it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import replay
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.boot_files import METHODS
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.differences import differences
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key_text, peer_sets
from .predicted import PRIVATE, after, mesh, roamed

NAMES = {Endpoint("vpn.example.org", 1): Endpoint("192.0.2.77", 1), Endpoint("dead.example.org", 1): None}
ENDPOINTS = [None, Endpoint("192.0.2.1", 1), Endpoint("2001:db8::1", 1), *NAMES]
ADDRESSES = [parse_address(text) for text in ("10.0.0.1/30", "10.0.0.2/8", "fd00::1/64")]


@st.composite
def wishes(draw: st.DrawFn) -> WantedInterface:
    """Draw a wanted state."""
    names = draw(st.permutations(["h1", "h2", "h3", "h4", ""]))
    peers = [
        WantedPeer(Peer(**{**vars(peer), "endpoint": None}), draw(st.sampled_from(ENDPOINTS)), name)
        for peer, name in zip(draw(peer_sets(wanted=True)), names)
    ]
    return mesh(
        *peers,
        listen_port=draw(st.sampled_from([None, 0, 51820, 51821])),
        fwmark=draw(st.sampled_from([None, 0, 16])),
        mtu=draw(st.sampled_from([None, 1380, 1420])),
        addresses=draw(st.none() | st.lists(st.sampled_from(ADDRESSES), unique=True).map(tuple)),
        up=draw(st.booleans()),
        purge=draw(st.booleans()),
        routes=draw(st.booleans()),
        persistence=draw(st.sampled_from(METHODS)),
        unknown_peers=draw(st.frozensets(st.sampled_from(["h1", "h5"]))),
        revoked=dict.fromkeys(draw(st.lists(st.integers(0, 3).map(key_text), max_size=1)), ""),
        sysctls=draw(st.sampled_from([(), (Sysctl("net/ipv4/ip_forward", "1"),)])),
        allow_mass_removal=draw(st.booleans()),
    )


def planned(current: Current, wanted: WantedInterface) -> Plan:
    named = {item.peer.public_key: NAMES[item.endpoint] for item in wanted.peers or () if item.endpoint in NAMES}
    return plan(current, wanted, PRIVATE, systemd=True, resolved=named)


@settings(max_examples=5 * settings.default.max_examples // 2, deadline=None)
@given(wishes(), wishes(), st.booleans())
def test_one_run_converges_from_any_state(first: WantedInterface, second: WantedInterface, roam: bool) -> None:
    host = after(Current(), planned(Current(), first))
    assert not planned(host, first), differences(planned(host, first))
    if roam:
        host = roamed(host, Endpoint("198.51.100.9", 9))
    try:
        made = planned(host, second)
    except Refused:
        return
    then = after(host, made)
    assert then.device is not None
    assert host.device is not None
    assert {peer.public_key: peer for peer in then.device.peers} == replay(host.device.peers, made.peers)
    rest = planned(then, second)
    assert not rest, (differences(rest), rest)


@settings(max_examples=settings.default.max_examples, deadline=None)
@given(wishes(), st.randoms(use_true_random=False))
def test_the_order_of_peers_and_addresses_does_not_matter(wanted: WantedInterface, random: Random) -> None:
    made = planned(Current(), wanted)
    peers, addresses = list(wanted.peers or ()), list(wanted.addresses or ())
    random.shuffle(peers)
    random.shuffle(addresses)
    turned = replace(wanted, peers=tuple(peers), addresses=wanted.addresses and tuple(addresses))
    assert planned(Current(), turned) == made
