# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Direct tunnels in the documents of hosts: the device that spokes have for them, and the peers by which hubs see it.

All direct tunnels of a spoke end on one device of their own. Both ways are open on both ends at any time, through the
hub and directly, and a route chooses: so each end changes by itself, and no packet is lost when the ends do not do it
at the same moment. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_model import DirectPlan, Partner
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_settings import KEEPALIVE
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import (
    InterfaceDocument,
    bare_addresses,
    host_prefixes,
    interface_document,
    peer_entry,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Device, FleetPlan, HostPlan


def observed_name(spoke: str) -> str:
    """Return what hubs call a spoke's device for direct tunnels; no inventory name has a space."""
    return f"{spoke} (direct)"


def observed_peers(plan: FleetPlan) -> list[dict[str, Any]]:
    """Return the peers by which a hub sees where spokes' direct devices are: without allowed IPs, they carry nothing."""
    direct = plan.direct
    return [
        {
            "public_key": host.public_key,
            "name": observed_name(name),
            "endpoint": None,
            "allowed_ips": [],
            "persistent_keepalive": 0,
            "addresses": [],
        }
        for name, host in (direct.hosts.items() if direct else ())
        if host.public_key is not None
    ]


def unobserved(plan: FleetPlan) -> list[str]:
    """Return the names of those of them whose key nobody knows."""
    hosts = plan.direct.hosts if plan.direct else {}
    return [observed_name(name) for name, host in hosts.items() if host.public_key is None]


def has_direct_device(plan: FleetPlan, name: str) -> bool:
    """Return whether a host has the device for direct tunnels."""
    return plan.direct is not None and name in plan.direct.hosts


def direct_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> list[InterfaceDocument]:
    """Return the interface of a spoke's direct tunnels, if it wants any."""
    direct = plan.direct
    if direct is None or name not in direct.hosts:
        return []
    own = direct.hosts[name]
    partners = list(direct.partners(name))
    known = [partner for partner in partners if direct.hosts[partner.name].public_key is not None]
    peers = [*_hubs(plan, host, device), *(_partner(plan, direct, partner) for partner in known)]
    unknown = sorted(partner.name for partner in partners if partner not in known)
    found = interface_document(
        plan,
        name,
        device,
        own.public_key,
        peers,
        [*unknown, *(hub for hub, _as_hub in plan.hubs if plan.hosts[hub].public_key is None)],
        name=direct.interface,
        private_key_file=own.private_key_file,
        listen_port=own.listen_port,
        addresses=host_prefixes(host),
        sysctls={**device.sysctls, **loose_source_check(plan, direct.interface)},
        # Whoever loses a direct tunnel is reached through the hub.
        purge=True,
        allow_mass_removal=True,
    )
    found.fields.update({"notes": dict(own.notes)} if own.notes else {})
    return [found]


def loose_source_check(plan: FleetPlan, interface: str) -> dict[str, str]:
    """Return what lets packets in by a way that answers would not go (Linux, ip-sysctl: rp_filter)."""
    if not any("." in network for network in plan.networks):
        return {}
    return {f"net/ipv4/conf/{interface}/rp_filter": "2"}


def _hubs(plan: FleetPlan, host: HostPlan, device: Device) -> Iterable[dict[str, Any]]:
    """Yield the hubs as peers that are called, and nothing else: they see where the device is."""
    for name, _hub in plan.hubs:
        hub = plan.hosts[name]
        if hub.public_key is not None:
            entry = peer_entry(name, hub, host, device, hub.public_key, hub.endpoints, ())
            yield {**entry, "persistent_keepalive": entry["persistent_keepalive"] or KEEPALIVE, "addresses": []}


def _partner(plan: FleetPlan, direct: DirectPlan, partner: Partner) -> dict[str, Any]:
    other = plan.hosts[partner.name]
    sites = [str(half) for site in other.networks for half in _halves(parse_prefix(site))]
    return {
        "public_key": direct.hosts[partner.name].public_key,
        "name": partner.name,
        "endpoint": partner.endpoint or None,
        "allowed_ips": [*host_prefixes(other), *sites],
        "persistent_keepalive": KEEPALIVE,
        "addresses": bare_addresses(other),
        "routed": partner.routed,
    }


def _halves(site: Prefix) -> list[Prefix]:
    """Return the two halves of a network: their routes are chosen before that of the whole, whatever the metrics."""
    size = len(site.packed) * 8
    if site.length in (0, size):  # the way out of the overlay stays with the hub, and one address has no halves
        return [site] if site.length else []
    upper = int.from_bytes(site.packed, "big") | 1 << (size - site.length - 1)
    packed = upper.to_bytes(len(site.packed), "big")
    return [Prefix(site.family, end, site.length + 1) for end in (site.packed, packed)]
