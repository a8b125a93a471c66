# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host, read with wg, ip, find and sha256sum."""

from __future__ import annotations

import json
import re
from typing import Any

from managed_host import ManagedHost, wait_until

SCRIPT = """
wg show all dump; echo @@
ip -j -d link; echo @@
ip -j addr; echo @@
ip -4 -j route show table all; echo @@
ip -6 -j route show table all; echo @@
places="/etc/wireguard /etc/systemd/network /etc/systemd/system /etc/systemd/networkd.conf.d /etc/sysctl.d"
places="$places /etc/wirewright.overlay /var/lib/wirewright.overlay"
find $places -printf '%p %y %m %U:%G %l\\n' 2>/dev/null | sort || :; echo @@
find $places -type f -exec sha256sum {} + 2>/dev/null | sort || :; echo @@
for name in ipv4/ip_forward ipv4/conf/wg0 ipv6/conf/wg0; do
    grep -s . /proc/sys/net/$name /proc/sys/net/$name/rp_filter /proc/sys/net/$name/forwarding \\
        /proc/sys/net/$name/promote_secondaries 2>/dev/null || :
done; echo @@
for family in -4 -6; do ip $family -N -d rule; done; echo @@
ip xfrm policy 2>/dev/null || :; ip xfrm state 2>/dev/null || :; echo @@
nft -n list ruleset
"""
SECRETS = "cat /etc/wireguard/*.key 2>/dev/null; wg show all private-key; wg show all preshared-keys"

# Counters and timers change by themselves, and so does duplicate address detection.
VOLATILE = ("valid_life_time", "preferred_life_time", "tentative", "operstate", "flags", "linkmode")


def observe(host: ManagedHost) -> dict[str, Any]:
    """Return everything that modules may change on a host, in a comparable form, once the kernel is ready."""
    listings: list[str] = []

    def ready() -> bool:
        listings[:] = host.shell(SCRIPT).split("@@\n")
        return _have_local_routes(json.loads(listings[2]), json.loads(listings[4] or "[]"))

    wait_until(ready, "IPv6 addresses have their routes in table local")
    wg, links, addresses, routes4, routes6, files, hashes, sysctls, rules, xfrm, filters = listings
    own = [line.split("\t") for line in wg.splitlines()]
    return {
        # Of a peer's line all but handshake and counters.
        "wireguard": sorted(tuple(fields[:5] + fields[8:]) if len(fields) == 9 else tuple(fields) for fields in own),
        "links": [{**_steady(link), "up": "UP" in link["flags"]} for link in json.loads(links)],
        "addresses": [
            {**_steady(link), "addr_info": [_steady(a) for a in link["addr_info"] if _is_set(a)]}
            for link in json.loads(addresses)
        ],
        "routes": [
            route
            for route in json.loads(routes4 or "[]") + json.loads(routes6 or "[]")
            if not route["dst"].startswith(("fe80:", "ff00:", "multicast"))
        ],
        "files": files.splitlines(),
        "hashes": hashes.splitlines(),
        "sysctls": sysctls.splitlines(),
        "rules": rules.splitlines(),
        "xfrm": xfrm.splitlines(),
        "nftables": re.sub(r"packets \d+ bytes \d+", "", filters).splitlines(),
    }


def comparable(seen: dict[str, Any]) -> dict[str, Any]:
    """Return an observation without the values that differ for every new interface."""
    links = [{name: value for name, value in link.items() if name != "ifindex"} for link in seen["links"]]
    addresses = [{name: value for name, value in link.items() if name != "ifindex"} for link in seen["addresses"]]
    routes = sorted(json.dumps(route, sort_keys=True) for route in seen["routes"])
    return {**seen, "links": links, "addresses": addresses, "routes": routes}


def secrets_of(host: ManagedHost) -> set[str]:
    """Return every private and preshared key of the host, in base64 as programs print them."""
    words = host.shell(SECRETS, check=False).split()
    return {word for word in words if len(word) == 44 and word.endswith("=")} - _public_keys(host)


def _public_keys(host: ManagedHost) -> set[str]:
    return {
        word for line in host.run("wg", "show", "all", "peers").splitlines() for word in line.split()
    }  # `wg show all preshared-keys` names the peers as well


def _have_local_routes(links: list[dict[str, Any]], routes: list[dict[str, Any]]) -> bool:
    """Return whether all IPv6 addresses have their route in table local.

    Linux makes the local route of a new IPv6 address in a work queue (net/ipv6/addrconf.c, addrconf_dad_work), under a
    lock that others may hold. Without duplicate address detection (NOARP) it does so also while the link is down.
    """
    local = {route["dst"] for route in routes if route.get("table") == "local"}
    return all(
        address["local"] in local
        for link in links
        if {"UP", "NOARP"} & set(link["flags"])
        for address in link["addr_info"]
        if address["family"] == "inet6"
    )


def _is_set(address: dict[str, Any]) -> bool:
    """Return whether somebody has set an address. The kernel gives a link-local one to each link that is up."""
    return address["scope"] == "global" or address["local"] == "fe80::1"


def _steady(entry: dict[str, Any]) -> dict[str, Any]:
    bridge = entry.get("linkinfo", {}).get("info_kind") == "bridge"  # its details are running timers
    return {
        name: value for name, value in entry.items() if name not in VOLATILE and not (bridge and name == "linkinfo")
    }
