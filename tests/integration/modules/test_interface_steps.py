# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wg_interface in twelve steps, one case for each thing that can change, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from managed_host import ManagedHost, key
from twelve_steps import Case, take_twelve_steps

KEY_FILE = "/etc/wireguard/wg0.key"
KEYS = (("wg_key", {"path": KEY_FILE}), ("wg_key", {"path": "/etc/wireguard/next.key"}))
BASE: dict[str, Any] = {"name": "wg0", "userspace": True, "private_key_file": KEY_FILE}
GONE = {"name": "wg0", "state": "absent"}

DUAL = ["10.42.0.1/24", "fd42::1/64"]

# What the interface has at first, what it has then.
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
ON_BOTH_BACKENDS = ("everything",)


@pytest.mark.parametrize(
    "change", [pytest.param(name, marks=pytest.mark.both if name in ON_BOTH_BACKENDS else ()) for name in CHANGES]
)
def test_interface_takes_twelve_steps(host: ManagedHost, change: str) -> None:
    first, then = CHANGES[change]
    take_twelve_steps(host, Case("wg_interface", {**BASE, **first}, {**BASE, **then}, GONE, given=KEYS))


@pytest.mark.parametrize(
    ("meddle", "wanted"),
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
def test_what_somebody_else_changed_is_set_right(host: ManagedHost, meddle: str, wanted: dict[str, Any]) -> None:
    arguments = {**BASE, **wanted}
    take_twelve_steps(host, Case("wg_interface", arguments, arguments, GONE, given=KEYS, meddle=meddle))


def test_what_is_left_out_is_left_alone(host: ManagedHost) -> None:
    host.module("wg_key", path=KEY_FILE)
    host.module("wg_interface", **BASE, listen_port=51820, fwmark="5", mtu=1300, addresses=DUAL)
    before = host.wg_dump()
    assert not host.module("wg_interface", name="wg0").changed
    assert host.wg_dump() == before
    assert host.addresses() == set(DUAL)


def test_peers_and_their_sessions_are_left_alone(host: ManagedHost) -> None:
    host.module("wg_key", path=KEY_FILE)
    host.module("wg_interface", **BASE, listen_port=51820)
    host.run("wg", "set", "wg0", "peer", key("peer"), "allowed-ips", "10.42.0.9/32")
    assert host.module("wg_interface", **BASE, listen_port=51821, mtu=1300, addresses=DUAL).changed
    assert [peer[0] for peer in host.wg_dump()[1:]] == [key("peer")]


@pytest.mark.kernel
@pytest.mark.long
def test_threaded_napi_is_set_and_comes_back_at_boot(host: ManagedHost) -> None:
    def threaded() -> str:
        return host.run("cat", "/sys/class/net/wg0/threaded").strip()

    host.module("wg_key", path=KEY_FILE)
    host.module("wg_interface", **BASE)
    other = threaded() == "0"  # what a new one has is the choice of the kernel's release
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


def test_userspace_is_used_only_where_it_is_asked_for(host: ManagedHost, backend: str) -> None:
    if backend == "kernel":
        pytest.skip("the kernel serves the interface whether or not userspace is allowed")
    refused = host.module("wg_interface", name="wg0", up=False)
    assert "wireguard" in refused.failure
    assert host.link() is None
    assert host.module("wg_interface", name="wg0", userspace=True).changed
    assert not host.module("wg_interface", name="wg0", userspace=False).changed, "it is about making, not keeping"


def test_removed_userspace_interface_leaves_no_process(host: ManagedHost, backend: str) -> None:
    if backend == "kernel":
        pytest.skip("a kernel interface has no process")
    for _time in range(10):
        assert host.module("wg_interface", name="wg0", userspace=True).changed
        assert len(host.daemons()) == 1
        assert host.module("wg_interface", name="wg0", state="absent").changed
        assert host.daemons() == []
        assert "wg0.sock" not in host.run("ls", "/var/run/wireguard")


@pytest.mark.both
@pytest.mark.parametrize("kind", ["bridge", "veth"])
def test_link_of_another_kind_is_refused_and_never_removed(host: ManagedHost, kind: str) -> None:
    host.shell(f"ip link add wg0 type {kind}")
    before = host.link()
    for arguments in ({"userspace": True, "mtu": 1300}, {"state": "absent"}):
        assert f"kind {kind}" in host.module("wg_interface", name="wg0", **arguments).failure
    assert host.link() == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "a/b"}, ("name", "'a/b'")),
        ({"name": "sixteencharacter"}, ("name", "15 characters")),
        ({"name": "all"}, ("name", "'all'")),
        ({"listen_port": 65536}, ("listen_port", "65535")),
        ({"fwmark": "red"}, ("fwmark", "'red'")),
        ({"mtu": 100}, ("mtu", "576")),
        ({"mtu": 1279, "addresses": ["fd42::1/64"]}, ("mtu", "1280")),
        ({"addresses": ["10.42.0.1/33"]}, ("addresses", "10.42.0.1/33")),
        ({"addresses": ["224.0.0.1/24"]}, ("addresses", "multicast")),
        ({"private_key_file": "/etc/wireguard/absent.key"}, ("/etc/wireguard/absent.key", "wg_key")),
        ({"private_key_file": "/etc/hostname"}, ("/etc/hostname", "private key")),
    ],
)
def test_bad_input_is_refused_before_anything_changes(
    host: ManagedHost, wrong: dict[str, Any], words: tuple[str, ...]
) -> None:
    refused = host.module("wg_interface", **{"name": "wg0", "userspace": True, **wrong})
    assert all(word in refused.failure for word in words), refused.failure
    assert host.run("ls", "/sys/class/net").split() == ["eth0", "lo"]
