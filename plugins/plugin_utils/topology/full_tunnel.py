# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spokes that send everything through their hubs, and still answer where they are called.

A default route through each hub stands in a table of its own. Which packets look there is told by their source, not by
their destination: those that have none yet (what the host itself begins), those from the overlay address, and what the
host forwards. What has another address of the host answers somebody who called that, a controller for example, or was
bound to it on purpose; it goes as before, whatever that address is tomorrow. So do WireGuard's own packets, by their
mark, and what the main table knows better than by a default route.

This plugin util is private to the collection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import kind_of
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.full_tunnel_settings import PRIORITIES
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_fleet import HubSpokeFleet
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    FleetPlan,
    FullTunnel,
    HostInput,
    HostPlan,
)

# The name of the note by which a host remembers the table and the first priority that it has.
NOTE = "full_tunnel"

EVERYTHING = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
# Together, every source there is.
_ANY_SOURCE6 = ("::/1", "8000::/1")


def exits(fleet: HubSpokeFleet, spoke: Member) -> dict[str, tuple[str, ...]]:
    """Return the families that each hub takes on for a spoke, by the hub's name; a hub that takes none is left out.

    A hub that was not heard from, and whose variables depend on that, is not left for it.
    """
    found = {
        hub.name: tuple(_taken_on(fleet, hub, spoke) if hub.resolved else families(spoke)) for hub in fleet.hub_members
    }
    return {name: kinds for name, kinds in found.items() if kinds}


def families(spoke: Member) -> list[str]:
    """Return the address families that a spoke has in the overlay."""
    return sorted({kind_of(str(address.host).partition("/")[0]) for address in spoke.addresses})


def _taken_on(fleet: HubSpokeFleet, hub: Member, spoke: Member) -> Iterator[str]:
    """Yield the families in which a hub forwards, and whose answers come back to it.

    They do where it masquerades the spoke's address, or that is known everywhere; and where a hub is told to forward,
    because then its owner has thought of the way back.
    """
    if hub.settings.forward is False:
        return
    masquerade = fleet.extras[hub.name].masquerade
    for kind in families(spoke):
        own = [address.host for address in spoke.addresses if kind_of(str(address.host).partition("/")[0]) == kind]
        hidden = all(any(prefix.contains(address) for prefix in masquerade) for address in own)
        known = all(ipaddress.ip_network(str(address)).is_global for address in own)
        if kind in families(hub) and (hidden or known or hub.settings.forward):
            yield kind


def noted(host: HostInput) -> tuple[int, int] | None:
    """Return the table and first priority that an earlier run has left on a host, None for none."""
    interfaces = (host.fact or {}).get("interfaces")
    for state in interfaces.values() if isinstance(interfaces, Mapping) else ():
        notes_there = state.get("notes") if isinstance(state, Mapping) else None
        note = notes_there.get(NOTE, "") if isinstance(notes_there, Mapping) else ""
        table, _space, priority = str(note).partition(" ")
        if table.isdigit() and priority.isdigit():
            return int(table), int(priority)
    return None


def full_tunnel_of(fleet: HubSpokeFleet, spoke: Member, host: HostInput) -> FullTunnel | None:
    """Return what a spoke has to do; where it is no longer wanted, one without exits that takes back what is there."""
    settings, mark = fleet.extras[spoke.name].full_tunnel, spoke.settings.fwmark
    if settings.wanted:
        return FullTunnel(settings.table, settings.priority, mark or settings.table, exits(fleet, spoke))
    before = noted(host)
    return None if before is None else FullTunnel(*before, mark)


def allowed_ips(tunnel: FullTunnel | None, hub_name: str) -> list[str]:
    """Return what a spoke sends to a hub and takes from it beside the overlay."""
    return [EVERYTHING[kind] for kind in tunnel.exits.get(hub_name, ())] if tunnel else []


def notes(tunnel: FullTunnel | None) -> dict[str, str]:
    """Return what the host has to remember, so that a later run can take it back."""
    return {NOTE: f"{tunnel.table} {tunnel.priority}"} if tunnel and tunnel.exits else {}


def rules_and_routes(plan: FleetPlan, host: HostPlan, tunnel: FullTunnel) -> dict[str, Any]:
    """Return the options ip_routes and ip_rules of a spoke; without exits, those that take everything back."""
    taken = sorted({kind for kinds in tunnel.exits.values() for kind in kinds})
    routes = [
        {"destination": EVERYTHING[kind], "dev": hub.interface, "metric": hub.priority}
        for name, hub in plan.hubs
        for kind in tunnel.exits.get(name, ())
    ]
    return {
        "ip_routes": [{"table": str(tunnel.table), "purge": True, "routes": routes}],
        "ip_rules": {
            "priorities": f"{tunnel.priority}-{tunnel.priority + PRIORITIES - 1}",
            "tables": [str(tunnel.table)],
            "purge": True,
            "rules": [rule for kind in taken for rule in _rules(kind, host, tunnel)],
        },
    }


def _rules(kind: str, host: HostPlan, tunnel: FullTunnel) -> Iterator[dict[str, Any]]:
    """Yield the rules of one family, in the order in which the kernel asks them."""
    here, there = {"family": kind, "table": "main"}, {"family": kind, "table": str(tunnel.table)}
    first = tunnel.priority
    yield {"priority": first, **here, "suppress_prefixlength": 0}
    yield {"priority": first + 1, **here, "fwmark": f"{tunnel.fwmark:#x}"}
    yield {"priority": first + 2, **there, "iif": "lo", "invert": True}
    for address in host.addresses:
        text = address.partition("/")[0]
        if kind_of(text) == kind:
            yield {"priority": first + 3, **there, "from": text}
    if kind == "ipv4":
        yield {"priority": first + 4, **there, "from": "0.0.0.0/32"}
        return
    # While an IPv6 packet has no source, no rule with `from` is for it (fib6_rules.c, fib6_rule_match).
    for half in _ANY_SOURCE6:
        yield {"priority": first + 4, **here, "from": half}
    yield {"priority": first + 5, **there}


def with_full_tunnels(
    fleet: HubSpokeFleet, hosts: Mapping[str, HostPlan], inputs: Mapping[str, HostInput]
) -> dict[str, HostPlan]:
    """Return the hosts with what spokes have to do, and hubs that let everything of theirs through."""
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
