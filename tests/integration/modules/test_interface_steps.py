# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg_interface in twelve steps, one case for each option, and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from managed_host import ManagedHost, key
from twelve_steps import Case, take_twelve_steps

KEY_FILE = "/etc/wireguard/wg0.key"
KEYS = (("wg_key", {"path": KEY_FILE}), ("wg_key", {"path": "/etc/wireguard/next.key"}))
BASE: dict[str, Any] = {"interface": "wg0", "userspace": True, "private_key_file": KEY_FILE}
GONE = {"interface": "wg0", "state": "absent"}

DUAL = ["10.42.0.1/24", "fd42::1/64"]

# The first and the second state of the interface.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "port": ({"listen_port": 51820}, {"listen_port": 51821}),
    "port from any to a fixed one": ({"listen_port": 0}, {"listen_port": 51821}),
    "fwmark set in hexadecimal": ({}, {"fwmark": "0xca6c"}),
    "fwmark changed": ({"fwmark": "51820"}, {"fwmark": "0xffffffff"}),
    "fwmark cleared": ({"fwmark": "0xca6c"}, {"fwmark": "0"}),
    "mtu set": ({}, {"mtu": 1300}),
    "mtu changed": ({"mtu": 1280}, {"mtu": 1500}),
    "ipv4 address changed": ({"addresses": ["10.42.0.1/24"]}, {"addresses": ["10.42.0.2/24"]}),
    "ipv4 prefix length changed": ({"addresses": ["10.42.0.1/24"]}, {"addresses": ["10.42.0.1/16"]}),
    "ipv6 address changed": ({"addresses": ["fd42::1/64"]}, {"addresses": ["fd42::2/64"]}),
    "ipv6 prefix length shortened": ({"addresses": ["fd42::1/64"]}, {"addresses": ["fd42::1/56"]}),
    "ipv6 prefix length extended": ({"addresses": DUAL}, {"addresses": [DUAL[0], "fd42::1/128"]}),
    "link-local address added": ({"addresses": DUAL}, {"addresses": [*DUAL, "fe80::1/64"]}),
    "link-local address removed": ({"addresses": [*DUAL, "fe80::1/64"]}, {"addresses": DUAL}),
    "link-local address with another length": ({"addresses": ["fe80::1/64"]}, {"addresses": ["fe80::1/10"]}),
    "ipv6 address added": ({"addresses": DUAL[:1]}, {"addresses": DUAL}),
    "first of two in one prefix removed": (
        {"addresses": ["10.42.0.1/24", "10.42.0.2/24"]},
        {"addresses": ["10.42.0.2/24"]},
    ),
    "all addresses removed": ({"addresses": DUAL}, {"addresses": []}),
    "address of the whole host": ({"addresses": ["10.42.0.1"]}, {"addresses": ["10.42.0.1", "fd42::1"]}),
    "taken down": ({}, {"up": False}),
    "brought up": ({"up": False, "addresses": DUAL}, {"up": True, "addresses": DUAL}),
    "key changed": ({}, {"private_key_file": "/etc/wireguard/next.key"}),
    "key given later": ({"private_key_file": None}, {}),
    "everything": (
        {"listen_port": 51820, "addresses": DUAL, "mtu": 1420},
        {"listen_port": 51821, "addresses": ["10.43.0.1/24", "fd43::1/64"], "mtu": 1400, "fwmark": "7", "up": False},
    ),
}
ON_KERNEL = (pytest.mark.both, pytest.mark.long)


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=ON_KERNEL if name == "everything" else ()) for name in CHANGES]
)
def test_interface_takes_twelve_steps(host: ManagedHost, change: str) -> None:
    first, then = CHANGES[change]
    take_twelve_steps(host, Case("wg_interface", {**BASE, **first}, {**BASE, **then}, GONE, given=KEYS))


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("manual_change", "wanted"),
    [
        ("ip addr del 10.42.0.1/24 dev wg0", {"addresses": DUAL}),
        ("ip addr add 10.99.0.1/24 dev wg0", {"addresses": DUAL}),
        ("ip link set wg0 down", {"addresses": DUAL}),
        ("ip link set wg0 mtu 1300", {"mtu": 1420}),
        ("wg set wg0 listen-port 4000", {"listen_port": 51820}),
        ("wg set wg0 fwmark 9", {"fwmark": "0"}),
        ("ip link del wg0", {"addresses": DUAL, "listen_port": 51820}),
    ],
)
def test_foreign_changes_are_reverted(host: ManagedHost, manual_change: str, wanted: dict[str, Any]) -> None:
    arguments = {**BASE, **wanted}
    take_twelve_steps(host, Case("wg_interface", arguments, arguments, GONE, given=KEYS, manual_change=manual_change))


def test_options_that_are_left_out_are_not_changed(host: ManagedHost) -> None:
    host.module("wg_key", path=KEY_FILE)
    host.module("wg_interface", **BASE, listen_port=51820, fwmark="5", mtu=1300, addresses=DUAL)
    before = host.wg_dump()
    assert not host.module("wg_interface", interface="wg0").changed
    assert host.wg_dump() == before
    assert host.addresses() == set(DUAL)


