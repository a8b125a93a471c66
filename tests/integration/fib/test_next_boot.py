# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot restores the running rules and routes: their files, loaded by the unit's commands and by wg-quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import boot_files, boot_paths
from boot_states import take_away
from external_programs import require
from fib_host import CLEAR, TABLE, routes, rules
from managed_host import ManagedHost, key

WG0: dict[str, Any] = {
    "name": "wg0",
    "userspace": True,
    "persistence": "wg_quick",
    "fwmark": "0x8888",
    "addresses": ["10.42.0.1/24", "fd42::1/64"],
    "routes": False,
    "peers": [{"public_key": key("a"), "endpoint": "192.0.2.50:51820", "allowed_ips": ["0.0.0.0/0", "::/0"]}],
}
CLOSED = [
    {"destination": "10.9.0.0/16", "type": "throw"},
    {"destination": "default", "family": "ipv4", "type": "prohibit", "metric": 900},
    {"destination": "default", "family": "ipv6", "type": "blackhole", "metric": 900},
    {"destination": "fd09::/32", "type": "throw"},
    {"destination": "fd08::/32", "type": "unreachable"},
    {"destination": "10.8.0.0/16", "type": "local", "dev": "lo"},
]
WITH_DEVICES = [
    {"destination": "default", "family": "ipv4", "dev": "wg0", "mtu": 1300, "src": "10.42.0.1", "metric": 7},
    {"destination": "default", "family": "ipv6", "dev": "wg0"},
    {"destination": "10.5.0.0/16", "via": "10.42.0.9", "dev": "wg0", "onlink": True},
    {"destination": "10.55.0.0/16", "dev": "wg0", "scope": "global"},
    {"destination": "fd05::/32", "via": "fd42::9", "dev": "wg0", "mtu": 1280},
    {"destination": "10.6.0.0/16", "nexthops": [{"via": "10.42.0.9", "dev": "wg0", "weight": 3}, {"dev": "va"}]},
    {"destination": "10.7.0.0/16", "via": "198.51.100.9", "dev": "va"},
]
RULES = [
    {"priority": 90, "family": "both", "table": "main", "suppress_prefixlength": 0},
    {"priority": 91, "family": "both", "fwmark": "0x8888", "invert": True, "table": str(TABLE)},
    {"priority": 91, "fwmark": "0/0x10", "to": "10.9.0.0/16", "iif": "wg0", "oif": "wg9", "table": str(TABLE)},
    {"priority": 92, "action": "goto", "goto": 95, "uidrange": "5-6", "ipproto": "tcp", "sport": "1-9", "dport": "22"},
    {"priority": 95, "action": "unreachable", "from": "10.66.0.0/16"},
    {"priority": 95, "action": "prohibit", "from": "fd66::/32"},
    {"priority": 96, "action": "blackhole", "from": "10.67.0.0/16", "to": "10.68.0.9"},
]


def document(**options: Any) -> dict[str, Any]:
    return {
        "interfaces": [WG0],
        "ip_routes": [{"table": str(TABLE), "purge": True, "routes": CLOSED + WITH_DEVICES}],
        "ip_rules": {"priorities": "90-99", "tables": [str(TABLE)], "purge": True, "rules": RULES},
        **options,
    }


NOTHING: dict[str, Any] = {
    "ip_routes": [{"table": str(TABLE), "purge": True, "routes": []}],
    "ip_rules": {"priorities": "90-99", "tables": [str(TABLE)], "purge": True, "rules": []},
}


def holds(host: ManagedHost) -> tuple[Any, Any]:
    return rules(host), routes(host)


def reboot(host: ManagedHost) -> None:
    take_away(host)
    host.shell(CLEAR)


def load(host: ManagedHost) -> None:
    """Run the unit's commands; existing objects are reported and kept."""
    for command in boot_files.LOADS:
        host.shell(command, check=False)


def files(host: ManagedHost) -> list[str]:
    """Return the paths of our files and directories, without those of the interface itself."""
    places = "/etc/wirewright.overlay /etc/systemd/network /etc/systemd/networkd.conf.d /etc/systemd/system"
    return sorted(host.shell(f"find {places} -name '*wirewright*' -o -path '*/fib*' 2>/dev/null || :").split())


def test_boot_restores_rules_and_routes_and_blocks_first(router: ManagedHost) -> None:
    router.make_key()
    assert router.module("overlay_apply", **document()).changed
    before = holds(router)
    assert len(before[0]) == 9 and len(before[1]) == len(CLOSED + WITH_DEVICES)
    reboot(router)
    assert holds(router) == ([], [])
    load(router)
    rules_then, routes_then = holds(router)
    assert len(rules_then) == 9 and len(routes_then) == len(CLOSED), "closed before any interface is there"
    router.shell("wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1 || { cat /run/wg-quick.log; exit 1; }")
    assert holds(router) == before
    load(router)
    assert holds(router) == before, "loaded again, nothing is there twice"
    again = router.module("overlay_apply", **document())
    assert not again.changed and again.data["fib_files"]["created"] == 0


