# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers and settings: resolving unset values, and minimal requests that are enough for the kernel."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import (
    DELETE,
    UPDATE,
    Operation,
    replay,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, clamp
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import (
    Peer,
    PeerChange,
    Settings,
    change_of,
    changed_settings,
    plan_peers,
    settle,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from ..samples import key, keys, peer_sets, prefix4, prefix6
from .cryptokey_model import CryptokeyModel

PEER = Peer(key(1), key(100), Endpoint("192.0.2.1", 1), 25, frozenset({prefix4(1), prefix6(1)}), 1700000000, 10, 20)
NEW = Peer(key(1), ZERO, None, 0, frozenset())

absents = st.frozensets(st.sampled_from([key(number) for number in range(5)]))


@settings(max_examples=4 * settings.default.max_examples)
@given(peer_sets(wanted=False), peer_sets(wanted=True), absents, st.booleans())
def test_the_kernel_has_the_planned_peers_afterwards(
    current: list[Peer], wanted: list[Peer], absent: frozenset[bytes], purge: bool
) -> None:
    operations = plan_peers(current, wanted, absent=absent, purge=purge)
    kernel = CryptokeyModel.holding(current)
    for operation in operations:
        kernel.apply(change_of(operation))
    held = kernel.read()
    assert held == replay(current, operations)
    assert plan_peers(held.values(), wanted, absent=absent, purge=purge) == []


@settings(max_examples=2 * settings.default.max_examples)
@given(peer_sets(wanted=False), peer_sets(wanted=True), absents, st.booleans())
def test_wanted_peers_get_their_settings(
    current: list[Peer], wanted: list[Peer], absent: frozenset[bytes], purge: bool
) -> None:
    after = replay(current, plan_peers(current, wanted, absent=absent, purge=purge))
    for peer in wanted:
        held = after[peer.public_key]
        assert settle(held, peer) == held
    undesired = {peer.public_key for peer in current} - {peer.public_key for peer in wanted}
    assert set(after) == {peer.public_key for peer in wanted} | (set() if purge else undesired - absent)


@settings(max_examples=2 * settings.default.max_examples)
@given(peer_sets(wanted=False), peer_sets(wanted=True), st.randoms(use_true_random=False))
def test_order_of_peers_does_not_matter(current: list[Peer], wanted: list[Peer], random: Random) -> None:
    planned = plan_peers(current, wanted, purge=True)
    random.shuffle(current)
    random.shuffle(wanted)
    assert plan_peers(current, wanted, purge=True) == planned


@settings(max_examples=2 * settings.default.max_examples)
@given(peer_sets(wanted=False), peer_sets(wanted=True))
def test_only_what_differs_is_sent(current: list[Peer], wanted: list[Peer]) -> None:
    for operation in plan_peers(current, wanted):
        change, before, after = change_of(operation), operation.before, operation.after
        assert after is not None
        if before is None:
            continue
        assert change.update_only
        assert (change.preshared_key is not None) == (before.preshared_key != after.preshared_key)
        assert (change.endpoint is not None) == (before.endpoint != after.endpoint)
        assert (change.persistent_keepalive is not None) == (before.persistent_keepalive != after.persistent_keepalive)
        if not change.replace_allowed_ips:
            assert not set(change.allowed_ips) & (before.allowed_ips or frozenset())


def test_two_peers_swap_their_allowed_ips() -> None:
    one, other = Peer(key(1), allowed_ips=frozenset({prefix4(1)})), Peer(key(2), allowed_ips=frozenset({prefix4(2)}))
    current = [settle(None, one), settle(None, other)]
    wanted = [replace(one, allowed_ips=other.allowed_ips), replace(other, allowed_ips=one.allowed_ips)]
    kernel = CryptokeyModel.holding(current)
    for operation in plan_peers(current, wanted):
        kernel.apply(change_of(operation))
    assert kernel.owner == {prefix4(2): key(1), prefix4(1): key(2)}


def test_a_peer_that_loses_an_allowed_ip_to_another_is_in_the_plan() -> None:
    loser = settle(None, Peer(key(1), allowed_ips=frozenset({prefix4(1), prefix4(2)})))
    operations = plan_peers([loser], [Peer(key(2), allowed_ips=frozenset({prefix4(1)}))])
    (lost,) = [operation for operation in operations if operation.action == UPDATE]
    assert lost.before == loser
    assert lost.after == replace(loser, allowed_ips=frozenset({prefix4(2)}))


def test_a_removed_peer_needs_no_request_for_its_allowed_ips() -> None:
    loser = settle(None, Peer(key(1), allowed_ips=frozenset({prefix4(1)})))
    operations = plan_peers([loser], [Peer(key(2), allowed_ips=frozenset({prefix4(1)}))], absent=[key(1)])
    assert [(operation.key(), operation.action) for operation in operations][1] == (key(1), DELETE)
    assert len(operations) == 2


def test_unset_values_of_a_peer_are_the_current_ones() -> None:
    assert settle(PEER, Peer(key(1))) == PEER


def test_unset_values_of_a_new_peer_are_empty() -> None:
    assert settle(None, Peer(key(1))) == NEW


def test_clearing_values_are_applied() -> None:
    cleared = settle(PEER, Peer(key(1), ZERO, None, 0, frozenset()))
    assert cleared == Peer(key(1), ZERO, PEER.endpoint, 0, frozenset())
    change = change_of(Operation(PEER, cleared))
    assert change == PeerChange(
        key(1), update_only=True, preshared_key=ZERO, persistent_keepalive=0, replace_allowed_ips=True
    )


def test_resolved_peers_keep_statistics() -> None:
    settled = settle(PEER, Peer(key(1), persistent_keepalive=1))
    assert (settled.latest_handshake, settled.rx_bytes, settled.tx_bytes) == (1700000000, 10, 20)


def test_statistics_are_not_compared() -> None:
    assert plan_peers([PEER], [replace(PEER, latest_handshake=0, rx_bytes=0, tx_bytes=0)]) == []


def test_one_more_allowed_ip_is_sent_alone() -> None:
    more = replace(PEER, allowed_ips=(PEER.allowed_ips or frozenset()) | {prefix4(3)})
    assert change_of(Operation(PEER, more)) == PeerChange(key(1), update_only=True, allowed_ips=(prefix4(3),))


def test_one_less_allowed_ip_sends_the_others_with_the_replace_flag() -> None:
    less = replace(PEER, allowed_ips=frozenset({prefix4(1)}))
    change = change_of(Operation(PEER, less))
    assert change == PeerChange(key(1), update_only=True, replace_allowed_ips=True, allowed_ips=(prefix4(1),))


def test_a_new_peer_is_sent_whole_and_without_update_only() -> None:
    assert change_of(Operation(None, PEER)) == PeerChange(
        key(1),
        preshared_key=key(100),
        endpoint=PEER.endpoint,
        persistent_keepalive=25,
        allowed_ips=(prefix4(1), prefix6(1)),
    )


def test_a_removed_peer_is_sent_by_key_only() -> None:
    assert change_of(Operation(PEER, None)) == PeerChange(key(1), remove=True)


def test_one_change_among_a_thousand_peers_sends_one() -> None:
    current = [Peer(key(number), ZERO, None, 0, frozenset({prefix4(number)})) for number in range(1000)]
    wanted = [replace(peer, persistent_keepalive=25) if peer.public_key == key(7) else peer for peer in current]
    (operation,) = plan_peers(current, wanted, purge=True)
    assert change_of(operation) == PeerChange(key(7), update_only=True, persistent_keepalive=25)


@given(keys.filter(any))
def test_an_unclamped_private_key_is_idempotent(private: bytes) -> None:
    sent = changed_settings(Settings(ZERO, 1, 0), Settings(private))
    assert sent == Settings(clamp(private))
    assert changed_settings(Settings(sent.private_key, 1, 0), Settings(private)) == Settings()


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (Settings(), Settings()),
        (Settings(listen_port=51820), Settings()),
        (Settings(listen_port=0), Settings()),
        (Settings(listen_port=51821), Settings(listen_port=51821)),
        (Settings(fwmark=0x10), Settings()),
        (Settings(fwmark=0), Settings(fwmark=0)),
        (Settings(private_key=ZERO), Settings(private_key=ZERO)),
    ],
)
def test_unchanged_settings_are_not_sent(wanted: Settings, sent: Settings) -> None:
    assert changed_settings(Settings(clamp(key(1)), 51820, 0x10), wanted) == sent


@given(keys, keys)
def test_no_repr_shows_a_secret(private: bytes, preshared: bytes) -> None:
    peer, change = replace(PEER, preshared_key=preshared), PeerChange(key(1), preshared_key=preshared)
    shown = repr((Settings(private), peer, change))
    for secret in (private, preshared):
        assert repr(secret) not in shown
        assert secret.hex() not in shown
    assert "preshared_key" not in shown


def test_a_described_peer_hides_its_preshared_key() -> None:
    described = PEER.describe()
    assert described == {
        "endpoint": "192.0.2.1:1",
        "persistent_keepalive": 25,
        "allowed_ips": ["10.0.0.1/32", "fd00::1/128"],
        "preshared_key": "set",
    }
    assert NEW.describe() == {"endpoint": "", "persistent_keepalive": 0, "allowed_ips": [], "preshared_key": ""}
