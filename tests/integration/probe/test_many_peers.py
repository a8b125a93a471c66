# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many peers at once, with and without answers, and the wait for a peer that comes up late."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.echo_loop import Question, ask_all
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.sockets import Destination
from crowd import create_crowd, disperse
from managed_host import ManagedHost, key
from tunnel import create_key, create_tunnel, entry, probe
from underlay import create_cable

Pair = tuple[ManagedHost, ManagedHost]

# Each wireguard-go takes one of the 128 inotify instances that a user has by default.
CROWD, SILENT = 100, 5
ADDRESSES = 1000


@pytest.fixture
def crowd(pair: Pair) -> Iterator[Pair]:
    try:
        create_crowd(*pair, CROWD)
        yield pair
    finally:
        disperse(pair[1])


def test_all_silent_peers_share_one_wait(crowd: Pair) -> None:
    left, right = crowd
    started = time.monotonic()
    found = probe(left, deadline=120)
    took = time.monotonic() - started
    assert found.data["summary"] == f"{CROWD} peers: {CROWD} ok"
    assert {peer["mtu"] for peer in found.data["peers"]} == {1420}
    assert took < 30, "the probes were sequential"
    print(f"{CROWD} peers in {took:.2f} s")
    for number in range(SILENT):
        right.shell(f"ip link delete w{number}")
    started = time.monotonic()
    found = probe(left, deadline=8)
    took = time.monotonic() - started
    names = ", ".join(f"p{number:04}" for number in range(SILENT))
    assert found.data["summary"] == f"{CROWD} peers: {CROWD - SILENT} ok, {SILENT} one_way ({names})"
    assert 8 <= took < 8 * SILENT


def test_thousand_addresses_in_one_call_by_two_sockets(pair: Pair) -> None:
    left, right = pair
    create_cable(left, right)
    # Behind one neighbour: the kernel's neighbour table is shared by all namespaces, and other tests would lose packets.
    hosts = [f"10.45.{1 + number // 250}.{1 + number % 250}" for number in range(ADDRESSES)]
    right.run("ip", "-batch", "-", input="\n".join(f"addr add {host}/32 dev u0" for host in hosts))
    right.shell("ip addr add 10.45.0.2/30 dev u0 && ip link set u0 up")
    left.shell("ip addr add 10.45.0.1/30 dev u0 && ip link set u0 up && ip route add 10.45.0.0/16 via 10.45.0.2")
    started = time.monotonic()
    answered, sizes, descriptors = left.call(_probe_all, hosts)
    assert answered == ADDRESSES
    assert sizes == {1500}
    assert descriptors < 20
    assert time.monotonic() - started < 30
    print(f"{ADDRESSES} addresses in {time.monotonic() - started:.2f} s")


def _probe_all(hosts: list[str]) -> tuple[int, set[int | None], int]:
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    destinations = [Destination(socket.AF_INET, parse_prefix(host).packed) for host in hosts]
    found = ask_all("u0", [Question(destination, 1500, True) for destination in destinations], 60.0)
    lowest_free = socket.socket().fileno()
    return sum(search.replied for search in found), {search.largest for search in found}, lowest_free


def test_wait_ends_when_a_late_peer_answers(pair: Pair) -> None:
    left, right = pair
    create_key(left), create_key(right)
    caller = entry(right)
    del caller["endpoint"]  # no request is sent before the peer has initiated
    create_tunnel(left, [caller])
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe, left, wait=True, deadline=120, fail=True)
        with pytest.raises(NotYet):
            probing.result(timeout=2)
        create_tunnel(right, [entry(left, persistent_keepalive=1)])
        found = probing.result()
    assert found.rc == 0 and found.data["summary"] == "1 peer: 1 ok"


@pytest.mark.slow
def test_wait_includes_a_peer_that_comes_up_while_others_are_silent(pair: Pair) -> None:
    left, right = pair
    create_key(left), create_key(right)
    caller = entry(right)
    del caller["endpoint"]
    silent = {"name": "silent", "public_key": key("s"), "endpoint": "192.0.2.99:1", "allowed_ips": ["10.42.0.9/32"]}
    create_tunnel(left, [caller, silent])
    with ThreadPoolExecutor(1) as pool:
        probing = pool.submit(probe, left, wait=True, deadline=20)
        with pytest.raises(NotYet):
            probing.result(timeout=1)
        create_tunnel(right, [entry(left, persistent_keepalive=1)])
        assert probing.result().data["summary"] == "2 peers: 1 ok, 1 no_handshake (silent)"


def test_wait_for_an_interface_ends_at_the_deadline(pair: Pair) -> None:
    started = time.monotonic()
    assert "no WireGuard interface wg0" in probe(pair[0], wait=True, deadline=2).failure
    assert time.monotonic() - started >= 2
