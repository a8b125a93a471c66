# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""overlay_apply in twelve steps, one case for each option of an interface."""

from __future__ import annotations

from typing import Any

import pytest
from host_state import observe
from managed_host import ManagedHost, key
from twelve_steps import Case, take_twelve_steps

KEY_FILE = "/etc/wireguard/wg0.key"
KEYS = (("wg_key", {"path": KEY_FILE}), ("wg_key", {"path": "/etc/wireguard/next.key"}))
DUAL = ["10.42.0.1/24", "fd42::1/64"]
A, B = key("peer a"), key("peer b")
ALPHA = {"name": "alpha", "public_key": A, "allowed_ips": ["10.42.0.2/32"], "endpoint": "192.0.2.50:51820"}
BETA = {"name": "beta", "public_key": B, "allowed_ips": ["10.42.0.3/32", "10.77.0.0/16", "fd77::/48"]}
BASE: dict[str, Any] = {
    "name": "wg0",
    "userspace": True,
    "listen_port": 51820,
    "mtu": 1420,
    "addresses": DUAL,
    "purge": True,
    "peers": [ALPHA],
}


def document(psks: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """Return the module's arguments for wg0, or for the named interfaces."""
    return {"interfaces": [{**BASE, **changes}], "preshared_keys": {"wg0": psks or {}}}


GONE = {"interfaces": [{"name": "wg0", "state": "absent"}]}
FORWARDING = {"net.ipv4.ip_forward": 1}

# The first and the second document.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "port": (document(), document(listen_port=51821)),
    "fwmark set": (document(), document(fwmark="0xca6c")),
    "fwmark cleared": (document(fwmark=7), document(fwmark=0)),
    "mtu": (document(), document(mtu=1300)),
    "addresses": (document(), document(addresses=["10.42.0.9/24", "fd42::9/64"])),
    "address left out and network with it": (document(), document(addresses=DUAL[:1])),
    "key": (document(), document(private_key_file="/etc/wireguard/next.key")),
    "taken down": (document(peers=[BETA]), document(peers=[BETA], up=False)),
    "brought up": (document(peers=[BETA], up=False), document(peers=[BETA])),
    "peer added": (document(), document(peers=[ALPHA, BETA])),
    "peer removed": (document(peers=[ALPHA, BETA]), document()),
    "peer replaced": (document(), document(peers=[BETA])),
    "last peer removed": (document(), document(peers=[])),
    "peer's endpoint": (document(), document(peers=[{**ALPHA, "endpoint": "[2001:db8:1::50]:51820"}])),
    "peer's keepalive": (document(), document(peers=[{**ALPHA, "persistent_keepalive": 25}])),
    "peer's name": (document(), document(peers=[{**ALPHA, "name": "omega"}])),
    "network added behind a peer": (document(), document(peers=[{**ALPHA, "allowed_ips": ["10.42.0.2", "10.9.0.0/16"]}])),
    "network moves to another peer": (
        document(peers=[{**ALPHA, "allowed_ips": ["10.9.0.0/16"]}, {**BETA, "allowed_ips": []}]),
        document(peers=[{**ALPHA, "allowed_ips": []}, {**BETA, "allowed_ips": ["10.9.0.0/16"]}]),
    ),
    "network becomes on-link": (
        document(addresses=["10.42.0.1/32"]),
        document(addresses=["10.42.0.1/24"]),
    ),
    "routes switched off": (document(peers=[BETA]), document(peers=[BETA], routes=False)),
    "metric of the routes": (document(peers=[BETA], route_metric=100), document(peers=[BETA], route_metric=200)),
    "metric of the routes taken off, with wg-quick": (
        document(peers=[BETA], route_metric=100, persistence="wg_quick"),
        document(peers=[BETA], persistence="wg_quick"),
    ),
    "preshared key set": (document(), document({A: key("psk 1")})),
    "preshared key changed": (document({A: key("psk 1")}), document({A: key("psk 2")})),
    "preshared key cleared": (document({A: key("psk 1")}), document()),
    "peer revoked": (document(peers=[ALPHA, BETA]), document(peers=[ALPHA], revoked={B: "beta"})),
    "sysctl": (document(), document(sysctls=FORWARDING)),
    "inventory name": (document(), document(inventory_name="gamma")),
    "boot files of wg-quick added": (document(), document(persistence="wg_quick")),
    "boot files of wg-quick removed": (document(persistence="wg_quick"), document()),
    "boot files of networkd added": (document(), document(persistence="networkd")),
    "boot method changed": (
        document({A: key("psk 1")}, persistence="networkd", sysctls=FORWARDING),
        document({A: key("psk 1")}, persistence="wg_quick", sysctls=FORWARDING),
    ),
    "everything, with wg-quick": (
        document({A: key("psk 1")}, persistence="wg_quick", peers=[ALPHA, BETA]),
        document(
            {A: key("psk 2"), B: key("psk 3")},
            persistence="wg_quick",
            listen_port=51821,
            mtu=1380,
            fwmark=9,
            addresses=["10.43.0.1/24", "fd43::1/64"],
            peers=[{**ALPHA, "endpoint": "192.0.2.51:1", "persistent_keepalive": 9}, {**BETA, "allowed_ips": []}],
            sysctls=FORWARDING,
        ),
    ),
    "everything, with networkd": (
        document({A: key("psk 1")}, persistence="networkd", peers=[ALPHA, BETA]),
        document(
            {B: key("psk 3")},
            persistence="networkd",
            listen_port=51821,
            mtu=1380,
            fwmark=9,
            addresses=["10.43.0.1/24", "fd43::1/64"],
            peers=[{**BETA, "allowed_ips": ["10.9.0.0/16"]}],
        ),
    ),
    "second interface added": (
        document(),
        {
            "interfaces": [
                BASE,
                {**BASE, "name": "wg1", "listen_port": 51999, "addresses": ["10.50.0.1/24"], "peers": [],
                 "private_key_file": "/etc/wireguard/next.key"},
            ]
        },
    ),
}  # fmt: skip


