# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spokes that send all traffic through their hubs, and still reply from their other addresses.

A separate table has a default route through each hub. Rules select it by source address, not by destination: for
packets without a source address yet (connections that the host itself opens), with the overlay address as source, and
for forwarded packets. Packets with another source address of the host are replies, for example to the controller, or of
programs bound to that address: the main table routes them as before, whatever that address is. It also routes
WireGuard's own packets, by their mark, and destinations for which it has more than a default route.

This plugin util is private to the collection.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ....module_utils._ip.prefix import Prefix
from ..._untrusted import mapping_of, text_of
from ..._variable_reader import whole_number
from ..fleet.member import Member
from ..fleet.observation import FAMILIES
from ..plan_model.fleet import FleetPlan, FullTunnel, HostInput, HostPlan
from ..plan_model.host_document import HostDocument, RouteEntry, RuleEntry
from .fleet import HubSpokeFleet
from .settings import FULL_TUNNEL_PRIORITIES

# Name of the note in a host's state file with the table and the first priority of its full tunnel, and the mark if it is not
# the number of the table.
NOTE = "full_tunnel"

EVERYTHING = {"ipv4": Prefix(int(socket.AF_INET), bytes(4), 0), "ipv6": Prefix(int(socket.AF_INET6), bytes(16), 0)}
# Together, all source addresses.
_ANY_SOURCE6 = ("::/1", "8000::/1")


def exits(fleet: HubSpokeFleet, spoke: Member) -> dict[str, tuple[str, ...]]:
    """Return the families in which each hub is an exit for a spoke, by hub; hubs without any are left out.

    An unreachable hub whose variables depend on its facts remains an exit.
    """
    found = {
        hub.name: tuple(_exit_families(fleet, hub, spoke) if hub.resolved else families(spoke))
        for hub in fleet.hub_members
    }
    return {name: kinds for name, kinds in found.items() if kinds}


def families(spoke: Member) -> list[str]:
    """Return the address families that a spoke has in the overlay."""
    return sorted({FAMILIES[address.family] for address in spoke.addresses})


def _exit_families(fleet: HubSpokeFleet, hub: Member, spoke: Member) -> Iterator[str]:
    """Yield the families in which a hub forwards a spoke's traffic and gets the replies.

    It gets them if it masquerades the spoke's addresses, or if these are global. With an explicit `forward: true` the
    network behind the hub is expected to have a route to the overlay.
    """
    if hub.settings.forward is False:
        return
    masquerade = fleet.hub_spoke_settings[hub.name].masquerade
    for kind in families(spoke):
        own = [address.host for address in spoke.addresses if FAMILIES[address.family] == kind]
        hidden = all(any(prefix.contains(address) for prefix in masquerade) for address in own)
        is_global = all(ipaddress.ip_network(str(address)).is_global for address in own)
        if kind in families(hub) and (hidden or is_global or hub.settings.forward):
            yield kind


class Noted(NamedTuple):
    """The current full tunnel of a host."""

    table: int
    priority: int
    fwmark: int


def noted(host: HostInput, foreign: Collection[str] = ()) -> Noted | None:
    """Return a host's current full tunnel, None without one.

    foreign: the interfaces of other overlays, whose full tunnel is not that of this one.
    """
    return next((found for interface, found in _all_noted(host) if interface not in foreign), None)


def noted_elsewhere(host: HostInput, foreign: Collection[str]) -> dict[str, Noted]:
    """Return the full tunnels of other overlays, by interface."""
    return {interface: found for interface, found in _all_noted(host) if interface in foreign}


def _all_noted(host: HostInput) -> Iterator[tuple[str, Noted]]:
    for interface, state in mapping_of((host.fact or {}).get("interfaces")).items():
        note = text_of(mapping_of(mapping_of(state).get("notes")).get(NOTE))
        table, priority, fwmark = map(whole_number, (*note.split(" "), "", "", "")[:3])
        if table is not None and priority is not None:
            yield str(interface), Noted(table, priority, fwmark or table)


def full_tunnel_of(fleet: HubSpokeFleet, spoke: Member, host: HostInput) -> FullTunnel | None:
    """Return the full tunnel of a spoke; one without exits removes what an earlier run set up."""
    settings, mark = fleet.hub_spoke_settings[spoke.name].full_tunnel, spoke.settings.fwmark
    before = noted(host, fleet.foreign.get(spoke.name, ()))
    former = before.fwmark if before else 0
    if settings.wanted:
        return FullTunnel(settings.table, settings.priority, mark or settings.table, exits(fleet, spoke), former)
    return None if before is None else FullTunnel(before.table, before.priority, mark, former_fwmark=former)