def all_addresses(host: ManagedHost) -> set[str]:
    return {
        f"{a['local']}/{a['prefixlen']}"
        for a in json.loads(host.run("ip", "-j", "addr", "show", "wg0"))[0]["addr_info"]
    }


def test_addresses_that_are_left_out_survive_a_change_of_the_link(host: ManagedHost) -> None:
    host.make_key()
    host.module("wg_interface", **BASE, addresses=DUAL)
    host.run("ip", "addr", "add", "fe80::77/64", "dev", "wg0")
    host.run("ip", "addr", "add", "fd42::9/64", "dev", "wg0", "noprefixroute")
    before = all_addresses(host)
    routes = host.run("ip", "-6", "route", "show", "dev", "wg0")
    assert {*DUAL, "fe80::77/64", "fd42::9/64"} <= before
    assert host.module("wg_interface", **BASE, up=False).changed
    assert {*DUAL, "fe80::77/64", "fd42::9/64"} <= all_addresses(host)
    assert not host.module("wg_interface", **BASE, up=False).changed
    assert host.module("wg_interface", **BASE, up=True).changed
    assert all_addresses(host) == before
    assert host.run("ip", "-6", "route", "show", "dev", "wg0") == routes
    assert "noprefixroute" in host.run("ip", "addr", "show", "wg0", "to", "fd42::9")


def test_an_mtu_that_would_remove_ipv6_addresses_is_refused(host: ManagedHost) -> None:
    host.make_key()
    host.module("wg_interface", **BASE, addresses=DUAL, mtu=1420)
    for check_mode in (True, False):
        refused = host.module("wg_interface", check_mode=check_mode, **BASE, mtu=1200)
        assert "below 1280" in refused.failure and "fd42::1/64" in refused.failure
    assert host.addresses() == set(DUAL)
    assert host.module("wg_interface", **BASE, mtu=1200, addresses=DUAL[:1]).changed
    assert host.addresses() == {DUAL[0]}
    assert "1200" in host.module("wg_interface", **BASE, addresses=DUAL).failure
    assert host.module("wg_interface", **BASE, mtu=1420, addresses=DUAL).changed
    assert host.addresses() == set(DUAL)


def test_routes_that_go_with_the_link_are_shown(host: ManagedHost) -> None:
    host.make_key()
    host.module("wg_interface", **BASE, addresses=DUAL)
    host.run("ip", "route", "add", "10.99.0.0/16", "dev", "wg0", "table", "77", "proto", "static")
    host.run("ip", "-6", "route", "add", "fd99::/64", "dev", "wg0", "proto", "87")
    for check_mode in (True, False):
        down = host.module("wg_interface", check_mode=check_mode, **BASE, up=False)
        assert down.changed
        for text in ("10.99.0.0/16 dev wg0 table 77", "fd99::/64 dev wg0 table 254"):
            assert text in str(down.data["warnings"]) and text in str(down.diff)
    assert "warnings" not in host.module("wg_interface", **BASE, up=True).data


def test_link_local_addresses_of_others_stay(host: ManagedHost) -> None:
    host.make_key()
    host.module("wg_interface", **BASE, addresses=[*DUAL, "fe80::1/64"])
    host.run("ip", "addr", "add", "fe80::77/64", "dev", "wg0")
    made = all_addresses(host) - {*DUAL, "fe80::1/64"}
    assert not host.module("wg_interface", **BASE, addresses=[*DUAL, "fe80::1/64"]).changed
    assert host.module("wg_interface", **BASE, addresses=DUAL).changed
    assert all_addresses(host) == {*DUAL} | made and "fe80::77/64" in made


def test_peers_and_their_sessions_are_not_changed(host: ManagedHost) -> None:
    host.module("wg_key", path=KEY_FILE)
    host.module("wg_interface", **BASE, listen_port=51820)
    host.run("wg", "set", "wg0", "peer", key("peer"), "allowed-ips", "10.42.0.9/32")
    assert host.module("wg_interface", **BASE, listen_port=51821, mtu=1300, addresses=DUAL).changed
    assert [peer[0] for peer in host.wg_dump()[1:]] == [key("peer")]


