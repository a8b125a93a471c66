# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Direct tunnels in the documents of hosts: an interface on spokes, and peers on hubs that discover its endpoint.

All direct tunnels of a spoke end on one interface of their own. It and the interface to the hub both accept packets at
any time, and routes select one of them. So each end switches on its own, without packet loss.
This plugin util is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable

from .....module_utils._ip.prefix import Prefix
from ...fleet.interface_document import InterfaceDocument, bare_addresses, host_prefixes, interface_document, peer_entry
from ...fleet.keepalive import KEEPALIVE
from ...plan_model.direct import DirectPlan, Partner, discovery_name
from ...plan_model.fleet import Device, FleetPlan, HostPlan
from ...plan_model.host_document import InterfaceNotes, PeerEntry


def discovery_peers(plan: FleetPlan) -> list[PeerEntry]:
    """Return the peers by which a hub discovers the endpoints of spokes: without allowed IPs, they carry no packets."""
    direct = plan.direct
    return [
        {
            "public_key": host.public_key,
            "name": discovery_name(name),
            "endpoint": None,
            "allowed_ips": [],
            "persistent_keepalive": 0,
            "addresses": [],
        }
        for name, host in (direct.hosts.items() if direct else ())
        if host.public_key is not None
    ]


def keyless_discovery_peers(plan: FleetPlan) -> list[str]:
    """Return the names of those peers whose key is unknown."""
    hosts = plan.direct.hosts if plan.direct else {}
    return [discovery_name(name) for name, host in hosts.items() if host.public_key is None]


def has_direct_device(plan: FleetPlan, name: str) -> bool:
    """Return whether a host has the interface for direct tunnels."""
    return plan.direct is not None and name in plan.direct.hosts


def direct_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> list[InterfaceDocument]:
    """Return a spoke's interface for direct tunnels, if it has any."""
    direct = plan.direct
    if direct is None or name not in direct.hosts:
        return []
    own = direct.hosts[name]
    partners = list(direct.partners(name))
    known = [partner for partner in partners if direct.hosts[partner.name].public_key is not None]
    peers = [*_hubs(plan, host, device), *(_partner(plan, direct, partner) for partner in known)]
    unknown = sorted(partner.name for partner in partners if partner not in known)
    noted: InterfaceNotes = {"notes": dict(own.notes)} if own.notes else {}
    found = interface_document(
        plan,
        name,
        device,
        own.public_key,
        peers,
        [*unknown, *(hub for hub, _as_hub in plan.hubs if plan.hosts[hub].public_key is None)],
        {
            "name": direct.interface,
            "private_key_file": own.private_key_file,
            "listen_port": own.listen_port,
            "addresses": list(map(str, host_prefixes(host))),
            "sysctls": {**device.sysctls, **loose_source_check(plan, direct.interface)},
            # A spoke that loses its direct tunnel is reached through the hub.
            "purge": True,
            "allow_mass_removal": True,
            **noted,
        },
    )
    return [found]


def loose_source_check(plan: FleetPlan, interface: str) -> dict[str, str]:
    """Return the sysctl that accepts packets whose replies leave by another interface (rp_filter, ip-sysctl.rst)."""
    if not any(network.family == socket.AF_INET for network in plan.networks):
        return {}
    return {f"net/ipv4/conf/{interface}/rp_filter": "2"}


def _hubs(plan: FleetPlan, host: HostPlan, device: Device) -> Iterable[PeerEntry]:
    """Yield the hubs as peers that get keepalives and no other packets: so they discover the spoke's endpoint."""
    for name, _hub in plan.hubs:
        hub = plan.hosts[name]
        if hub.public_key is not None:
            entry = peer_entry(name, hub, host, device, hub.public_key, hub.endpoints, ())
            yield {**entry, "persistent_keepalive": entry["persistent_keepalive"] or KEEPALIVE, "addresses": []}


def _partner(plan: FleetPlan, direct: DirectPlan, partner: Partner) -> PeerEntry:
    other = plan.hosts[partner.name]
    sites = [half for site in other.networks for half in _halves(site)]
    return {
        "public_key": direct.hosts[partner.name].public_key or "",
        "name": partner.name,
        "endpoint": partner.endpoint and str(partner.endpoint),
        "allowed_ips": list(map(str, [*host_prefixes(other), *sites])),
        "persistent_keepalive": KEEPALIVE,
        "addresses": bare_addresses(other),
        "routed": partner.routed,
    }


def _halves(site: Prefix) -> list[Prefix]:
    """Return the two halves of a network: longer prefixes win over the route through the hub, whatever the metrics."""
    size = len(site.packed) * 8
    if site.length in (0, size):  # a default route stays with the hub, and one address has no halves
        return [site] if site.length else []
    upper = int.from_bytes(site.packed, "big") | 1 << (size - site.length - 1)
    packed = upper.to_bytes(len(site.packed), "big")
    return [Prefix(site.family, end, site.length + 1) for end in (site.packed, packed)]