def allowed_ips(tunnel: FullTunnel | None, hub_name: str) -> list[Prefix]:
    """Return the allowed IPs of a hub on a spoke besides the overlay."""
    return [EVERYTHING[kind] for kind in tunnel.exits.get(hub_name, ())] if tunnel else []


def notes(tunnel: FullTunnel | None) -> dict[str, str]:
    """Return the notes for the host's state file, so that a later run can remove the full tunnel."""
    if not tunnel or not tunnel.exits:
        return {}
    mark = f" {tunnel.fwmark}" if tunnel.fwmark != tunnel.table else ""
    return {NOTE: f"{tunnel.table} {tunnel.priority}{mark}"}


def rules_and_routes(plan: FleetPlan, host: HostPlan, tunnel: FullTunnel) -> HostDocument:
    """Return the options ip_routes and ip_rules of a spoke; without exits, those that remove all rules and routes."""
    kinds = sorted({kind for exits_of in tunnel.exits.values() for kind in exits_of})
    routes: list[RouteEntry] = [
        {"destination": str(EVERYTHING[kind]), "dev": hub.interface, "metric": hub.priority}
        for name, hub in plan.hubs
        for kind in tunnel.exits.get(name, ())
    ]
    return {
        "ip_routes": [{"table": str(tunnel.table), "purge": True, "routes": routes}],
        "ip_rules": {
            "priorities": f"{tunnel.priority}-{tunnel.priority + FULL_TUNNEL_PRIORITIES - 1}",
            "tables": [str(tunnel.table)],
            "exceptions": list(_to_main(tunnel)),
            "purge": True,
            "rules": [rule for kind in kinds for rule in _rules(kind, host, tunnel)],
        },
    }


def _rules(kind: str, host: HostPlan, tunnel: FullTunnel) -> Iterator[RuleEntry]:
    """Yield the rules of one family, in the order in which the kernel evaluates them."""
    here: RuleEntry = {"family": kind, "table": "main"}
    there: RuleEntry = {"family": kind, "table": str(tunnel.table)}
    first = tunnel.priority
    yield {"priority": first, **here, "suppress_prefixlength": 0}
    yield {"priority": first + 1, **here, "fwmark": f"{tunnel.fwmark:#x}"}
    yield {"priority": first + 2, **there, "iif": "lo", "invert": True}
    for address in host.addresses:
        if FAMILIES[address.family] == kind:
            yield {"priority": first + 3, **there, "from": address.bare}
    if kind == "ipv4":
        yield {"priority": first + 4, **there, "from": "0.0.0.0/32"}
        return
    # A rule with `from` never matches an IPv6 packet without a source address (fib6_rules.c, fib6_rule_match).
    for half in _ANY_SOURCE6:
        yield {"priority": first + 4, **here, "from": half}
    yield {"priority": first + 5, **there}


def _to_main(tunnel: FullTunnel) -> Iterator[RuleEntry]:
    """Yield the managed rules that look up the main table, of both families and of an earlier run as well.

    Other rules of these priorities that do not look up the table of the full tunnel belong to others.
    """
    first = tunnel.priority
    yield {"priority": first, "family": "both", "table": "main", "suppress_prefixlength": 0}
    for mark in sorted({tunnel.fwmark, tunnel.former_fwmark, tunnel.table} - {0}):
        yield {"priority": first + 1, "family": "both", "table": "main", "fwmark": f"{mark:#x}"}
    for half in _ANY_SOURCE6:
        yield {"priority": first + 4, "family": "ipv6", "table": "main", "from": half}


def with_full_tunnels(
    fleet: HubSpokeFleet, hosts: Mapping[str, HostPlan], inputs: Mapping[str, HostInput]
) -> dict[str, HostPlan]:
    """Return the hosts with the full tunnels of spokes and the hubs that are exits for them."""
    spokes = [spoke for spoke in fleet.spokes if spoke.resolved]
    tunnels = {spoke.name: full_tunnel_of(fleet, spoke, inputs[spoke.name]) for spoke in spokes}
    through = {hub for tunnel in tunnels.values() if tunnel for hub in tunnel.exits}
    found = dict(hosts)
    for name, tunnel in tunnels.items():
        if tunnel is not None:
            found[name] = _with_device(hosts[name], full_tunnel=tunnel, fwmark=tunnel.fwmark)
    for name in through:
        found[name] = _with_device(hosts[name], is_exit=True)
    return found


def _with_device(host: HostPlan, **changes: Any) -> HostPlan:
    return host if host.device is None else replace(host, device=replace(host.device, **changes))