def test_a_refused_route_does_not_prevent_the_interface(router: ManagedHost) -> None:
    router.make_key()
    assert router.module("overlay_apply", **document()).changed
    take_away(router)
    router.shell("ip link del va")
    router.shell("wg-quick up wg0 </dev/null >/run/wg-quick.log 2>&1")
    assert {route["dst"] for route in routes(router) if route.get("dev") == "wg0"} >= {"default", "10.5.0.0/16"}


def test_files_are_written_and_deleted_with_their_objects(router: ManagedHost) -> None:
    router.make_key()
    fib, of_wg0 = boot_paths.DIRECTORY, [f"{boot_paths.DIRECTORY}/wg0.{end}" for end in ("ipv4.rules", "ipv6.rules")]
    of_routes = [f"{fib}/wg0.routes", f"{fib}/wg0.up"]
    assert router.module("overlay_apply", **document()).changed
    assert files(router) == sorted([os.path.dirname(fib), fib, *of_wg0, *of_routes])
    # Options that are left out change nothing.
    assert not router.module("overlay_apply", interfaces=[WG0]).changed
    assert router.module("overlay_apply", interfaces=[WG0], ip_rules=NOTHING["ip_rules"]).changed
    assert files(router) == sorted([os.path.dirname(fib), fib, *of_routes])
    assert router.module("overlay_apply", interfaces=[WG0], ip_routes=NOTHING["ip_routes"]).changed
    assert files(router) == []
    assert router.module("overlay_apply", **document()).changed
    assert router.module("overlay_apply", **document(interfaces=[{**WG0, "persistence": "none"}])).changed
    assert files(router) == [], "no boot files are left without the interface"
    assert router.module("overlay_apply", **document()).changed
    assert router.module("overlay_apply", interfaces=[{"name": "wg0", "state": "absent"}], **NOTHING).changed
    assert files(router) == []


# Lab hosts have no systemd; this substitute records its commands.
SYSTEMD = """
mkdir -p /run/systemd/system
cat >/root/systemctl <<'END'
#!/bin/sh
echo "$*" >>/run/systemctl_calls
if [ -f "/etc/systemd/system/$2" ]; then echo present >>/run/systemctl_calls; fi
END
chmod 755 /root/systemctl
mount --bind /root/systemctl /usr/bin/systemctl
"""


@pytest.fixture
def booted(router: ManagedHost) -> Iterator[ManagedHost]:
    """The host with a substitute for systemd."""
    require("systemctl")
    router.shell(SYSTEMD)
    yield router
    router.shell(
        "umount /usr/bin/systemctl; rm -rf /run/systemd/system /run/systemctl_calls /etc/systemd/networkd.conf.d"
    )


def systemctl_calls(host: ManagedHost) -> list[str]:
    return host.shell("cat /run/systemctl_calls 2>/dev/null || :; rm -f /run/systemctl_calls").splitlines()


def test_one_unit_serves_all_documents_and_is_stopped_with_the_last(booted: ManagedHost) -> None:
    unit, link, _online, _online_link, conf = boot_paths.SHARED_PATHS
    tunnel = {**NOTHING, "boot_name": "ipsec"}
    tunnel["ip_rules"] = {"rules": [{"priority": 90, "fwmark": "0xd00/0xf00", "table": "200"}]}
    assert booted.module("overlay_apply", **tunnel).changed
    assert systemctl_calls(booted) == ["daemon-reload"]
    assert {unit, link} <= set(files(booted)) and conf not in files(booted)
    booted.make_key()
    assert booted.module("overlay_apply", **document()).changed
    assert conf in files(booted), "networkd must keep routes without a device"
    verified = booted.shell(
        f"command -v systemd-analyze >/dev/null && systemd-analyze verify --man=no {unit} 2>&1 || :"
    )
    assert boot_paths.UNIT not in verified, verified
    systemctl_calls(booted)
    assert booted.module("overlay_apply", interfaces=[{"name": "wg0", "state": "absent"}], **NOTHING).changed
    assert {unit, link} <= set(files(booted)) and conf not in files(booted)
    # The unit of wg-quick may be active since the boot; it is stopped once its interface is gone.
    assert [line for line in systemctl_calls(booted) if "wg-quick" in line] == [
        "stop wg-quick@wg0.service",
        "reset-failed wg-quick@wg0.service",
    ]
    gone = {"rules": [{**tunnel["ip_rules"]["rules"][0], "state": "absent"}]}
    assert booted.module("overlay_apply", **{**tunnel, "ip_rules": gone}).changed
    assert systemctl_calls(booted) == [
        f"stop {boot_paths.UNIT}",
        "present",
        f"reset-failed {boot_paths.UNIT}",
        "present",
        "daemon-reload",
    ]
    assert files(booted) == []


def test_an_invalid_name_is_refused(router: ManagedHost) -> None:
    assert "boot_name: '../x' cannot name a file" in router.module("overlay_apply", boot_name="../x").failure
