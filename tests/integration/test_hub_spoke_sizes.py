# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest packet from spoke to spoke through the hub, and TCP between machines behind them, on narrow underlays.

s1-site (MTU 1500) - s1 - hub1 - s2 - s2-site (MTU 1500), with an underlay of 1500, 1400 or 1280 bytes between s1, hub1
and s2: plain, or itself a tunnel ("outer") over such an underlay.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HUB, SPOKE
from hub_spoke_lab import build_hosts
from lab_hosts import Lab
from managed_host import ManagedHost
from namespaces import call_in_thread
from overlay_rooms import apply_to, plan_on

HOSTS = {
    "hub1": {"addresses": ["192.0.2.11/24", "2001:db8:1::11/64"]},
    "s1": {"addresses": ["192.0.2.21/24", "2001:db8:1::21/64"], "site": "10.50.1.0/24"},
    "s2": {"addresses": ["192.0.2.22/24", "2001:db8:1::22/64"], "site": "10.50.2.0/24"},
}
PARTS = {"hub1": (HUB,), "s1": (SPOKE,), "s2": (SPOKE,)}
NUMBERS = {"hub1": 1, "s1": 2, "s2": 3}
SIZE = 400_000

# A machine behind a spoke gets no path MTU messages, so TCP depends on the hub's MSS clamp.
SITE = """
ip -6 addr add fd50:{n}::2/64 dev eth0 nodad; ip -6 route add default via fd50:{n}::1
nft add table inet deaf
nft add chain inet deaf input '{{ type filter hook input priority 0; }}'
nft add rule inet deaf input icmp type destination-unreachable drop
nft add rule inet deaf input icmpv6 type packet-too-big drop
"""

# Remove what one case leaves to the next; the machines behind spokes stay.
RESET = """
for name in wg0 outer; do ip link del $name 2>/dev/null; done
while pgrep --ns $$ --nslist net wireguard-go >/dev/null; do sleep 0.05; done
rm -rf /etc/wireguard/* /var/lib/wirewright.overlay /etc/sysctl.d/90-wirewright-* /etc/systemd/network/*
"""

# Underlay MTU and family, through an outer tunnel or not, and the tunnel's MTU. WireGuard, UDP and IP take 60 bytes of
# IPv4, 80 of IPv6. If less than 1280 remain, the outer tunnel carries IPv4 only, which takes another 60.
CASES = [
    (1500, "ipv4", False, 1440),
    (1500, "ipv6", False, 1420),
    (1400, "ipv4", False, 1340),
    (1400, "ipv6", False, 1320),
    (1280, "ipv4", False, 1220),
    (1280, "ipv6", False, 1200),
    (1500, "ipv4", True, 1500 - 60 - 60),
    (1500, "ipv6", True, 1500 - 80 - 80),
    (1400, "ipv4", True, 1400 - 60 - 60),
    (1400, "ipv6", True, 1400 - 80 - 80),
    (1280, "ipv4", True, 1280 - 60 - 60),
    (1280, "ipv6", True, 1280 - 80 - 60),
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        build_hosts(lab, HOSTS)
        for number in (1, 2):
            lab.run(f"s{number}-site", ["sh", "-ec", SITE.format(n=number)])
            lab.run(f"s{number}", ["ip", "addr", "add", f"fd50:{number}::1/64", "dev", "lan", "nodad"])
        yield lab


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("underlay", "family", "outer", "mtu"), CASES)
def test_the_largest_packet_and_files_get_through(lab: Lab, underlay: int, family: str, outer: bool, mtu: int) -> None:
    for name in HOSTS:
        lab.run(name, ["sh", "-c", RESET])
        lab.run(name, ["ip", "link", "set", "eth0", "mtu", str(underlay)])
    clients = "192.0.2.200" if family == "ipv4" else "2001:db8:1::200"
    endpoints = {name: wanted["addresses"][family == "ipv6"].partition("/")[0] for name, wanted in HOSTS.items()}
    if outer:
        family = build_outer_tunnel(lab, family, underlay, clients, endpoints)
        clients = "10.99.0.200" if family == "ipv4" else "fd99::200"
        endpoints = {name: outer_address(name, family) for name in HOSTS}
    inner = ["ipv4", "ipv6"] if mtu >= 1280 else ["ipv4"]
    if len(inner) == 1:
        refused = hub_and_spokes(lab, family, clients, endpoints, ["ipv4", "ipv6"])
        assert refused.plan is None
        assert any(f"{mtu}" in problem and "1280" in problem for problem in refused.problems), refused.problems
    before = fragments(lab)
    apply_to(lab, hub_and_spokes(lab, family, clients, endpoints, inner).plan)
    for name in HOSTS:
        link = ManagedHost(lab, name).link("wg0")
        assert link is not None and link["mtu"] == mtu
    for kind in inner:
        target = "10.43.0.3" if kind == "ipv4" else "fd43::3"
        assert ping(lab, "s1", target, 100, "-w", "20"), "the first packet waits for a handshake"
        assert ping(lab, "s1", target, mtu, "-w", "5")
        assert not ping(lab, "s1", target, mtu + 1, "-w", "1")
        for client, server in (("s1-site", "s2-site"), ("s2-site", "s1-site")):
            number = server[1]
            address = f"10.50.{number}.2" if kind == "ipv4" else f"fd50:{number}::2"
            assert fetch(lab, client, server, address) == SIZE
    assert fragments(lab) == before, "no packet of a tunnel was too large for its underlay"


