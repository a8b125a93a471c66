# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routing into the tunnel as in Calico or Cilium.

calico: the table and rule of felix, without the rule for packets of pods to nodes. cilium: packets to remote pods are marked,
and marked packets use a table with only a default route, as in Cilium 1.10 to 1.13.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from socket import AF_INET, AF_INET6

from ....module_utils._ip.prefix import Prefix
from ..plan_model.host_document import MarkEntry, RouteEntry, RuleSection

OVERLAY, CALICO, CILIUM = "overlay", "calico", "cilium"
PROFILES = (OVERLAY, CALICO, CILIUM)

CILIUM_MARK = "0xe00/0xf00"
# The protocol of routes: 87 marks managed routes; boot is the default of netlink libraries, as in felix and Cilium.
ROUTE_PROTOCOLS = {OVERLAY: "87", CALICO: "boot", CILIUM: "boot"}
# The types of the CNI plugins whose agents own these tables and devices and remove foreign objects.
OWNERS = {CALICO: "calico", CILIUM: "cilium-cni"}
DEFAULT_ROUTES = frozenset((Prefix(int(AF_INET), bytes(4), 0), Prefix(int(AF_INET6), bytes(16), 0)))
_FAMILIES = {4: "ipv4", 6: "ipv6"}


def cilium_routes(interface: str, families: Iterable[int], ready: bool) -> list[RouteEntry]:
    """Return the routes of marked packets. ready: whether any node receives encrypted packets."""
    if not ready:
        return []
    routes: dict[int, RouteEntry] = {
        # Cilium sets no scope, which means global; `ip route` would set link.
        4: {"destination": "default", "family": "ipv4", "dev": interface, "scope": "global"},
        6: {"destination": "default", "family": "ipv6", "dev": interface},
    }
    return [routes[family] for family in sorted(families)]


def cilium_rules(table: int, priority: int, protocol: str, families: Iterable[int]) -> RuleSection:
    """Return the rules for marked packets, one for each family."""
    return {
        "rules": [
            {"priority": priority, "family": _FAMILIES[family], "fwmark": CILIUM_MARK, "table": str(table)}
            for family in sorted(families)
        ],
        "priorities": str(priority),
        "tables": [str(table)],
        "exceptions": [],
        "protocol": protocol,
        "purge": True,
    }


def cilium_marks(interface: str, networks: Iterable[str]) -> list[MarkEntry]:
    """Return the nftables marks that replace Cilium's programs: on packets to remote pods, unless they left the tunnel here."""
    listed = list(networks)
    return [{"mark": CILIUM_MARK, "not_iif": [interface], "daddr": listed}] if listed else []
