# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a rollback: from any part of another plan, without changes to other objects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation, replay
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import route
from ansible_collections.wirewright.overlay.plugins.module_utils._host.addresses import InterfaceAddress
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import BootFile
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import Link
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.rollback import (
    lost_to_others,
    plan_rollback,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings

NET = parse_prefix("10.77.0.0/16")
HOME, AWAY = Endpoint("192.0.2.1", 1), Endpoint("192.0.2.2", 2)


def peer(name: bytes, **more: Any) -> Peer:
    return replace(Peer(name * 32, ZERO, None, 0, frozenset()), **more)


def address(text: str) -> InterfaceAddress:
    return InterfaceAddress(parse_address(text))


ALPHA = peer(b"a", preshared_key=b"p" * 32, endpoint=HOME, allowed_ips=frozenset({NET}))
BETA, GAMMA = peer(b"b"), peer(b"c")
LINK = Link("wg0", "wireguard", 1420, True, "wirewright.overlay", 7)
BEFORE = Current(
    LINK,
    Device("wg0", Settings(b"k" * 32, 51820, 5), b"K" * 32, (ALPHA, BETA)),
    (address("10.42.0.1/24"), address("fd42::1/64")),
    (route(NET, "wg0"),),
    (Sysctl("net/ipv4/ip_forward", "0"),),
    (BootFile("/etc/one", "1", 0o600, "root"), BootFile("/etc/two", "2", 0o640, "adm", owner=1000)),
)
MOVED = replace(ALPHA, preshared_key=b"q" * 32, endpoint=AWAY, allowed_ips=frozenset())
DONE = Plan(
    "wg0",
    (Operation(LINK, replace(LINK, mtu=1300)),),
    Settings(private_key=b"l" * 32, listen_port=51821),
    (Operation(ALPHA, MOVED), Operation(None, GAMMA), Operation(BETA, None)),
    (Operation(None, address("10.43.0.1/24")), Operation(address("10.42.0.1/24"), None)),
    (Operation(route(NET, "wg0"), None),),
    (Operation(Sysctl("net/ipv4/ip_forward", "0"), Sysctl("net/ipv4/ip_forward", "1")),),
    (Operation(None, BootFile("/etc/three", "3")), Operation(BEFORE.files[1], None)),
)


def after(before: Current, plan: Plan) -> Current:
    """Return what is there when a plan is carried out."""
    if any(operation.after is None for operation in plan.link):
        return Current(sysctls=before.sysctls, files=tuple(replay(before.files, plan.files).values()))
    device = before.device or Device(plan.name, Settings(ZERO, 0, 0), ZERO)
    changed = {name: value for name, value in vars(plan.settings).items() if value is not None}
    peers: dict[Any, Any] = {one.public_key: one for one in device.peers}
    for operation in plan.peers:  # a peer may go and come again; no message clears an endpoint
        held = peers.pop(operation.key(), None)
        if operation.after is not None:
            known = held.endpoint if held is not None else None
            peers[operation.key()] = replace(operation.after, endpoint=operation.after.endpoint or known)
    return Current(
        next((operation.after for operation in plan.link), before.link),
        replace(
            device, settings=replace(device.settings, **changed), peers=tuple(peers.values()), public_key=b"K" * 32
        ),
        *(
            tuple(replay(getattr(before, kind), getattr(plan, kind)).values())
            for kind in ("addresses", "routes", "sysctls", "files")
        ),
    )


def in_order(current: Current) -> Any:
    assert current.device is not None
    kinds = [sorted(getattr(current, kind), key=lambda one: one.key()) for kind in ("addresses", "routes", "files")]
    return current.link, current.device.settings, sorted(current.device.peers, key=Peer.key), current.sysctls, kinds


KINDS = ("link", "settings", "peers", "addresses", "routes", "sysctls", "files")


@pytest.mark.parametrize("done", range(len(KINDS) + 1))
def test_any_part_of_a_plan_is_rolled_back(done: int) -> None:
    part = replace(DONE, **{kind: getattr(Plan("wg0"), kind) for kind in KINDS[done:]})
    now = after(BEFORE, part)
    back = plan_rollback(now, BEFORE, DONE)
    assert bool(back) is bool(done)
    assert in_order(after(now, back)) == in_order(BEFORE)


def test_a_removed_interface_is_restored_with_its_keys_and_index() -> None:
    gone = Plan("wg0", (Operation(LINK, None),), files=(Operation(BEFORE.files[0], None),))
    now = after(BEFORE, gone)
    back = plan_rollback(now, BEFORE, gone)
    assert back.link[0].after is not None and back.link[0].after.index == 7
    assert back.settings == BEFORE.device.settings  # type: ignore[union-attr]
    assert in_order(after(now, back)) == in_order(BEFORE)


def test_an_interface_that_was_created_again_gets_its_keys_and_peers() -> None:
    """The rollback may have created the link, and failed then."""
    gone = Plan("wg0", (Operation(LINK, None),))
    bare = Current(LINK, Device("wg0", Settings(ZERO, 40000, 0), ZERO), sysctls=BEFORE.sysctls, files=BEFORE.files)
    assert in_order(after(bare, plan_rollback(bare, BEFORE, gone))) == in_order(BEFORE)


def test_the_rollback_of_a_new_interface_plans_sysctls_and_files_only() -> None:
    made = replace(DONE, link=(Operation(None, LINK),), files=(Operation(None, BootFile("/etc/three", "3")),))
    before = Current(sysctls=BEFORE.sysctls)
    back = plan_rollback(after(before, made), before, made)
    assert back == Plan("wg0", sysctls=back.sysctls, files=back.files)
    assert [operation.after for operation in (*back.sysctls, *back.files)] == [BEFORE.sysctls[0], None]


def test_foreign_changes_during_the_run_are_kept() -> None:
    done = replace(DONE, link=(), settings=Settings(fwmark=9), addresses=())
    now = replace(
        after(BEFORE, done),
        link=replace(LINK, mtu=1000),
        addresses=(address("10.99.0.1/24"),),
        files=(BootFile("/etc/one", "by hand", 0o600, "root"),),
    )
    back = plan_rollback(now, BEFORE, done)
    assert back.link == () and back.addresses == () and back.settings == Settings(fwmark=5)
    assert [operation.key() for operation in back.files] == ["/etc/two"]


def test_a_link_that_was_set_down_is_restored_with_addresses_and_routes() -> None:
    done = Plan("wg0", (Operation(LINK, replace(LINK, up=False)),))
    now = replace(after(BEFORE, done), addresses=BEFORE.addresses[:1], routes=())
    back = plan_rollback(now, BEFORE, done)
    assert in_order(after(now, back)) == in_order(BEFORE)


def test_an_endpoint_is_restored_unless_the_kernel_learned_another() -> None:
    learned = Endpoint("198.51.100.9", 9)
    without = replace(ALPHA, endpoint=None)
    for before, held, restored in (
        (ALPHA, AWAY, HOME),
        (ALPHA, learned, learned),
        (without, AWAY, None),
        (without, learned, learned),
    ):
        first = replace(BEFORE, device=replace(BEFORE.device, peers=(before,)))  # type: ignore[type-var]
        done = Plan("wg0", peers=(Operation(before, MOVED),))
        now = replace(first, device=replace(first.device, peers=(replace(MOVED, endpoint=held),)))  # type: ignore[type-var]
        (found,) = after(now, plan_rollback(now, first, done)).device.peers  # type: ignore[union-attr]
        assert found == replace(before, endpoint=restored)


def test_pending_texts_contain_no_key() -> None:
    said = repr(plan_rollback(after(BEFORE, DONE), BEFORE, DONE))
    assert not [byte for byte in (b"k", b"p", b"l", b"q") if repr(byte * 32) in said]


def test_what_others_deleted_during_the_run_is_named() -> None:
    done = Plan("wg0", peers=(Operation(ALPHA, MOVED),))
    assert BEFORE.device is not None
    assert lost_to_others(after(BEFORE, done), BEFORE, done) == []
    bare = replace(BEFORE, device=replace(BEFORE.device, peers=()), addresses=BEFORE.addresses[:1], routes=())
    named = lost_to_others(bare, BEFORE, done)
    assert [text.partition(": ")[2].partition(" ")[0] for text in named] == ["peer", "address", "route"]
    assert "wg0: address fd42::1/64 (missing)" in named and "wg0: route 10.77.0.0/16 (missing)" in named
    assert lost_to_others(Current(), BEFORE, done) == ["wg0: interface (missing)"]
    assert lost_to_others(Current(), Current(), done) == [], "there was none before"
