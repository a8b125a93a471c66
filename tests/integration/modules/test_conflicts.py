# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Foreign objects are refused and kept; only manual changes of managed objects are reverted."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from host_state import comparable, observe
from managed_host import ManagedHost, key, wait_until

PORT, OTHER_PORT = 51820, 51999
A, B = key("peer a"), key("peer b")
ALPHA = {
    "name": "alpha",
    "public_key": A,
    "allowed_ips": ["10.42.0.2/32", "10.77.0.0/16", "fd77::/48"],
    "endpoint": "198.51.100.2:51820",
    "persistent_keepalive": 0,
}
BETA = {"name": "beta", "public_key": B, "allowed_ips": ["10.42.0.3/32"]}
WANTED: dict[str, Any] = {
    "userspace": True,
    "listen_port": PORT,
    "fwmark": 0,
    "mtu": 1400,
    "addresses": ["10.42.0.1/24", "fd42::1/64"],
    "purge": True,
    "peers": [ALPHA, BETA],
}


@pytest.fixture
def host(host: ManagedHost) -> ManagedHost:
    host.make_key()
    return host


def refused(host: ManagedHost, **changes: Any) -> str:
    """Run a change that must be refused, with and without check mode; returns the message."""
    before = observe(host)
    wanted = {"name": "wg0", **WANTED, **changes}
    for check_mode in (True, False):
        result = host.module("overlay_apply", check_mode=check_mode, interfaces=[wanted])
        message = result.failure
        assert observe(host) == before, f"check mode {check_mode}: {message}"
    return message


@pytest.mark.both
@pytest.mark.long
def test_a_taken_port_prevents_a_new_interface(host: ManagedHost) -> None:
    with host.taken_port(PORT):
        message = refused(host)
        assert "in use" in message and "wg0" in message and str(PORT) in message
        assert host.daemons() == []
    assert host.apply(**WANTED).changed, "and is made as soon as the port is free"


def test_a_taken_port_prevents_a_change(host: ManagedHost) -> None:
    assert host.apply(**WANTED, persistence="wg_quick").changed
    before = observe(host)
    others = {"listen_port": OTHER_PORT, "mtu": 1300, "addresses": ["10.43.0.1/24"], "peers": [BETA], "fwmark": 5}
    with host.taken_port(OTHER_PORT):
        for changes in ({"listen_port": OTHER_PORT}, others):
            message = host.apply(**{**WANTED, **changes}, persistence="wg_quick").failure
            assert "in use" in message and "wg0" in message and str(OTHER_PORT) in message
            assert observe(host) == before
    assert host.apply(**{**WANTED, **others}, persistence="wg_quick").changed


@pytest.mark.both
@pytest.mark.long
def test_an_interface_stays_down_if_its_port_was_taken(host: ManagedHost, backend: str) -> None:
    if backend == "userspace":
        pytest.skip("wireguard-go keeps its port while its interface is down")
    assert host.apply(**WANTED, up=False).changed
    with host.taken_port(PORT):
        assert "in use" in refused(host) and str(PORT) in refused(host)
    assert host.apply(**WANTED).changed


@pytest.mark.parametrize("kind", ["bridge", "veth"])
def test_an_interface_of_another_kind_is_refused_and_kept(host: ManagedHost, kind: str) -> None:
    host.shell(f"ip link add wg0 type {kind}; ip addr add 10.1.1.1/24 dev wg0; ip link set wg0 up mtu 1444")
    for changes in ({}, {"adopt": True}):
        assert f"kind {kind}" in refused(host, **changes)
    before = observe(host)
    assert f"kind {kind}" in host.module("overlay_apply", interfaces=[{"name": "wg0", "state": "absent"}]).failure
    assert observe(host) == before


