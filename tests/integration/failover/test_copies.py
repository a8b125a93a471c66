# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies equal the routes, are replaced in one step, and never replace foreign routes."""

from __future__ import annotations

import os
import runpy
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from types import SimpleNamespace

import pytest
from managed_host import wait_until
from nat import Internet, Node
from two_hubs import NETWORKS, TwoHubs
from watcher import PROGRAM, Installed

failover = SimpleNamespace(**runpy.run_path(str(PROGRAM)))


def test_copies_follow_the_routes_while_the_second_hub_is_active(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration(tables=["main", 200]))
    with installed.watching(net.spoke.start):
        net.cut(1)
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
        for number, device in enumerate(net.devices, 1):
            for route in ("10.60.0.0/24", "fd60::/64", "10.70.0.0/24 table 200", "10.80.0.0/24 table 300"):
                net.spoke.ip(f"route add {route} dev {device} proto 87 metric {100 * number}")
        more = {*NETWORKS, "10.60.0.0/24", "fd60::/64", "10.70.0.0/24"}
        wait_until(lambda: net.copied(2) == more, "new routes are copied, in tables that were named")
        assert {route.get("table") for route in net.routes(88)} == {None, "200"}
        for device in net.devices:
            net.spoke.ip(f"route delete 10.60.0.0/24 dev {device} proto 87")
        wait_until(lambda: net.copied(2) == more - {"10.60.0.0/24"}, "the copy of a removed route is removed")


@pytest.mark.parametrize("options, left", [([], set(NETWORKS)), (["--clear"], set())], ids=["as it is", "--clear"])
def test_copies_after_a_stop(net: TwoHubs, installed: Installed, options: list[str], left: set[str]) -> None:
    installed.configure(net.configuration())
    with installed.watching(net.spoke.start, *options) as watcher:
        net.cut(1)
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
        watcher.terminate()
        assert watcher.wait(10) == 0
    assert net.copied(2) == left


def test_foreign_routes_are_kept_and_reported(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())
    foreign = "10.50.0.0/24 dev lo scope link metric 1"
    net.spoke.ip(f"route add {foreign} proto 99")
    connected = net.devices[0]
    net.spoke.ip(f"addr add 10.42.0.77/24 dev {connected}")
    with installed.watching(net.spoke.start):
        net.cut(1)
        wait_until(lambda: net.copied(2) == {*NETWORKS} - {"10.50.0.0/24"}, "all others are copied")
        assert net.spoke.run("ip", "route", "show", "proto", "99").split() == foreign.split()
        installed.wait_for("RTNETLINK answers: File exists: route add 10.50.0.0/24 table 254 proto 88 metric 1 ")
        installed.wait_for(
            f"10.42.0.0/24 dev {connected} scope 253 src 10.42.0.77 proto 2 metric 0 does not follow the active hub"
        )
        net.spoke.ip("route delete 10.50.0.0/24 proto 99")
        net.spoke.ip(f"addr delete 10.42.0.77/24 dev {connected}")
        installed.wait_for("all problems are resolved")
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
    complaints = [line for line in installed.lines() if "RTNETLINK" in line]
    assert len(complaints) < 4, "a problem is logged once"


def test_a_recreated_device_gets_its_copies_again(net: TwoHubs, installed: Installed) -> None:
    """wg-quick and a restart of systemd-networkd remove the routes of a device for a while."""
    installed.configure(net.configuration())
    with installed.watching(net.spoke.start):
        net.cut(1)
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
        net.spoke.ip(f"link set {net.devices[1]} down")
        wait_until(lambda: not net.copied(2), "the copies are removed with the link")
        net.spoke.ip(f"link set {net.devices[1]} up")
        net.spoke.ip(f"addr replace fd42::2/128 dev {net.devices[1]}")
        for network in NETWORKS:
            net.spoke.ip(f"route replace {network} dev {net.devices[1]} proto 87 metric 200")
        wait_until(lambda: net.copied(2) == set(NETWORKS), "the copies are back")


ROUTES = ("10.50.0.0/24", "10.60.0.0/24 mtu 1300", "10.70.0.0/24 src 10.42.0.2", "10.80.0.0/24 via 10.42.0.9 onlink")
ROUTES += ("default", "10.90.0.1", "fd50::/64", "fd60::1", "fd70::/64 mtu 1300 src fd42::2")


@pytest.fixture
def three_devices() -> object:
    """A node with routes through three devices."""
    with Internet() as internet:
        node = internet.node("spoke")
        for number in range(3):
            node.ip(f"link add wg{number} type veth peer name peer{number}")
            for link in (f"peer{number}", f"wg{number}"):
                node.ip(f"link set {link} up")
            node.ip(f"addr add 10.42.0.2/32 dev wg{number}")
            node.ip(f"addr add fd42::2/128 dev wg{number}")
            for route in ROUTES:
                node.ip(f"route add {route} dev wg{number} proto 87 metric {100 + number}")
        node.ip("-6 route add default dev wg1 proto 87 metric 101")
        yield node


def test_from_one_standby_to_another_copies_are_replaced_in_one_step(three_devices: Node) -> None:
    hubs = tuple(failover.Hub(f"hub{n + 1}", f"wg{n}", f"10.42.0.{n + 101}") for n in range(3))
    settings = failover.Settings(hubs)

    def go_to(hub: int) -> str:
        return three_devices.call(failover.converge, settings, hub)

    def listed(protocol: int) -> list[str]:
        shown = [three_devices.run("ip", family, "route", "show", "proto", str(protocol)) for family in ("-4", "-6")]
        return sorted(line.strip() for line in "".join(shown).splitlines())

    def copies_of(hub: int) -> list[str]:
        mine = [line for line in listed(87) if f"dev wg{hub} " in line]
        return sorted(line.replace(f"metric {100 + hub}", "metric 1") for line in mine)

    before = listed(87)
    assert go_to(1) == ""
    assert listed(88) == copies_of(1) and len(copies_of(1)) == len(ROUTES) + 1
    with monitor(three_devices) as seen:
        assert go_to(2) == ""
        assert listed(88) == copies_of(2) and len(copies_of(2)) == len(ROUTES)
        deleted = [line for line in seen() if line.startswith("Deleted")]
    # Only the previous hub had a default route for IPv6.
    assert [line.split()[1] for line in deleted] == ["default"]
    with monitor(three_devices) as seen:
        assert go_to(2) == ""
        assert seen() == [], "nothing is written without a difference"
    assert go_to(0) == ""
    assert listed(88) == []
    assert listed(87) == before


@contextmanager
def monitor(node: Node) -> Iterator[Callable[[], list[str]]]:
    """Run `ip monitor route` to observe each step; yield a function that returns its lines so far."""
    words = node.words("stdbuf", "-oL", "ip", "monitor", "route")
    with TemporaryFile("w+") as output, subprocess.Popen(words, stdout=output, stdin=subprocess.DEVNULL) as process:

        def lines() -> list[str]:
            return os.pread(output.fileno(), 1 << 20, 0).decode().splitlines()

        def seen() -> list[str]:
            # Repeated changes of a test route, until the program is listening.
            count = sum("198.51.100.1 " in line for line in lines())

            def marked() -> bool:
                for verb in ("add", "delete"):
                    node.ip(f"route {verb} 198.51.100.1/32 dev lo")
                return sum("198.51.100.1 " in line for line in lines()) > count

            wait_until(marked, "ip monitor reports the mark")
            return [line for line in lines() if "198.51.100.1 " not in line]

        try:
            seen()
            yield seen
        finally:
            process.terminate()
