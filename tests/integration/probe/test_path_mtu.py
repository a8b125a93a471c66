# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest packet that passes, compared with a calculation and with ping."""

from __future__ import annotations

import pytest
from managed_host import ManagedHost
from tunnel import PORT, create_key, create_tunnel, entry, join, only_peer, ping, probe
from underlay import ENDS, silent_router

Pair = tuple[ManagedHost, ManagedHost]


# Of 1400 bytes the underlay's IP and UDP headers take 28 or 48, and WireGuard's 32. The payload is padded to a multiple of
# 16 bytes: 1340 leaves room for 83 of these, 1320 for 82.
@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("family", "largest", "groups"),
    [("ipv4", 1328, "1 0"), ("ipv6", 1312, "0 0")],
    ids=["raw sockets, over IPv4", "ping sockets, over IPv6"],
)
def test_narrow_link_without_icmp(pair: Pair, family: str, largest: int, groups: str) -> None:
    left, right = pair
    left.shell(f'echo "{groups}" >/proc/sys/net/ipv4/ping_group_range')
    with silent_router(left, right, 1400):
        for host in pair:
            create_key(host)
        near, far = (f"[{end}]:{PORT}" if ":" in end else f"{end}:{PORT}" for end in ENDS[family])
        create_tunnel(left, [entry(right, endpoint=far)])
        create_tunnel(right, [entry(left, endpoint=near)])
        peer = only_peer(probe(left, deadline=40))
        assert (peer["verdict"], peer["mtu"]) == ("mtu", largest)
        assert f"set the MTU of wg0 to {largest} on both hosts" in peer["advice"]
        assert [(route["verdict"], route["mtu"]) for route in peer["addresses"]] == [("mtu", largest)] * 2
        for route in peer["addresses"]:
            assert ping(left, route["address"], largest, seconds=10) is not None
            assert ping(left, route["address"], largest + 1) is None
        wanted = only_peer(probe(left, mtu=1312, deadline=40))
        assert (wanted["verdict"], wanted["mtu"]) == ("ok", 1312)
        small = only_peer(probe(left, path_mtu=False))
        assert (small["verdict"], small["mtu"]) == ("ok", None)


def test_size_above_the_interface_mtu_is_reported_at_once(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    public_key = entry(right)["public_key"]
    peers = [{"public_key": public_key, "addresses": ["10.42.0.2/24"], "mtu": 1500}]
    peer = only_peer(probe(left, peers=peers, deadline=600))
    assert (peer["verdict"], peer["mtu"]) == ("mtu", 1420)
    assert "the MTU of wg0, 1420, and 1500 bytes are wanted" in peer["advice"]


def test_cached_path_mtu_of_the_host_is_ignored(pair: Pair) -> None:
    left, right = pair
    join(left, right)
    left.shell("ip route replace 10.42.0.2/32 dev wg0 mtu 1300; ip route replace fd42::2/128 dev wg0 mtu 1300")
    assert ping(left, "10.42.0.2", 1420) is None
    peer = only_peer(probe(left))
    assert [(route["verdict"], route["mtu"]) for route in peer["addresses"]] == [("ok", 1420)] * 2