def create_foreign_device(host: ManagedHost) -> None:
    """Create an unmanaged WireGuard interface with a key, a peer and an address."""
    host.shell(
        """
        ip link add wg0 type wireguard 2>/dev/null || LOG_LEVEL= wireguard-go wg0 >/dev/null 2>&1 </dev/null
        wg genkey >/root/foreign.key
        wg set wg0 private-key /root/foreign.key listen-port 4000
        wg set wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.9.9.0/24
        ip addr add 10.1.1.1/24 dev wg0
        ip link set wg0 up
        rm /root/foreign.key
        """
    )


def test_an_unmanaged_wireguard_interface_is_refused_unless_adopted(host: ManagedHost) -> None:
    create_foreign_device(host)
    assert "is not managed by this collection" in refused(host) and "adopt" in refused(host)
    before = observe(host)
    gone = host.module("overlay_apply", interfaces=[{"name": "wg0", "state": "absent"}])
    assert "is not managed by this collection" in gone.failure
    assert observe(host) == before
    (foreign_peer,) = host.run("wg", "show", "wg0", "peers").split()

    kept = {**WANTED, "adopt": True, "purge": False}
    for said in ("listens on 4000", "the address 10.1.1.1/24", "remove that file"):
        assert said in refused(host, adopt=True, purge=False)
    kept["adopt_allow_loss"] = True
    assert host.apply(**kept).changed
    assert set(host.run("wg", "show", "wg0", "peers").split()) == {A, B, foreign_peer}
    link = host.link()
    assert link is not None and link["ifalias"] == "wirewright.overlay"
    assert not host.apply(**{**kept, "adopt": False, "adopt_allow_loss": False}).changed, "it is ours now"
    assert host.apply(**WANTED).changed
    assert set(host.run("wg", "show", "wg0", "peers").split()) == {A, B}


@pytest.mark.parametrize(
    "route",
    [
        "10.77.0.0/16 via 192.0.2.99",
        "10.77.0.0/16 via 192.0.2.99 metric 20",
        pytest.param("fd77::/48 via 2001:db8:1::99 metric 1024"),
        "fd77::/48 via 2001:db8:1::99 metric 2000",
        "10.77.0.0/16 dev eth0",
    ],
)
def test_a_foreign_route_is_refused_and_kept(host: ManagedHost, route: str) -> None:
    host.shell(f"ip route add {route} proto 99")
    try:
        assert route.split()[0] in refused(host)
        assert host.link() is None
        assert host.apply(**{**WANTED, "peers": [{**ALPHA, "allowed_ips": ["10.42.0.2/32"]}, BETA]}).changed
        assert route.split()[0] in refused(host)
        assert host.apply(**WANTED, routes_except=[route.split()[0]]).changed
    finally:
        host.shell(f"ip route del {route} proto 99")
    assert host.apply(**WANTED).changed


def test_a_foreign_route_that_comes_first_is_no_conflict(host: ManagedHost) -> None:
    """The overlay is then the second path."""
    host.shell("ip route add 10.77.0.0/16 via 192.0.2.99 proto 99 metric 20")
    try:
        assert host.apply(**WANTED, route_metric=100).changed
        assert "dev eth0" in host.run("ip", "route", "get", "10.77.0.1")
    finally:
        host.shell("ip route del 10.77.0.0/16 proto 99")
    assert "dev wg0" in host.run("ip", "route", "get", "10.77.0.1")


def test_a_route_that_takes_the_endpoint_of_a_peer_is_refused(host: ManagedHost) -> None:
    looped = {**WANTED, "peers": [{**ALPHA, "allowed_ips": ["198.51.100.0/24"]}, BETA]}
    for already in (False, True):
        if already:
            assert host.apply(**WANTED).changed, "then the endpoint is read from the kernel"
        assert "198.51.100.2:51820, the endpoint of alpha on wg0, is inside 198.51.100.0/24" in refused(host, **looped)
    host.shell("ip route add 198.51.100.0/28 via 192.0.2.99 proto 99")
    try:
        assert host.apply(**looped).changed, "the host has a longer route"
    finally:
        host.shell("ip route flush proto 99")


