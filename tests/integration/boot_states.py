# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of an interface to restore at boot, compared by the output of `wg` and `ip`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from managed_host import ManagedHost, key, wait_until

A, B = key("peer a"), key("peer b")
ALPHA = {
    "name": "alpha",
    "public_key": A,
    "allowed_ips": ["10.42.0.2/32", "fd42::2/128"],
    "endpoint": "198.51.100.2:51820",
    "persistent_keepalive": 25,
}
BETA = {
    "name": "beta",
    "public_key": B,
    "allowed_ips": ["10.42.0.3/32", "10.77.0.0/16", "fd77::/48"],
    "endpoint": "[2001:db8:ffff::3]:51820",
}
FIRST: dict[str, Any] = {
    "userspace": True,
    "listen_port": 51820,
    "fwmark": 0xCA6C,
    "mtu": 1400,
    "addresses": ["10.42.0.1/24", "fd42::1/64"],
    "purge": True,
    "peers": [ALPHA, BETA],
    "sysctls": {"net.ipv4.ip_forward": 1},
}
SECRETS = {A: key("psk 1")}

# Changes of an existing interface; the last case has all of them.
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "port": {"listen_port": 51999},
    "fwmark cleared": {"fwmark": 0},
    "addresses": {"addresses": ["10.43.0.1/24", "10.43.0.9/32", "fd43::1/64"]},
    "mtu": {"mtu": 1300},
    "allowed ips": {"peers": [{**ALPHA, "allowed_ips": ["10.78.0.0/16"]}, {**BETA, "allowed_ips": ["fd77::/64"]}]},
    "keepalive": {"peers": [{**ALPHA, "persistent_keepalive": 0}, {**BETA, "persistent_keepalive": 9}]},
    "peer removed": {"peers": [BETA]},
    "routes switched off": {"routes": False},
    "metric of the routes": {"route_metric": 150},
    "everything": {
        "listen_port": 51999,
        "fwmark": 5,
        "route_metric": 150,
        "mtu": 1280,
        "addresses": ["10.43.0.1/24", "fd43::1/64"],
        "peers": [{**ALPHA, "allowed_ips": ["10.78.0.0/16"]}, {**BETA, "persistent_keepalive": 9}],
    },
}


# Routes of a separate table, and rules that look it up.
TABLE = 7100
TABLES: dict[str, Any] = {
    "ip_routes": [
        {
            "table": str(TABLE),
            "purge": True,
            "routes": [
                {"destination": "10.9.0.0/16", "type": "throw"},
                {"destination": "default", "family": "ipv4", "type": "prohibit", "metric": 900},
                {"destination": "default", "dev": "wg0", "src": "10.42.0.1", "metric": 7, "mtu": 1300},
                {"destination": "default", "family": "ipv6", "dev": "wg0"},
                {"destination": "10.5.0.0/16", "via": "10.42.0.9", "dev": "wg0", "onlink": True},
            ],
        }
    ],
    "ip_rules": {
        "priorities": "90-99",
        "purge": True,
        "rules": [
            {"priority": 90, "family": "both", "table": "main", "suppress_prefixlength": 0},
            {"priority": 91, "family": "both", "fwmark": "0xca6c", "invert": True, "table": str(TABLE)},
        ],
    },
}


def apply(host: ManagedHost, method: str, tables: Mapping[str, Any] | None = None, **changes: Any) -> bool:
    """Apply a state with the files of a boot method; returns whether anything changed."""
    wanted = {"name": "wg0", **FIRST, **changes, "persistence": method}
    secrets = {"wg0": SECRETS}
    return host.module("overlay_apply", interfaces=[wanted], preshared_keys=secrets, **(tables or {})).changed


def running(host: ManagedHost) -> dict[str, Any]:
    """Return wg0 as shown by `wg` and `ip`, without counters and interface indexes."""
    parts = host.run("wg", "showconf", "wg0").split("\n\n")
    (link,) = (one for one in json.loads(host.run("ip", "-d", "-j", "link")) if one["ifname"] == "wg0")
    routes = [
        line
        for family in ("-4", "-6")
        for line in host.run("ip", "-N", family, "route", "show", "table", "all").splitlines()
        if "wg0" in line and "fe80:" not in line and "ff00::/8" not in line
    ]
    return {
        "device": "\n".join(sorted(parts[0].splitlines())),
        "peers": sorted(sorted(sorted(re.split(r"[,\s]+", line)) for line in part.splitlines()) for part in parts[1:]),
        "addresses": host.addresses(),
        "routes": sorted(line.strip() for line in routes),
        "mtu": link["mtu"],
        "alias": link.get("ifalias"),
        "up": "UP" in link["flags"],
    }


def take_away(host: ManagedHost) -> None:
    """Remove the interface with its kernel state, as a reboot does; files stay."""
    host.shell("ip link del wg0; echo 0 >/proc/sys/net/ipv4/ip_forward")
    wait_until(lambda: not host.daemons(), "wireguard-go has ended")
