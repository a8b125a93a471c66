# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of Ansible while the second hub is active: it changes nothing, and copies follow its changes."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from managed_host import ManagedHost, ModuleResult, key, wait_until
from watcher import Installed

SITE = "10.60.0.0/24"
NETWORKS = ["10.42.0.0/24", "10.50.0.0/24", "fd42::/64", "fd50::/64"]


def interface(name: str, hub: int, public_key: str, endpoint: str, networks: list[str]) -> dict[str, Any]:
    """Return the spoke's interface to a hub (1, 2)."""
    return {
        "name": name,
        "userspace": True,
        "listen_port": 51820 + hub,
        "addresses": ["10.42.0.1/32", "fd42::1/128"],
        "route_metric": 100 * hub,
        "peers": [{"name": f"hub{hub}", "public_key": public_key, "endpoint": endpoint, "allowed_ips": networks}],
    }


def test_the_next_run_changes_nothing_while_the_second_hub_is_active(
    host: ManagedHost, other_host: ManagedHost, installed: Installed
) -> None:
    for name in ("wg0", "wg1"):
        host.make_key(name)
    other_host.make_key()
    hub_key = other_host.shell("wg pubkey </etc/wireguard/wg0.key").strip()
    spoke_key = host.shell("wg pubkey </etc/wireguard/wg1.key").strip()
    spoke = {"name": "spoke", "public_key": spoke_key, "allowed_ips": ["10.42.0.1/32", "fd42::1/128"]}
    other_host.apply(userspace=True, listen_port=51820, addresses=["10.42.0.102/32"], peers=[spoke])

    def apply(networks: list[str]) -> ModuleResult:
        unreachable = interface("wg0", 1, key("public hub1"), "192.0.2.99:51820", networks)
        hub = interface("wg1", 2, hub_key, "192.0.2.12:51820", networks)
        return host.module("overlay_apply", interfaces=[unreachable, hub])

    def copied() -> set[str]:
        shown = [host.run("ip", "-j", family, "route", "show", "proto", "88", "dev", "wg1") for family in ("-4", "-6")]
        return {route["dst"] for text in shown for route in json.loads(text or "[]")}

    def start(*argv: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen([*host.lab.enter(host.name), *argv], stdin=subprocess.DEVNULL, text=True, **options)

    assert apply(NETWORKS).changed
    hubs = [{"name": f"hub{n}", "dev": f"wg{n - 1}", "address": f"10.42.0.{100 + n}"} for n in (1, 2)]
    installed.configure({"hubs": hubs, "interval": 0.5, "timeout": 0.5})
    with installed.watching(start):
        wait_until(lambda: copied() == set(NETWORKS), "the second hub has taken over")
        assert not apply(NETWORKS).changed
        assert apply([*NETWORKS, SITE]).changed
        wait_until(lambda: copied() == {*NETWORKS, SITE}, "a copy of the new route")
        assert not apply([*NETWORKS, SITE]).changed
        assert apply(NETWORKS).changed
        wait_until(lambda: copied() == set(NETWORKS), "the copy of a removed route is removed")
    assert not apply(NETWORKS).changed
    assert copied() == set(NETWORKS)
    assert not [line for line in installed.lines() if "does not move" in line]