@pytest.mark.sampled(6)
@pytest.mark.parametrize("change", CHANGES)
def test_interface_takes_twelve_steps(host: ManagedHost, change: str) -> None:
    first, then = CHANGES[change]
    gone = GONE
    if len(then["interfaces"]) > 1:
        gone = {"interfaces": [*GONE["interfaces"], {"name": "wg1", "state": "absent"}]}
    take_twelve_steps(host, Case("overlay_apply", first, then, gone, given=KEYS))
    assert host.link() is None and host.link("wg1") is None
    left = "find /etc/wireguard /etc/systemd/network /etc/sysctl.d /var/lib -newer /run/began -type f"
    assert sorted(host.shell(left).split()) == ["/etc/wireguard/next.key", KEY_FILE], "only keys outlive an interface"
    assert host.shell("ls -d /var/lib/wirewright.overlay 2>/dev/null || :") == ""


@pytest.fixture
def host(host: ManagedHost) -> ManagedHost:
    host.shell("mkdir -p /etc/systemd/network /var/lib/wirewright.overlay; touch -d '-1 second' /run/began")
    return host


def test_the_key_is_removed_with_the_interface_on_request(host: ManagedHost) -> None:
    gone = {"interfaces": [{"name": "wg0", "state": "absent", "remove_private_key": True}]}
    take_twelve_steps(host, Case("overlay_apply", document(), document(mtu=1300), gone, given=KEYS[:1]))
    assert host.shell("ls -A /etc/wireguard") == ""


def test_options_that_are_left_out_are_not_changed(host: ManagedHost) -> None:
    host.make_key()
    everything = {"fwmark": 7, "mtu": 1300, "peers": [ALPHA, BETA]}
    assert host.module("overlay_apply", **document(**everything)).changed
    before = observe(host)
    assert not host.module("overlay_apply", interfaces=[{"name": "wg0"}]).changed
    assert observe(host) == before


def test_all_errors_are_reported_at_once_without_a_change(host: ManagedHost) -> None:
    host.make_key()
    wrong = [
        {**BASE, "listen_port": 70000, "color": "red"},
        {**BASE, "name": "wg1", "peers": [{**ALPHA, "public_key": "short"}, {**BETA, "allowed_ips": ["10.1.0.5/16"]}]},
    ]
    message = host.module("overlay_apply", interfaces=wrong).failure
    for word in ("listen_port", "color", "wg1", "public_key", "10.1.0.0/16"):
        assert word in message
    assert host.run("ls", "/sys/class/net").split() == ["eth0", "lo"]


def test_an_invalid_second_interface_prevents_changes_to_the_first(host: ManagedHost) -> None:
    host.make_key()
    host.make_key("wg1")
    host.shell("ip link add wg1 type bridge")
    second = {**BASE, "name": "wg1", "listen_port": 51999, "addresses": ["10.50.0.1/24"], "peers": []}
    assert "kind bridge" in host.module("overlay_apply", interfaces=[BASE, second]).failure
    assert host.link() is None