def build_outer_tunnel(lab: Lab, family: str, underlay: int, client: str, endpoints: dict[str, str]) -> str:
    """Connect all hosts by a mesh, and return the address family of hubs and spokes on top of it."""
    mtu = underlay - (60 if family == "ipv4" else 80)
    carried = family if mtu >= 1280 else "ipv4"
    networks = ["10.99.0.0/24"] + (["fd99::/64"] if carried == "ipv6" else [])
    variables = {
        name: {
            "interface": "outer",
            "network": networks,
            "addresses": [outer_address(name, "ipv4")] + ([outer_address(name, "ipv6")] if carried == "ipv6" else []),
            "port": 51999,
            "endpoint": endpoints[name],
            "endpoint_family": family,
            "userspace": True,
        }
        for name in HOSTS
    }
    clients = dict.fromkeys(HOSTS, client)
    outcome = plan_on(lab, plan_mesh, variables, interfaces=["outer"], clients=clients)
    assert outcome.plan is not None, outcome.problems
    apply_to(lab, outcome.plan)
    return carried


def outer_address(name: str, family: str) -> str:
    return f"10.99.0.{NUMBERS[name]}" if family == "ipv4" else f"fd99::{NUMBERS[name]}"


def hub_and_spokes(lab: Lab, family: str, client: str, endpoints: dict[str, str], inner: list[str]):  # type: ignore[no-untyped-def]
    """Plan the hub and its spokes, with addresses and sites of these families."""
    networks = {"ipv4": "10.43.0.0/24", "ipv6": "fd43::/64"}
    sites = {"ipv4": "10.50.{n}.0/24", "ipv6": "fd50:{n}::/64"}
    variables = {
        name: {
            "network": [networks[kind] for kind in inner],
            "addresses": [networks[kind].partition("/")[0].rstrip("0") + str(NUMBERS[name]) for kind in inner],
            "networks": [sites[kind].format(n=name[1]) for kind in inner] if name != "hub1" else [],
            "endpoint": endpoints[name] if name == "hub1" else "none",
            "endpoint_family": family,
            "userspace": True,
        }
        for name in HOSTS
    }
    return plan_on(lab, plan_hub_spoke, variables, parts=PARTS, clients=dict.fromkeys(HOSTS, client))


def ping(lab: Lab, source: str, address: str, size: int, *options: str) -> bool:
    """Return whether a packet of a size gets a reply without fragmentation."""
    payload = size - (48 if ":" in address else 28)
    argv = ["ping", "-n", "-c", "1", "-M", "do", "-s", str(payload), *options, address]
    return lab.run(source, argv, check=False).returncode == 0


def fetch(lab: Lab, client: str, server: str, address: str) -> int:
    """Return the bytes that a client receives of a file over TCP."""
    places = {name: f"/run/netns/ww-{lab.name}-{name}" for name in (client, server)}
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listening = call_in_thread(places[server], partial(socket.create_server, (address, 0), family=family))
    with listening, ThreadPoolExecutor(1) as pool:
        listening.settimeout(30)
        port = listening.getsockname()[1]
        serving = pool.submit(serve, listening)
        received = 0
        with call_in_thread(places[client], partial(socket.create_connection, (address, port), timeout=20)) as there:
            while part := there.recv(65536):
                received += len(part)
        serving.result()
    return received


def serve(listening: socket.socket) -> None:
    connection, _peer = listening.accept()
    with connection:
        connection.settimeout(20)
        connection.sendall(bytes(SIZE))


def fragments(lab: Lab) -> dict[str, list[int]]:
    """Return the number of packets that each host has fragmented, over IPv4 and IPv6."""
    return {name: _fragments(f"ww-{lab.name}-{name}") for name in HOSTS}


def _fragments(netns: str) -> list[int]:
    argv = ["ip", "netns", "exec", netns, "nstat", "-asz", "IpFragCreates", "Ip6FragCreates"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = [int(count) for count in re.findall(r"FragCreates\s+(\d+)", shown)]
    assert len(found) == 2, shown
    return found