def test_a_foreign_route_through_a_managed_interface_is_refused_and_kept(host: ManagedHost) -> None:
    assert host.apply(**{**WANTED, "routes": False}).changed
    host.shell("ip route add 10.77.0.0/16 dev wg0 proto 99")
    assert "10.77.0.0/16" in refused(host)
    host.shell("ip route del 10.77.0.0/16 dev wg0 proto 99; ip route add 10.78.0.0/16 dev wg0 proto 99")
    assert host.apply(**WANTED).changed
    assert host.apply(**{**WANTED, "peers": []}).changed
    assert "10.78.0.0/16" in host.run("ip", "route", "show", "proto", "99")


def test_foreign_routes_of_other_lengths_are_no_conflict(host: ManagedHost) -> None:
    wider = ("10.76.0.0/15", "10.77.3.0/24")
    for prefix in wider:
        host.shell(f"ip route add {prefix} via 192.0.2.99 proto 99")
    assert host.apply(**WANTED).changed
    assert host.module("overlay_apply", interfaces=[{"name": "wg0", "state": "absent"}]).changed
    for prefix in wider:
        assert prefix in host.run("ip", "route", "show", "proto", "99")


def test_a_foreign_address_is_removed_only_if_addresses_are_listed(host: ManagedHost) -> None:
    assert host.apply(**WANTED).changed
    host.shell("ip addr add 10.99.0.1/24 dev wg0; ip addr add fd99::1/64 dev wg0; ip addr add fe80::99/64 dev wg0")
    unlisted = {name: value for name, value in WANTED.items() if name != "addresses"}
    assert not host.apply(**unlisted).changed
    assert {"10.99.0.1/24", "fd99::1/64"} < host.addresses()
    purged = host.apply(**WANTED)
    assert purged.data["interfaces"]["wg0"]["addresses"] == {"created": 0, "updated": 0, "deleted": 2}
    assert host.addresses() == set(WANTED["addresses"])
    assert "fe80::99/64" in host.run("ip", "addr", "show", "dev", "wg0"), "link-local addresses are not purged"


@pytest.mark.parametrize(
    "path", ["/etc/wireguard/wg0.conf", "/etc/systemd/network/50-wirewright-wg0.network", "/etc/sysctl.d/90-wirewright-wg0.conf"]
)  # fmt: skip
def test_a_foreign_file_is_refused_and_kept(host: ManagedHost, path: str) -> None:
    host.write(path, "[Interface]\nListenPort = 1\n", mode="644")
    method = "networkd" if "systemd" in path else "wg_quick"
    assert path in refused(host, persistence=method, sysctls={"net.ipv4.ip_forward": 1})


class Monitor:
    """What `ip monitor` reports of links, addresses and routes of wg0 while a module runs."""

    # A marker change shows that it listens, and another one that it has reported everything.
    FIRST, LAST = "198.18.0.1", "198.18.0.2"

    def __init__(self, host: ManagedHost) -> None:
        self.host = host
        self.lines: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        argv = [*self.host.lab.enter(self.host.name), "ip", "-o", "monitor", "link", "address", "route"]
        log = self.host.lab.path / "monitor"
        with open(log, "w") as sink, subprocess.Popen(argv, stdout=sink, text=True) as monitor:
            try:
                self._report(log, self.FIRST)
                yield
                self._report(log, self.LAST)
            finally:
                monitor.terminate()
        text = log.read_text()
        reported_lines = text[text.rindex(self.FIRST) : text.index(self.LAST)].splitlines()[1:]
        self.lines = [line for line in reported_lines if "wg0" in line]

    def _report(self, log: Any, address: str) -> None:
        def seen() -> bool:
            self.host.shell(f"ip addr add {address}/32 dev lo; ip addr del {address}/32 dev lo")
            return f"Deleted broadcast {address}" in log.read_text() or f"Deleted local {address}" in log.read_text()

        wait_until(seen, "ip monitor reports")


