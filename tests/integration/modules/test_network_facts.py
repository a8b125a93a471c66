# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes in the facts of a host: its networks and paths, and not the table of a router."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from managed_host import ManagedHost

NETWORKS = """
for link in lan lan6; do ip link add $link type bridge; ip link set $link up; done
ip addr add 192.168.50.9/24 dev lan noprefixroute
ip route add 192.168.50.0/24 dev lan proto kernel scope link metric 100
ip addr add 192.168.60.9/24 dev lan
ip addr add fd50::9/64 dev lan6 nodad
ip route add fd51::/64 dev lan6 proto ra metric 100
ip route add 10.9.0.0/16 via 192.0.2.99 proto static metric 50
ip route add 10.8.0.0/16 via 192.0.2.99 proto bird
ip route add 10.8.1.0/24 via 192.0.2.99 table 100
ip route add blackhole 10.8.2.0/24 proto static
ip route add 192.168.70.7/32 dev lan
"""
CLEAN = """
ip route flush proto static; ip route flush proto bird; ip route flush table 100 2>/dev/null || :
"""


@pytest.fixture
def router(host: ManagedHost) -> Iterator[ManagedHost]:
    yield host
    host.shell(CLEAN)


def routes(host: ManagedHost) -> list[str]:
    """Return the routes in the facts of a host, without those of the lab's own network."""
    facts = host.module("overlay_prepare", interface="wg0", create_key=False).data["ansible_facts"]
    return [
        line for line in facts["wirewright_overlay"]["routes"].split("\n") if "eth0\t" not in line or "routed" in line
    ]


def test_networks_and_paths(router: ManagedHost) -> None:
    router.shell(NETWORKS)
    assert routes(router) == [
        "192.168.50.0/24\tlan\t100\tconnected",
        "192.168.60.0/24\tlan\t0\tconnected",
        "fd50::/64\tlan6\t256\tconnected",
        "fd51::/64\tlan6\t100\tconnected",
        "10.9.0.0/16\teth0\t50\trouted",
    ]


@pytest.mark.parametrize("protocol", ["bird", "static"])
def test_a_router_with_many_routes_returns_few(router: ManagedHost, protocol: str) -> None:
    batch = "\n".join(
        f"route add 10.{n >> 8}.{n & 255}.0/24 via 192.0.2.99 proto {protocol}" for n in range(256, 30_256)
    )
    router.run("ip", "-batch", "-", input=batch)
    before = time.process_time(), time.monotonic()
    found = routes(router)
    assert len(found) <= 512
    assert bool(found) == (protocol == "static")
    assert time.monotonic() - before[1] < 30
