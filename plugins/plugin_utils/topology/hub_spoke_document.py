# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host's part of hubs and spokes.

A hub has one interface, with all spokes and the other hubs as peers. A spoke has one interface for each hub, because
cryptokey routing gives a prefix to one peer of an interface: so it sends by routes to the hub it prefers, and takes
what comes by another one. This plugin util is private to the collection.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import parse_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import full_tunnel
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_document import (
    direct_interfaces,
    has_direct_device,
    loose_source_check,
    observed_peers,
    unobserved,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import (
    InterfaceDocument,
    host_prefixes,
    interface_document,
    peer_entry,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    Device,
    Endpoints,
    FleetPlan,
    HostPlan,
    Hub,
)


def hub_spoke_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> list[InterfaceDocument]:
    """Return a hub's interface, or those of a spoke, that to the preferred hub first, that to other spokes last."""
    if host.hub is not None:
        return [_hub_interface(plan, name, host, device, host.hub)]
    to_hubs = [_spoke_interface(plan, name, host, device, hub_name, hub) for hub_name, hub in plan.hubs]
    return to_hubs + direct_interfaces(plan, name, host, device)


def retired_interfaces(plan: FleetPlan, name: str, host: HostPlan) -> list[dict[str, Any]]:
    """Return what a spoke does with the interfaces that led to revoked hubs, and to spokes that it left."""
    gone = [] if host.hub else list(plan.retired)
    if plan.direct is not None and name in plan.direct.retired:
        gone.append(plan.direct.interface)
    return [{"name": interface, "state": "absent"} for interface in gone]


def firewall(plan: FleetPlan, host: HostPlan, device: Device) -> dict[str, Any]:
    """Return the sections of nftables of a host by interface; only a hub has any."""
    if host.hub is None:
        return {}
    interface = host.hub.interface
    forward = [] if plan.isolate else [{"iif": interface, "oif": interface}]
    if host.networks or device.masquerade or device.is_exit:
        forward += [{"iif": interface}, {"oif": interface}]
    return {
        interface: {
            "forward": forward,
            "isolate": plan.isolate,
            "masquerade": [{"source": source} for source in device.masquerade],
            "clamp_mss": True,
        }
    }


def _hub_interface(plan: FleetPlan, name: str, host: HostPlan, device: Device, hub: Hub) -> InterfaceDocument:
    others = {other: plan.hosts[other] for other in plan.hosts if other != name}
    keys = {other: member.key_on(hub.interface) for other, member in others.items()}
    peers = [
        peer_entry(
            other,
            others[other],
            host,
            device,
            key,
            _endpoints_on(others[other], hub.interface),
            [*host_prefixes(others[other]), *others[other].networks],
        )
        for other, key in keys.items()
        if key is not None
    ]
    return interface_document(
        plan,
        name,
        device,
        host.public_key,
        [*peers, *observed_peers(plan)],
        [*sorted(other for other, key in keys.items() if key is None), *unobserved(plan)],
        name=hub.interface,
        private_key_file=device.private_key_file,
        listen_port=device.listen_port,
        addresses=list(host.addresses),
    )


def _endpoints_on(host: HostPlan, interface: str) -> Endpoints:
    """Return where a device of a host is reached: each device of a spoke has a port of its own."""
    port = host.ports.get(interface, 0)
    if host.hub is not None:
        return host.endpoints
    if not port:
        return Endpoints()
    kinds = {"ipv4": host.endpoints.ipv4, "ipv6": host.endpoints.ipv6, "name": host.endpoints.name}
    return Endpoints(**{kind: str(parse_endpoint(text)._replace(port=port)) for kind, text in kinds.items() if text})


def _spoke_interface(
    plan: FleetPlan, name: str, host: HostPlan, device: Device, hub_name: str, hub: Hub
) -> InterfaceDocument:
    other = plan.hosts[hub_name]
    key, interface = other.public_key, hub.interface
    peers = []
    everything = full_tunnel.allowed_ips(device.full_tunnel, hub_name)
    if key is not None:
        prefixes = allowed_ips(plan, name, hub_name) + everything
        entry = peer_entry(hub_name, other, host, device, key, other.endpoints, prefixes)
        peers.append({**entry, "exit": True} if everything else entry)
    notes = full_tunnel.notes(device.full_tunnel)
    loose = bool(notes) or _has_other_ways(plan, name)
    return interface_document(
        plan,
        name,
        device,
        host.key_on(interface),
        peers,
        () if key is not None else (hub_name,),
        name=interface,
        private_key_file=device.private_key_files[interface],
        listen_port=device.listen_ports[interface],
        # Alone, because the same network cannot be on-link by several devices: all is reached by routes with a metric.
        addresses=host_prefixes(host),
        route_metric=hub.priority,
        sysctls={**device.sysctls, **(loose_source_check(plan, interface) if loose else {})},
        **({"notes": notes} if notes else {}),
    )


def allowed_ips(plan: FleetPlan, spoke: str, hub_name: str) -> list[str]:
    """Return what a spoke sends to a hub and takes from it.

    The hub's own addresses and the networks behind it, and nothing of the other hubs: these know a spoke as a peer,
    and so take its packets from nobody else. Then, unless spokes are isolated, the whole overlay, whoever is in it,
    and the networks behind the other spokes.
    """
    hub = plan.hosts[hub_name]
    prefixes = [*host_prefixes(hub), *hub.networks]
    if not plan.isolate:
        prefixes += plan.networks
        for other_name in sorted(plan.hosts):
            other = plan.hosts[other_name]
            if other.hub is None and other_name != spoke:
                prefixes += other.networks
    return prefixes


def _has_other_ways(plan: FleetPlan, name: str) -> bool:
    """Return whether what comes to a spoke by a hub may be answered by another hub, or directly."""
    return len(plan.hubs) > 1 or has_direct_device(plan, name)
