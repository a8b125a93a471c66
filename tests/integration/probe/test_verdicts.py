# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every verdict on a tunnel in that state, compared with ping."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from host_state import observe, secrets_of
from managed_host import FOREIGN_PROTOCOL, ManagedHost, key
from tunnel import PORT, create_key, create_tunnel, drop, entry, join, only_peer, ping, probe, probe_later, public_key

Pair = tuple[ManagedHost, ManagedHost]

ECHO_REQUESTS = ("icmp type echo-request", "icmpv6 type echo-request")


@pytest.mark.parametrize("groups", ["1 0", "0 0"], ids=["raw", "ping socket"])
def test_ok_in_both_families_like_ping(pair: Pair, groups: str) -> None:
    left, right = pair
    join(left, right)
    left.shell(f'echo "{groups}" >/proc/sys/net/ipv4/ping_group_range')
    peer = only_peer(probe(left))
    assert (peer["name"], peer["public_key"], peer["verdict"], peer["advice"]) == ("h2", public_key(right), "ok", "")
    assert peer["handshake_age"] < 60
    assert [route["address"] for route in peer["addresses"]] == ["10.42.0.2", "fd42::2"]
    for route in peer["addresses"]:
        assert (route["verdict"], route["mtu"]) == ("ok", 1420)
        reference = ping(left, route["address"], 1420, seconds=10)
        assert reference is not None and reference / 50 < route["rtt_ms"] < reference * 50


