# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible comes through the overlay itself: what would cut that is refused before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from managed_host import ManagedHost, key
from witness import observe

KEY_FILE, OTHER_KEY = "/etc/wireguard/wg0.key", "/etc/wireguard/other.key"
CONTROLLER, FURTHER = "10.42.0.2", "10.43.0.2"
OUTER = "192.0.2.50"
A, B, C = key("controller"), key("somebody else"), key("behind the controller")
PEERS = [
    {"public_key": A, "endpoint": f"{OUTER}:51820", "allowed_ips": [f"{CONTROLLER}/32"], "name": "controller"},
    {"public_key": B, "allowed_ips": ["10.42.0.3/32"]},
]
WG0: dict[str, Any] = {"name": "wg0", "userspace": True, "routes": False}
WG0_FULL = {**WG0, "addresses": ["10.42.0.1/24"], "peers": PEERS}
WG1_FULL: dict[str, Any] = {
    **WG0,
    "name": "wg1",
    "private_key_file": OTHER_KEY,
    "addresses": ["10.43.0.1/24"],
    "peers": [{"public_key": C, "endpoint": f"{CONTROLLER}:51821", "allowed_ips": [f"{FURTHER}/32"]}],
}
GONE: dict[str, Any] = {"interfaces": [{"name": "wg0", "state": "absent"}]}
NOWHERE = {"table": "main", "routes": [{"destination": OUTER, "type": "blackhole"}]}

# By what is cut, the module, its options, and what the refusal says.
CUTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "interface": ("wg_interface", {"name": "wg0", "state": "absent"}, "10.42.0.1, would go"),
    "interface set down": ("wg_interface", {"name": "wg0", "up": False}, "10.42.0.1, would go"),
    "address": ("wg_interface", {"name": "wg0", "addresses": ["10.42.0.9/24"]}, "10.42.0.1, would go"),
    "key": ("wg_interface", {"name": "wg0", "private_key_file": OTHER_KEY}, "another private key"),
    "peer": (
        "wg_peer",
        {"interface": "wg0", "peers": [], "purge": True},
        f"go to peer {A} now, and would go to nobody",
    ),
    "allowed IP": (
        "wg_peer",
        {"interface": "wg0", "peers": [{"public_key": B, "allowed_ips": [f"{CONTROLLER}/32"]}]},
        f"go to peer {A} now, and would go to peer {B}",
    ),
    "peer of a document": ("overlay_apply", {"interfaces": [{**WG0_FULL, "peers": PEERS[1:], "purge": True}]}, A),
    "way of the tunnel's packets": (
        "overlay_apply",
        {"ip_routes": [NOWHERE]},
        f"{OUTER} go dev eth0 now, and would go b",
    ),
}


@pytest.fixture
def tunnelled(host: ManagedHost, monkeypatch: pytest.MonkeyPatch) -> ManagedHost:
    host.make_key()
    assert host.module("wg_key", path=OTHER_KEY).changed
    assert host.module("overlay_apply", interfaces=[WG0_FULL]).changed
    monkeypatch.setenv("SSH_CONNECTION", f"{CONTROLLER} 50000 10.42.0.1 22")
    return host


def test_what_cuts_the_tunnel_that_it_comes_through_is_refused(tunnelled: ManagedHost) -> None:
    before = observe(tunnelled)
    for cut, (module, options, reason) in CUTS.items():
        failure = tunnelled.module(module, **options).failure
        assert reason in failure and "allow_management_change" in failure, cut
        assert observe(tunnelled) == before, cut
    endpoint = {"public_key": A, "endpoint": f"{OUTER}:51999", "persistent_keepalive": 25}
    assert tunnelled.module("wg_peer", interface="wg0", peers=[endpoint]).changed
    for module, options, _reason in (CUTS["peer"], CUTS["interface"]):
        assert tunnelled.module(module, **options, allow_management_change=True).changed


def test_a_tunnel_inside_a_tunnel_keeps_the_outer_one(tunnelled: ManagedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tunnelled.module("overlay_apply", interfaces=[WG1_FULL]).changed
    monkeypatch.setenv("SSH_CONNECTION", f"{FURTHER} 50000 10.43.0.1 22")
    before = observe(tunnelled)
    assert "would go" in tunnelled.module("overlay_apply", **GONE).failure
    assert f"{OUTER} go dev eth0" in tunnelled.module("overlay_apply", ip_routes=[NOWHERE]).failure
    assert f"packets to {CONTROLLER} go to peer {A}" in tunnelled.module(*CUTS["peer"][:1], **CUTS["peer"][1]).failure
    assert observe(tunnelled) == before
    assert tunnelled.module("overlay_apply", **GONE, allow_management_change=True).changed


LEARNED = """
echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
ip link add ra0 type veth peer name ra1; ip link set ra1 up
for name in accept_ra accept_ra_from_local; do echo 1 >/proc/sys/net/ipv6/conf/ra0/$name; done
ip link set ra0 up
cat >/run/advertise.py <<'.'
import socket, struct, time
advertise = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
advertise.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"ra1")
advertise.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
for _each in range(600):
    try:
        advertise.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0))
    except OSError:  # the link-local address is still being tried
        pass
    if "ra0" in [line.split()[-1] for line in open("/proc/net/ipv6_route") if line.startswith("0" * 32 + " 00 ")]:
        break
    time.sleep(0.1)
.
python3 /run/advertise.py
"""


def test_a_host_that_is_reached_by_a_router_it_listens_to_does_not_stop_listening(
    host: ManagedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.make_key()
    host.shell(LEARNED)
    assert "proto ra" in host.shell("ip -6 route show default dev ra0")
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8:77::9 50000 2001:db8:1::11 22")
    try:
        forwards = {"interfaces": [{**WG0, "sysctls": {"net.ipv6.conf.all.forwarding": 1}}]}
        failure = host.module("overlay_apply", **forwards).failure
        assert "dev ra0 now, and would go no route then" in failure and "accept_ra of that interface to 2" in failure
        assert "proto ra" in host.shell("ip -6 route show default dev ra0")
        host.shell("echo 2 >/proc/sys/net/ipv6/conf/ra0/accept_ra")
        assert host.module("overlay_apply", **forwards).changed
        assert "proto ra" in host.shell("ip -6 route show default dev ra0")
    finally:
        host.shell("echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
