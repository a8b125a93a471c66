# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of one hub or spoke.

A hub has one interface, with all spokes and the other hubs as peers. A spoke has one interface for each hub, because
cryptokey routing assigns a prefix to one peer of an interface. Routes send its traffic to the preferred hub, and it
accepts packets from all of them. This plugin util is private to the collection.
"""

from __future__ import annotations

from dataclasses import replace

from ....module_utils._ip.prefix import Prefix
from ..fleet.endpoints import at_port
from ..fleet.interface_document import (
    InterfaceDocument,
    absent_interfaces,
    host_prefixes,
    interface_document,
    peer_entry,
)
from ..plan_model.fleet import Device, Endpoints, FleetPlan, HostPlan, Hub
from ..plan_model.host_document import (
    FilterSection,
    ForwardEntry,
    HostDocument,
    InterfaceNotes,
    PeerEntry,
)
from . import full_tunnel
from .direct.document import (
    direct_interfaces,
    discovery_peers,
    has_direct_device,
    keyless_discovery_peers,
    loose_source_check,
)


def hub_spoke_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> list[InterfaceDocument]:
    """Return the interface of a hub, or those of a spoke: to hubs, the preferred one first, then for direct tunnels."""
    if host.hub is not None:
        return [_hub_interface(plan, name, host, device, host.hub)]
    to_hubs = [_spoke_interface(plan, name, host, device, hub_name, hub) for hub_name, hub in plan.hubs]
    return to_hubs + direct_interfaces(plan, name, host, device)


def hub_spoke_sections(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> HostDocument:
    """Return the sections of a hub's or spoke's document other than the interfaces that it has."""
    gone = retired_interfaces(plan, name, host, device)
    filters, tunnel = firewall(plan, host, device), device.full_tunnel
    retired: HostDocument = {"interfaces": absent_interfaces(gone)} if gone else {}
    filtered: HostDocument = {"nftables": filters} if filters else {}
    routed: HostDocument = full_tunnel.rules_and_routes(plan, host, tunnel) if tunnel else {}
    return {**retired, **filtered, **routed}


def retired_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> list[str]:
    """Return the interfaces that a host removes: those it no longer has in this overlay, on a spoke those to revoked hubs,
    and an unused one for direct tunnels."""
    gone = [*device.retired] if host.hub else [*device.retired, *plan.retired]
    if plan.direct is not None and name in plan.direct.retired:
        gone.append(plan.direct.interface)
    return gone


def firewall(plan: FleetPlan, host: HostPlan, device: Device) -> dict[str, FilterSection]:
    """Return the nftables sections of a hub by interface; a spoke has none."""
    if host.hub is None:
        return {}
    interface = host.hub.interface
    between: list[ForwardEntry] = [] if plan.isolate else [{"iif": interface, "oif": interface}]
    beyond: list[ForwardEntry] = [{"iif": interface}, {"oif": interface}]
    forwards = bool(host.networks or device.masquerade or device.is_exit)
    return {
        interface: {
            "forward": between + beyond if forwards else between,
            "isolate": plan.isolate,
            "masquerade": [{"source": str(source)} for source in device.masquerade],
            "clamp_mss": True,
        }
    }


def _hub_interface(plan: FleetPlan, name: str, host: HostPlan, device: Device, hub: Hub) -> InterfaceDocument:
    others = {other: plan.hosts[other] for other in plan.hosts if other != name}
    keys = {other: member.key_on(hub.interface) for other, member in others.items()}
    static = _static_prefixes_of_hubs(plan, name)
    peers = [
        peer_entry(
            other,
            others[other],
            host,
            device,
            key,
            _endpoints_on(others[other], hub.interface),
            [*host_prefixes(others[other]), *others[other].networks, *static.get(other, ())],
        )
        for other, key in keys.items()
        if key is not None
    ]
    return interface_document(
        plan,
        name,
        device,
        host.public_key,
        [*peers, *discovery_peers(plan)],
        [*sorted(other for other, key in keys.items() if key is None), *keyless_discovery_peers(plan)],
        {
            "name": hub.interface,
            "private_key_file": device.private_key_file,
            "listen_port": device.listen_port,
            "addresses": list(map(str, host.addresses)),
        },
    )


def _endpoints_on(host: HostPlan, interface: str) -> Endpoints:
    """Return the endpoints of a host's device: each device of a spoke has its own port."""
    return host.endpoints if host.hub is not None else at_port(host.endpoints, host.ports.get(interface, 0))


def _static_prefixes_of_hubs(plan: FleetPlan, name: str) -> dict[str, list[Prefix]]:
    """Return the addresses of unmanaged peers that a hub reaches through each other hub.

    A peer that several hubs have is reached through the preferred one, and without another hub where the hub has it itself.
    """
    placed = set(plan.hosts[name].static_prefixes)
    found: dict[str, list[Prefix]] = {}
    for other, _hub in plan.hubs:
        if other != name:
            found[other] = [prefix for prefix in plan.hosts[other].static_prefixes if prefix not in placed]
            placed.update(found[other])
    return found


def _spoke_interface(
    plan: FleetPlan, name: str, host: HostPlan, device: Device, hub_name: str, hub: Hub
) -> InterfaceDocument:
    other = plan.hosts[hub_name]
    key, interface = other.public_key, hub.interface
    peers: list[PeerEntry] = []
    everything = full_tunnel.allowed_ips(device.full_tunnel, hub_name)
    if key is not None:
        prefixes = allowed_ips(plan, name, hub_name) + everything
        own = replace(device, persistent_keepalive=device.keepalives[interface])
        entry = peer_entry(hub_name, other, host, own, key, other.endpoints, prefixes)
        peers.append({**entry, "exit": True} if everything else entry)
    notes = full_tunnel.notes(device.full_tunnel)
    noted: InterfaceNotes = {"notes": notes} if notes else {}
    loose = bool(notes) or _has_other_paths(plan, name)
    return interface_document(
        plan,
        name,
        device,
        host.key_on(interface),
        peers,
        () if key is not None else (hub_name,),
        {
            "name": interface,
            "private_key_file": device.private_key_files[interface],
            "listen_port": device.listen_ports[interface],
            # No on-link prefix: the same network cannot be on-link on several devices, so routes with a metric are used.
            "addresses": list(map(str, host_prefixes(host))),
            "route_metric": hub.priority,
            "sysctls": {**device.sysctls, **(loose_source_check(plan, interface) if loose else {})},
            **noted,
        },
    )


def allowed_ips(plan: FleetPlan, spoke: str, hub_name: str) -> list[Prefix]:
    """Return the allowed IPs of a hub on a spoke.

    The hub's own addresses and the networks behind it. Not those of other hubs: they have the spoke as a peer, and so
    accept its packets from that peer only. Then, unless spokes are isolated, the networks of the overlay, the addresses of
    unmanaged peers that the preferred hub does not have, and the networks behind the other spokes.
    """
    hub = plan.hosts[hub_name]
    prefixes = [*host_prefixes(hub), *hub.networks]
    if not plan.isolate:
        prefixes += plan.networks
        preferred = plan.hosts[plan.hubs[0][0]]
        prefixes += (
            [] if hub is preferred else (one for one in hub.static_prefixes if one not in preferred.static_prefixes)
        )
        for other_name in sorted(plan.hosts):
            other = plan.hosts[other_name]
            if other.hub is None and other_name != spoke:
                prefixes += other.networks
    return prefixes


def _has_other_paths(plan: FleetPlan, name: str) -> bool:
    """Return whether a spoke may reply through another interface than the ingress interface of a packet."""
    return len(plan.hubs) > 1 or has_direct_device(plan, name)