def test_answering_peer_ends_its_probe_at_once(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    times = []
    for _turn in range(6):
        started = time.monotonic()
        assert only_peer(probe(left))["verdict"] == "ok"
        times.append(time.monotonic() - started)
    assert min(times) < 0.7, "an answer is not waited for, and nor is the second in which none would have come"


def test_requests_have_df_set_and_are_not_fragmented(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    drop(right, "input", "ip frag-off & 0x4000 == 0 icmp type echo-request", "exthdr frag exists")
    assert only_peer(probe(left))["verdict"] == "ok"


def test_nothing_changes_and_no_key_is_returned(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    before = observe(left)
    found = [probe(left, check_mode=check_mode) for check_mode in (True, False)]
    assert [result.data["summary"] for result in found] == ["1 peer: 1 ok"] * 2
    assert not any(result.changed for result in found)
    assert observe(left) == before
    secrets = secrets_of(left)
    assert secrets and not [secret for secret in secrets for result in found if secret in result.output]


def test_no_handshake_with_a_peer_that_was_never_up(pair: Pair) -> None:
    left, right = pair
    create_key(left), create_key(right)
    create_tunnel(left, [entry(right)])
    peer = only_peer(probe(left, deadline=7))
    assert (peer["verdict"], peer["handshake_age"], peer["rtt_ms"], peer["mtu"]) == ("no_handshake", None, None, None)
    assert "192.0.2.12:51820" in peer["advice"]


@pytest.mark.slow
def test_one_way_and_later_stale_with_a_peer_that_went_down(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    assert ping(left, "10.42.0.2", 100, seconds=10)
    right.shell("ip link delete wg0")
    assert only_peer(probe(left, deadline=7))["verdict"] == "one_way"
    peer = only_peer(probe_later(left, 181, deadline=7))
    assert peer["verdict"] == "stale"
    assert peer["handshake_age"] > 180


def test_one_way_if_the_peer_does_not_allow_our_addresses(pair: Pair) -> None:
    left, right = pair
    create_key(left), create_key(right)
    create_tunnel(left, [entry(right)])
    create_tunnel(right, [entry(left, allowed_ips=["10.42.0.99/32"])])
    peer = only_peer(probe(left, deadline=12))  # longer than the keepalive timeout of the peer's WireGuard
    assert peer["verdict"] == "one_way"
    assert "only handshakes and keepalives return" in peer["advice"]
    assert [route["verdict"] for route in peer["addresses"]] == ["one_way", "one_way"]


@pytest.mark.slow
def test_one_way_if_no_packet_reaches_the_peer(pair: Pair) -> None:
    left, right = pair
    create_key(left), create_key(right)
    drop(right, "input", f"udp dport {PORT}")
    create_tunnel(left, [entry(right)])
    create_tunnel(right, [entry(left, persistent_keepalive=1)])
    peer = only_peer(probe(left, deadline=12))
    assert (peer["verdict"], peer["handshake_age"]) == ("one_way", None)
    assert "handshakes of the peer arrive and none is completed" in peer["advice"]


def test_no_route_if_ordinary_packets_leave_by_another_interface(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    drop(right, "input", 'iifname "eth0" icmp type echo-request')  # the address answers outside the tunnel too
    left.shell(f"ip route add 10.42.0.2/32 dev eth0 proto {FOREIGN_PROTOCOL}; ip -6 route delete fd42::/64 dev wg0")
    peer = only_peer(probe(left, deadline=2))
    assert [route["verdict"] for route in peer["addresses"]] == ["no_route", "no_route"]
    assert "packets of this host to 10.42.0.2 leave by eth0, not by wg0" in peer["advice"]
    assert peer["rtt_ms"] > 0 and peer["mtu"] == 1420, "the tunnel itself works"


def test_filtered_if_the_peer_drops_echo_requests(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    drop(right, "input", *ECHO_REQUESTS)
    peer = only_peer(probe(left, deadline=7))
    assert [route["verdict"] for route in peer["addresses"]] == ["filtered", "filtered"]
    assert ping(left, "10.42.0.2", 100) is None


@pytest.mark.slow
def test_filtered_in_one_family_only(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    drop(right, "input", ECHO_REQUESTS[1])
    peer = only_peer(probe(left, deadline=7))
    assert [route["verdict"] for route in peer["addresses"]] == ["ok", "filtered"]
    assert (peer["verdict"], peer["address"]) == ("filtered", "fd42::2")


def test_not_sent_through_the_local_firewall(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    drop(left, "output", 'oifname "wg0" ip daddr 10.42.0.2')
    peer = only_peer(probe(left, deadline=2))
    assert [route["verdict"] for route in peer["addresses"]] == ["not_sent", "ok"]
    assert "Operation not permitted" in peer["advice"]


def test_not_sent_without_a_route_to_the_endpoint(pair: Pair) -> None:
    left, right = pair
    create_key(left), create_key(right)
    create_tunnel(left, [entry(right, endpoint="198.51.100.9:51820")])
    peer = only_peer(probe(left, deadline=8))
    assert peer["verdict"] == "not_sent"
    assert "sent nothing to 198.51.100.9:51820" in peer["advice"]


def test_peers_that_cannot_be_probed_are_reported_at_once(pair: Pair) -> None:
    left, _right = pair
    create_key(left)
    create_tunnel(
        left,
        [
            {"name": "caller", "public_key": key("a"), "allowed_ips": ["10.42.0.11/32"]},
            {"name": "router", "public_key": key("b"), "allowed_ips": ["10.43.0.0/16"], "endpoint": "192.0.2.99:1"},
        ],
    )
    record_endpoint(left, key("c"), "nowhere.invalid:51820")
    left.run("wg", "set", "wg0", "peer", key("c"), "allowed-ips", "10.42.0.12/32")
    entries = [
        {"public_key": key("a")},
        {"public_key": key("c")},
        {"public_key": key("b"), "name": "elsewhere", "addresses": ["10.42.0.11"]},
        {"public_key": key("d"), "name": "stranger"},
    ]
    found = probe(left, peers=entries, deadline=600)
    verdicts = {peer["name"]: peer["verdict"] for peer in found.data["peers"]}
    assert verdicts == {
        "caller": "no_endpoint", "moved": "unresolved", "elsewhere": "no_allowed_ip", "stranger": "no_peer",
    }  # fmt: skip
    assert only_peer(probe(left, peers=[{"public_key": key("b")}], deadline=600))["verdict"] == "no_address"


def record_endpoint(host: ManagedHost, public_key: str, endpoint: str) -> None:
    """Set the desired endpoint of a peer in the state file of wg0."""
    path = Path("/var/lib/wirewright.overlay/wg0.json")
    memory: dict[str, Any] = json.loads(host.run("cat", str(path)))
    memory["peers"][public_key] = {"name": "moved", "addresses": [], "endpoint": endpoint}
    host.write(str(path), json.dumps(memory), mode="644")


def test_failure_names_each_failing_peer_with_advice(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    left.run("wg", "set", "wg0", "peer", key("a"), "allowed-ips", "10.42.0.11/32")
    failed = probe(left, fail=True)
    first, line = failed.failure.splitlines()
    assert first == f"2 peers: 1 ok, 1 no_endpoint ({key('a')})"
    assert line.startswith(f"{key('a')}: no_endpoint: no endpoint is known")
    assert {peer["verdict"] for peer in failed.data["peers"]} == {"ok", "no_endpoint"}
    assert probe(left, fail=True, peers=[{"public_key": public_key(right)}]).rc == 0


def test_all_invalid_options_are_reported_at_once(pair: Pair) -> None:
    refused = probe(
        pair[0],
        interface="wg/0",
        deadline=0,
        mtu=70000,
        path_mtu=False,
        peers=[
            {"public_key": key("a")[:-3], "addresses": ["10.42.0.300"]},
            {"public_key": key("b"), "addresses": ["fd42::2", "fd42::2/64"], "mtu": 1279},
        ],
    )
    assert len(refused.data["errors"]) == 8
    assert key("a")[:-4] not in refused.output


@pytest.mark.parametrize("state", ["missing", "down"])
def test_missing_interface_is_refused(pair: Pair, state: str) -> None:
    left, _right = pair
    if state == "down":
        create_key(left)
        create_tunnel(left, [], up=False)
    assert "wg0" in probe(left).failure


@pytest.mark.slow
def test_wait_for_a_handshake_without_a_route_to_the_peer(pair: Pair) -> None:
    left, right = pair
    for host in pair:
        create_key(host)
    # Without allowed IPs no packet can be sent; only the keepalive starts a handshake.
    create_tunnel(left, [entry(right, allowed_ips=[], persistent_keepalive=5)])
    assert only_peer(probe(left, handshake=True, deadline=1))["verdict"] == "no_handshake"
    create_tunnel(right, [entry(left, allowed_ips=[])])
    peer = only_peer(probe(left, handshake=True, wait=True, deadline=30))
    assert (peer["verdict"], peer["addresses"]) == ("ok", [])
    assert peer["handshake_age"] is not None