@pytest.mark.kernel
@pytest.mark.long
def test_threaded_napi_is_set_and_persists(host: ManagedHost) -> None:
    def threaded() -> str:
        return host.run("cat", "/sys/class/net/wg0/threaded").strip()

    host.module("wg_key", path=KEY_FILE)
    host.module("wg_interface", **BASE)
    other = threaded() == "0"  # the default depends on the kernel's release
    early = host.module("wg_interface", **BASE, threaded_napi=other)
    assert not early.changed and "where there is a peer" in str(early.data["warnings"])
    host.run("wg", "set", "wg0", "peer", key("peer"))
    for value in (other, not other):
        looked = host.module("wg_interface", check_mode=True, **BASE, threaded_napi=value)
        assert looked.changed and looked.diff["after"]["wg0"]["interface"]["threaded_napi"] is value, looked
        assert threaded() != str(int(value))
        assert host.module("wg_interface", **BASE, threaded_napi=value).changed
        assert threaded() == str(int(value))
        again = host.module("wg_interface", **BASE, threaded_napi=value)
        assert not again.changed and not again.data.get("warnings")
        assert host.module("wg_info", interface="wg0").data["interfaces"][0]["threaded_napi"] is value
    host.module("wg_interface", **GONE)
    document = {
        "name": "wg0",
        "persistence": "wg_quick",
        "peers": [{"public_key": key("peer")}],
        "threaded_napi": other,
    }
    assert host.module("overlay_apply", interfaces=[document]).changed
    assert threaded() == str(int(other))
    host.shell("ip link del wg0; wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1")
    assert threaded() == str(int(other))
    assert not host.module("overlay_apply", interfaces=[document]).changed


def test_threaded_napi_without_the_kernels_wireguard_is_a_warning(host: ManagedHost, backend: str) -> None:
    if backend == "kernel":
        pytest.skip("the kernel's WireGuard has it")
    host.module("wg_key", path=KEY_FILE)
    for changed in (True, False):
        done = host.module("wg_interface", **BASE, threaded_napi=True)
        assert done.changed == changed and "wireguard-go does not use NAPI" in str(done.data["warnings"])
    assert host.module("wg_info", interface="wg0").data["interfaces"][0]["threaded_napi"] is False


@pytest.mark.both
def test_key_that_is_not_clamped_is_idempotent(host: ManagedHost) -> None:
    host.write(KEY_FILE, "/" * 42 + "8=\n")  # every bit is set, also those that X25519 clears
    first = host.module("wg_interface", **BASE)
    assert first.changed
    assert first.data["public_key"] == host.run("sh", "-c", f"wg pubkey <{KEY_FILE}").strip()
    assert not host.module("wg_interface", **BASE).changed


def test_wireguard_go_is_used_only_if_allowed(host: ManagedHost, backend: str) -> None:
    if backend == "kernel":
        pytest.skip("the kernel serves the interface whether or not userspace is allowed")
    refused = host.module("wg_interface", interface="wg0", up=False)
    assert "wireguard" in refused.failure
    assert host.link() is None
    assert host.module("wg_interface", interface="wg0", userspace=True).changed
    assert not host.module("wg_interface", interface="wg0", userspace=False).changed, "it is about making, not keeping"


@pytest.mark.slow
def test_a_removed_userspace_interface_leaves_no_process(host: ManagedHost, backend: str) -> None:
    if backend == "kernel":
        pytest.skip("a kernel interface has no process")
    for _time in range(10):
        assert host.module("wg_interface", interface="wg0", userspace=True).changed
        assert len(host.daemons()) == 1
        assert host.module("wg_interface", interface="wg0", state="absent").changed
        assert host.daemons() == []
        assert "wg0.sock" not in host.run("ls", "/var/run/wireguard")


@pytest.mark.both
@pytest.mark.parametrize("kind", ["bridge", "veth"])
def test_link_of_another_kind_is_refused_and_never_removed(host: ManagedHost, kind: str) -> None:
    host.shell(f"ip link add wg0 type {kind}")
    before = host.link()
    for arguments in ({"userspace": True, "mtu": 1300}, {"state": "absent"}):
        assert f"kind {kind}" in host.module("wg_interface", interface="wg0", **arguments).failure
    assert host.link() == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"interface": "a/b"}, ("interface", "'a/b'")),
        ({"interface": "sixteencharacter"}, ("interface", "15 characters")),
        ({"interface": "all"}, ("interface", "'all'")),
        ({"listen_port": 65536}, ("listen_port", "65535")),
        ({"fwmark": "red"}, ("fwmark", "'red'")),
        ({"mtu": 100}, ("mtu", "576")),
        ({"mtu": 1279, "addresses": ["fd42::1/64"]}, ("mtu", "1280")),
        ({"addresses": ["10.42.0.1/33"]}, ("addresses", "10.42.0.1/33")),
        ({"addresses": ["224.0.0.1/24"]}, ("addresses", "multicast")),
        ({"addresses": ["fd42::1/64", "fd42::1/128"]}, ("addresses", "fd42::1 more than once")),
        ({"private_key_file": "/etc/wireguard/absent.key"}, ("/etc/wireguard/absent.key", "wg_key")),
        ({"private_key_file": "/etc/hostname"}, ("/etc/hostname", "private key")),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    host: ManagedHost, wrong: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused = host.module("wg_interface", **{"interface": "wg0", "userspace": True, **wrong})
    assert all(word in refused.failure for word in words), refused.failure
    assert host.run("ls", "/sys/class/net").split() == ["eth0", "lo"]
