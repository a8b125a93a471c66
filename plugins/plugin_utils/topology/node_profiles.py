# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How packets of a node find the tunnel where it shall look as Calico or Cilium leave it, and not as we do.

calico: felix's table and rule, without ours for what pods say to nodes. cilium: what goes from pods to pods elsewhere is
marked, and all that is marked looks into a table with nothing but a default route, as Cilium 1.10 to 1.13 had it.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OVERLAY, CALICO, CILIUM = "overlay", "calico", "cilium"
PROFILES = (OVERLAY, CALICO, CILIUM)

CILIUM_MARK = "0xe00/0xf00"
# The routing protocol of routes: ours; what netlink libraries give them, as felix and Cilium 1.10 to 1.13 let them.
ROUTE_PROTOCOLS = {OVERLAY: "87", CALICO: "boot", CILIUM: "boot"}
# The types of the CNI plugins whose agents have these tables and devices for their own, and clear them up.
OWNERS = {CALICO: "calico", CILIUM: "cilium-cni"}
DEFAULT_ROUTES = frozenset(("0.0.0.0/0", "::/0"))
_FAMILIES = {4: "ipv4", 6: "ipv6"}


def cilium_routes(interface: str, families: Iterable[int], ready: bool) -> list[dict[str, Any]]:
    """Return the routes of marked packets. ready: whether any node takes what is encrypted."""
    # Cilium leaves out the scope, which makes it global; `ip route` would give it that of a link.
    scopes = {4: {"scope": "global"}, 6: {}}
    return [
        {"destination": "default", "family": _FAMILIES[family], "dev": interface, **scopes[family]}
        for family in sorted(families)
        if ready
    ]


def cilium_rules(table: int, priority: int, protocol: str, families: Iterable[int]) -> dict[str, Any]:
    """Return the rules for marked packets, one for each family."""
    return {
        "rules": [
            {"priority": priority, "family": _FAMILIES[family], "fwmark": CILIUM_MARK, "table": str(table)}
            for family in sorted(families)
        ],
        "priorities": str(priority),
        "tables": [str(table)],
        "protocol": protocol,
        "purge": True,
    }


def cilium_marks(interface: str, networks: Iterable[str]) -> list[Mapping[str, Any]]:
    """Return what nftables marks in place of Cilium's programs: packets to pods elsewhere that do not come from there."""
    listed = list(networks)
    return [{"mark": CILIUM_MARK, "not_iif": [interface], "daddr": listed}] if listed else []
