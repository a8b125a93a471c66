# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible connects through the overlay itself: a change that would cut this connection is refused."""

from __future__ import annotations

from typing import Any

import pytest
from host_state import observe
from managed_host import ManagedHost, key

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

BLOCKED = [{"dir": "out", "src": "0.0.0.0/0", "dst": OUTER, "action": "block"}]
DROPPED = {"directions": ["in"], "networks": ["10.99.0.0/16"], "hosts": [OUTER], "ports": [51999], "mark": "0x1/0x1"}

_ADDRESS_LOST = "10.42.0.1, this host's address of the management connection, would be removed"

# By the lockout: the module, its options, and the message.
CUTS: dict[str, tuple[str, dict[str, Any], str]] = {
    "interface": (
        "wg_interface",
        {"interface": "wg0", "state": "absent"},
        _ADDRESS_LOST,
    ),
    "interface set down": (
        "wg_interface",
        {"interface": "wg0", "up": False},
        _ADDRESS_LOST,
    ),
    "address": (
        "wg_interface",
        {"interface": "wg0", "addresses": ["10.42.0.9/24"]},
        _ADDRESS_LOST,
    ),
    "key": ("wg_interface", {"interface": "wg0", "private_key_file": OTHER_KEY}, "another private key"),
    "peer": (
        "wg_peer",
        {"interface": "wg0", "peers": [], "purge": True},
        f"go to peer {A} now, and would go to no peer",
    ),
    "allowed IP": (
        "wg_peer",
        {"interface": "wg0", "peers": [{"public_key": B, "allowed_ips": [f"{CONTROLLER}/32"]}]},
        f"go to peer {A} now, and would go to peer {B}",
    ),
    "preshared key": (
        "wg_peer",
        {"interface": "wg0", "peers": [{"public_key": A, "preshared_key": key("new psk")}]},
        f"peer {A} would get another preshared key than the other end has",
    ),
    "peer of a document": ("overlay_apply", {"interfaces": [{**WG0_FULL, "peers": PEERS[1:], "purge": True}]}, A),
    "route of the tunnel's packets": (
        "ip_route",
        {"table": "main", "routes": [{"destination": OUTER, "type": "unreachable"}]},
        f"{OUTER} go dev eth0 now, and would go u",
    ),
    "rule for the tunnel's packets": (
        "ip_rule_fwmark",
        {"rules": [{"priority": 7000, "to": OUTER, "action": "blackhole"}]},
        f"{OUTER} go dev eth0 now, and would go b",
    ),
    "policy for the tunnel's packets": ("xfrm_policy", {"policies": BLOCKED}, f"management to {OUTER}"),
    "policy of a document": ("overlay_apply", {"xfrm_policies": {"policies": BLOCKED}}, f"management to {OUTER}"),
    "packet filter": (
        "overlay_apply",
        {"nftables": {"wg0": {"drop_plaintext": DROPPED}}},
        f"from {OUTER} would be dropped",
    ),
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


def test_lockout_through_the_overlay_is_refused(tunnelled: ManagedHost) -> None:
    before = observe(tunnelled)
    for cut, (module, options, reason) in CUTS.items():
        failure = tunnelled.module(module, **options).failure
        assert reason in failure and "allow_management_change" in failure, cut
        assert observe(tunnelled) == before, cut
    endpoint = {"public_key": A, "endpoint": f"{OUTER}:51999", "persistent_keepalive": 25}
    assert tunnelled.module("wg_peer", interface="wg0", peers=[endpoint]).changed
    for module, options, _reason in (CUTS["peer"], CUTS["interface"]):
        assert tunnelled.module(module, **options, allow_management_change=True).changed


@pytest.mark.parametrize("address", ["fd42::1", "10.44.0.1"])
def test_the_network_of_the_management_connection_stays_on_the_link(
    host: ManagedHost, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A shorter prefix takes the client off the link, a longer one does not. An IPv6 address is replaced for both."""
    wide, wider, narrow, client = {
        "fd42::1": ("fd42::1/56", "fd42::1/48", "fd42::1/64", "fd42:0:0:7::9"),
        "10.44.0.1": ("10.44.0.1/16", "10.44.0.1/8", "10.44.0.1/24", "10.44.7.9"),
    }[address]
    host.make_key()
    peer = {"public_key": A, "endpoint": f"{OUTER}:51820", "allowed_ips": [f"{client}/{128 if ':' in client else 32}"]}

    def with_address(text: str) -> Any:
        return host.apply(**{**WG0, "addresses": [text], "peers": [peer]})

    assert with_address(wide).changed
    monkeypatch.setenv("SSH_CONNECTION", f"{client} 50000 {address} 22")
    before = observe(host)
    assert "the management connection" in with_address(narrow).failure
    assert observe(host) == before
    assert with_address(wider).changed
    monkeypatch.delenv("SSH_CONNECTION")
    assert with_address(narrow).changed


def test_other_kernel_parameters_are_refused(tunnelled: ManagedHost) -> None:
    before = observe(tunnelled)
    # With disable_ipv6 the kernel removes addresses that no rollback restores.
    lost = {"temporary_sysctls": {"net.ipv6.conf.all.disable_ipv6": 1}}
    for allowed in (False, True):
        failure = tunnelled.module("overlay_apply", **lost, allow_management_change=allowed).failure
        assert "net/ipv6/conf/all/disable_ipv6 = 1, and a run that fails cannot restore them" in failure
    other = {"net.ipv4.conf.eth0.rp_filter": 1, "net.ipv4.icmp_echo_ignore_all": 1}
    for name, value in other.items():
        for options in ({"interfaces": [{**WG0, "sysctls": {name: value}}]}, {"temporary_sysctls": {name: value}}):
            failure = tunnelled.module("overlay_apply", **options).failure
            assert f"{name.replace('.', '/')} = {value}" in failure and "allow_management_change" in failure
    assert observe(tunnelled) == before
    needed = {"net.ipv4.conf.eth0.rp_filter": 2, "net.ipv4.conf.all.src_valid_mark": 1}
    assert tunnelled.module("overlay_apply", temporary_sysctls=needed).changed
    harmless = {**needed, "net.ipv4.icmp_echo_ignore_broadcasts": 0}
    assert tunnelled.module("overlay_apply", temporary_sysctls=harmless, allow_management_change=True).changed
    assert tunnelled.module("overlay_apply", temporary_sysctls={}).changed, "previous values are restored"


def test_outer_tunnel_of_the_management_connection_is_kept(
    tunnelled: ManagedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_router_advertisements_of_the_management_route_stay_enabled(
    host: ManagedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.make_key()
    host.shell(LEARNED)
    assert "proto ra" in host.shell("ip -6 route show default dev ra0")
    forwards = {"interfaces": [{**WG0, "sysctls": {"net.ipv6.conf.all.forwarding": 1}}]}
    said = host.module("overlay_apply", check_mode=True, **forwards).output  # another management connection
    assert "route through ra0 comes from router advert" in said and "set net.ipv6.conf.ra0.accept_ra=2 " in said
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8:77::9 50000 2001:db8:1::11 22")
    try:
        failure = host.module("overlay_apply", **forwards).failure
        assert "dev ra0 now, and would go no route then" in failure and "accept_ra of that interface to 2" in failure
        assert "proto ra" in host.shell("ip -6 route show default dev ra0")
        host.shell("echo 2 >/proc/sys/net/ipv6/conf/ra0/accept_ra")
        kept = host.module("overlay_apply", **forwards)
        assert kept.changed and "router advertisements" not in kept.output
        assert "proto ra" in host.shell("ip -6 route show default dev ra0")
    finally:
        host.shell("echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