# Manual changes: the sections of the diff of the next run, and the objects that `ip monitor` may report.
MANUAL_CHANGES: dict[str, tuple[str, set[str], str]] = {
    "peer deleted": (f"wg set wg0 peer {A} remove", {"peers"}, ""),
    "peer added": (f"wg set wg0 peer {key('c')} allowed-ips 10.9.0.0/16", {"peers"}, ""),
    "allowed ips changed": (f"wg set wg0 peer {A} allowed-ips 10.9.0.0/16", {"peers"}, ""),
    "keepalive set": (f"wg set wg0 peer {A} persistent-keepalive 1000", {"peers"}, ""),
    "preshared key set": (f"wg genpsk >/run/psk; wg set wg0 peer {B} preshared-key /run/psk", {"peers"}, ""),
    "port changed": ("wg set wg0 listen-port 4000", {"interface"}, ""),
    "fwmark set": ("wg set wg0 fwmark 9", {"interface"}, ""),
    "key changed": ("wg genkey >/run/key; wg set wg0 private-key /run/key", {"interface"}, ""),
    # The kernel takes the routes of a family away with its last address.
    "ipv4 address deleted": ("ip addr del 10.42.0.1/24 dev wg0", {"addresses", "routes"}, "10\\.(42|77)\\.0\\."),
    "ipv6 address deleted": ("ip addr del fd42::1/64 dev wg0", {"addresses"}, "fd42::|multicast|anycast"),
    "address added": ("ip addr add 10.99.0.1/24 dev wg0", {"addresses"}, "10.99.0."),
    "mtu changed": ("ip link set wg0 mtu 1300", {"interface"}, "mtu 1400"),
    "ipv4 route deleted": ("ip route del 10.77.0.0/16", {"routes"}, "10.77.0.0/16"),
    "ipv6 route deleted": ("ip route del fd77::/48", {"routes"}, "fd77::/48"),
    "route of ours added": ("ip route add 10.78.0.0/16 dev wg0 proto 87", {"routes"}, "10.78.0.0/16"),
    "taken down": ("ip link set wg0 down", {"interface", "routes", "addresses"}, "."),
    "deleted": ("ip link del wg0", {"interface", "peers", "addresses", "routes"}, "."),
    "boot file changed": ("sed -i s/51820/51821/ /etc/wireguard/wg0.conf", {"files"}, ""),
    "boot file deleted": ("rm /etc/wireguard/wg0.conf", {"files"}, ""),
    "boot file opened to all": ("chmod 644 /etc/wireguard/wg0.conf", {"files"}, ""),
    "parameter changed": ("echo 0 >/proc/sys/net/ipv4/ip_forward", {"sysctls"}, ""),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("manual_change", MANUAL_CHANGES)
def test_manual_changes_are_reverted_and_nothing_else(host: ManagedHost, manual_change: str) -> None:
    script, sections, reported = MANUAL_CHANGES[manual_change]
    wanted = {**WANTED, "persistence": "wg_quick", "sysctls": {"net.ipv4.ip_forward": 1}}
    assert host.apply(**wanted).changed
    whole = comparable(observe(host))
    host.shell(script)
    assert comparable(observe(host)) != whole
    monitor = Monitor(host)
    with monitor.watching():
        repaired = host.apply(**wanted)
    assert repaired.changed
    sides = repaired.diff.values()
    described = {section for side in sides for section in side.get("wg0", {})}
    described |= {"files" for side in sides for subject in side if subject.startswith("/")}
    assert described <= sections and described, repaired.diff
    assert comparable(observe(host)) == whole

    assert [line for line in monitor.lines if not reported or not re.search(reported, line)] == []
    assert bool(monitor.lines) is bool(reported)
    assert not host.apply(**wanted).changed
