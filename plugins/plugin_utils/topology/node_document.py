# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Kubernetes node's part, in phases, so that no packet is lost and none is sent in plain text that must not be.

    receive   every node can take encrypted packets of every other, and still takes plain ones
    flip      routes and the rule that looks them up: from now on this node sends encrypted packets
    leave     a node that shall not encrypt any more sends plain ones
    close     all of it, exactly: what is not wanted any more goes, and plain text is dropped where that is asked for

Between two phases all nodes have to be done with the first. A node that has everything needs `close` only, which then
changes nothing. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import (
    InterfaceDocument,
    bare_addresses,
    interface_document,
    peer_entry,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Device, FleetPlan, HostPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import (
    OUT,
    Encryption,
    NodePlan,
    Steering,
)

RECEIVE, FLIP, LEAVE, CLOSE = "receive", "flip", "leave", "close"
PHASES = (RECEIVE, FLIP, LEAVE, CLOSE)

# Until there is traffic, only a keepalive makes two nodes shake hands; seconds.
_KEEPALIVE = 5
_LOOSE_SOURCE_CHECK = "2"
# Of a route behind the one through the device.
_LAST_METRIC = 0xFFFF


def node_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device, phase: str) -> list[InterfaceDocument]:
    """Return the device of a node in the phases that speak of it; none where the node shall not encrypt."""
    if phase not in (RECEIVE, CLOSE) or host.node is None or not host.node.enabled:
        return []
    peers = [
        _peer(plan, other_name, other, host, device, phase)
        for other_name, other in plan.hosts.items()
        if other_name != name and _is_peer(other)
    ]
    # What others still send encrypted to a peer that goes must be taken until they have stopped.
    own = {"purge": device.purge and phase == CLOSE}
    return [
        interface_document(
            plan,
            name,
            device,
            host.public_key,
            peers,
            (unknown for unknown in plan.unknown if unknown != name),
            name=plan.interface,
            private_key_file=device.private_key_file,
            listen_port=device.listen_port,
            addresses=list(host.addresses),
            **own,
        )
    ]


def node_sections(plan: FleetPlan, name: str, host: HostPlan, device: Device, phase: str) -> dict[str, Any]:
    """Return what a node's document has beside its device."""
    node, encryption = host.node, plan.encryption
    if node is None or node.steering is None or encryption is None:
        return {}
    if node.enabled:
        return _enabled(plan, name, host, device, _Own(node, node.steering, encryption), phase)
    return _leaving(plan.interface, node.steering, phase)


class _Own:
    """A node's own part, with what holds for all."""

    def __init__(self, node: NodePlan, steering: Steering, encryption: Encryption) -> None:
        self.node = node
        self.steering = steering
        self.encryption = encryption


def _enabled(plan: FleetPlan, name: str, host: HostPlan, device: Device, own: _Own, phase: str) -> dict[str, Any]:
    others = {other: plan.hosts[other] for other in plan.hosts if other != name}
    retiring = own.encryption.retiring
    if phase == RECEIVE:
        sections = {plan.interface: _filter(others, device, own, phase)}
        if retiring:
            # What the old device has closed stays closed, and lets pass what comes through the new one.
            shut = sections[plan.interface].pop("closed", None)
            sections[retiring] = {"keep": ["set_mark", "clamp_mss"]}
            if shut:
                sections[retiring]["closed"] = {**shut, "interfaces": [*shut["interfaces"], plan.interface]}
        return {"nftables": sections, "temporary_sysctls": _loosened(own.steering)}
    if phase == LEAVE:
        return {}
    found: dict[str, Any] = {
        "ip_routes": [_table(plan, host, others, own, phase), _node_table(plan, others, own, phase)],
        "ip_rules": _rules(own.steering, host, own.encryption),
    }
    if phase == CLOSE:
        found["nftables"] = {plan.interface: _filter(others, device, own, phase)}
        if retiring:
            found["nftables"][retiring] = {}
            found["interfaces"] = [_retired(retiring)]
        found["temporary_sysctls"] = {}
    return found


def _retired(interface: str) -> dict[str, Any]:
    path = f"/etc/wireguard/{interface}.key"
    return {"name": interface, "state": "absent", "remove_private_key": True, "private_key_file": path}


def _leaving(interface: str, steering: Steering, phase: str) -> dict[str, Any]:
    if phase == RECEIVE:
        keep = {"keep": ["set_mark", "clamp_mss"]}
        settled = steering.settled or steering.settled_for_pods
        return {"nftables": {interface: keep}, "temporary_sysctls": _loosened(steering)} if settled else {}
    if phase == FLIP:
        return {}
    found: dict[str, Any] = {
        "ip_routes": [{"table": str(table), "purge": True, "routes": []} for table in steering.tables],
        "ip_rules": {"rules": [], **_ownership(steering)},
    }
    if phase == CLOSE:
        found["interfaces"] = [{"name": interface, "state": "absent"}]
        found["nftables"] = {interface: {}}
        found["temporary_sysctls"] = {}
    return found


def _is_peer(other: HostPlan) -> bool:
    return other.node is not None and other.node.enabled and other.public_key is not None


def _peer(
    plan: FleetPlan, other_name: str, other: HostPlan, host: HostPlan, device: Device, phase: str
) -> dict[str, Any]:
    key = other.public_key or ""
    entry = peer_entry(other_name, other, host, device, key, other.endpoints, allowed_ips(other))
    if phase == RECEIVE:
        entry["persistent_keepalive"] = entry["persistent_keepalive"] or _KEEPALIVE
    return entry


def allowed_ips(other: HostPlan) -> list[str]:
    """Return what is taken from a node: its pods', and its own addresses, from which pods of its network talk as well."""
    addresses = other.node.addresses if other.node else ()
    return list(dict.fromkeys([*other.networks, *_device_prefixes(other), *map(_single, addresses)]))


def _device_prefixes(host: HostPlan) -> Iterator[str]:
    """Yield the addresses of the device that lie in none of the networks behind it."""
    networks = [parse_prefix(text) for text in host.networks]
    for text in bare_addresses(host):
        if not any(network.contains(parse_prefix(text)) for network in networks):
            yield _single(text)


def _single(address: str) -> str:
    return address + ("/128" if ":" in address else "/32")


def _loosened(steering: Steering) -> dict[str, str]:
    """Return what lets plain packets in from nodes to which this one sends encrypted ones already, and the reverse."""
    return {f"net/ipv4/conf/{name}/rp_filter": _LOOSE_SOURCE_CHECK for name in steering.strict_rp_filter}


def _table(plan: FleetPlan, host: HostPlan, others: Mapping[str, HostPlan], own: _Own, phase: str) -> dict[str, Any]:
    """Return the routes of the node's own table: through the device, by the main table (throw), and to nowhere."""
    steering, encryption = own.steering, own.encryption
    sources = {_family(address): address.partition("/")[0] for address in host.addresses}
    routes: dict[str, dict[str, Any]] = {}
    for cidr in (*own.node.pod_cidrs, *steering.exclude_cidrs):
        routes[cidr] = {"destination": cidr, "type": "throw"}
    for other_name in sorted(others):
        other = others[other_name]
        for destination, source in _destinations(other_name, other, sources, own):
            way = _way(plan, other, destination, source, own)
            if way is not None:
                routes.setdefault(destination, way)
    # What leads to nodes of which nothing is known now stays as it is.
    if _are_unknown(plan, others):
        for destination in steering.settled:
            source = sources.get(_family(destination), "")
            routes.setdefault(destination, _through(plan, destination, source))
    found = list(routes.values())
    if _is_closed(OUT, own, phase):
        found += [_to_nowhere(cidr, own) for cidr in encryption.cluster_cidrs if cidr not in routes]
        if encryption.host_encryption:
            found += _nodes_to_nowhere(others, own)
    return {"table": str(steering.table), "purge": True, "routes": found}


def _are_unknown(plan: FleetPlan, others: Iterable[str]) -> bool:
    return any(name in plan.unknown or plan.hosts[name].node is None for name in others)


def _is_closed(way: str, own: _Own, phase: str) -> bool:
    """Return whether a way is closed in a phase: before the last one, only if it is closed now."""
    return way in own.encryption.closed and (phase == CLOSE or way in own.steering.closed)


def _to_nowhere(destination: str, own: _Own) -> dict[str, Any]:
    return {"destination": destination, "type": own.steering.route_action}


def _nodes_to_nowhere(others: Mapping[str, HostPlan], own: _Own) -> list[dict[str, Any]]:
    """Return what is left of the routes to nodes when the device is gone."""
    addresses = (
        address for name in sorted(others) for address in _encrypted_addresses(name, others[name], own.encryption)
    )
    return [{**_to_nowhere(_single(address), own), "metric": _LAST_METRIC} for address in addresses]


def _node_table(plan: FleetPlan, others: Mapping[str, HostPlan], own: _Own, phase: str) -> dict[str, Any]:
    """Return the routes of pods to other nodes' own addresses, unless all of this node goes there encrypted.

    Answers of a node to a pod are encrypted, because they go to a pod. So must be the questions: plain ones would come
    in by another interface than the answers leave, which a strict source check drops, and so does what is closed.
    """
    if own.encryption.host_encryption:
        return {"table": str(own.steering.tables[1]), "purge": True, "routes": []}
    settled = own.steering.settled_for_pods
    destinations = [] if not _are_unknown(plan, others) else list(settled)
    for other_name in sorted(others):
        other = others[other_name]
        for destination in map(_single, _encrypted_addresses(other_name, other, own.encryption)):
            if destination in settled or _is_ready(other, destination, own):
                destinations.append(destination)
    routes = [_through(plan, destination, "") for destination in dict.fromkeys(destinations)]
    if _is_closed(OUT, own, phase):
        routes += _nodes_to_nowhere(others, own)
    return {"table": str(own.steering.tables[1]), "purge": True, "routes": routes}


def _destinations(other_name: str, other: HostPlan, sources: Mapping[int, str], own: _Own) -> Iterator[tuple[str, str]]:
    """Yield what leads to another node, with the source address that this one's own packets then have."""
    if other.node is None:
        return
    for network in other.networks:
        yield network, sources.get(_family(network), "")
    if own.encryption.host_encryption and other_name not in own.encryption.exempt_hosts and other.node.enabled:
        mine = {_family(address): address for address in own.node.addresses}
        for address in other.node.addresses:
            yield _single(address), mine.get(_family(address), "")


def _way(plan: FleetPlan, other: HostPlan, destination: str, source: str, own: _Own) -> dict[str, Any] | None:
    """Return the route to a destination, None where there shall be none, so that what is closed stays closed."""
    if _is_ready(other, destination, own):
        return _through(plan, destination, source)
    plain = other.node is not None and not other.node.enabled
    if plain or OUT not in own.encryption.closed:
        return {"destination": destination, "type": "throw"}
    return None


def _is_ready(other: HostPlan, destination: str, own: _Own) -> bool:
    """Return whether a node takes encrypted packets: it is one that this run speaks to, or it did so before."""
    if not _is_peer(other) or other.node is None:
        return False
    return (other.node.reached and own.node.reached) or destination in own.steering.settled


def _through(plan: FleetPlan, destination: str, source: str) -> dict[str, Any]:
    route = {"destination": destination, "dev": plan.interface}
    return {**route, "src": source} if source else route


def _rules(steering: Steering, host: HostPlan, encryption: Encryption) -> dict[str, Any]:
    """Return the rule that sends all but the tunnel's own packets to the table, and those for exempt ports above it."""
    node_addresses = host.node.addresses if host.node else ()
    families = {_family(text) for text in (*host.networks, *host.addresses)}
    if encryption.host_encryption:
        families |= {_family(address) for address in node_addresses}
    rules: list[dict[str, Any]] = [
        {
            "priority": steering.rule_priority,
            "family": "both"
            if len(families) > 1
            else _FAMILY_NAMES[len(parse_prefix(next(iter(host.networks))).packed)],
            "fwmark": steering.mark,
            "invert": True,
            "table": str(steering.table),
        }
    ]
    above = steering.rule_priority - 1
    if not encryption.host_encryption and host.node:
        nodes = str(steering.tables[1])
        rules += [{"priority": above, "from": cidr, "table": nodes} for cidr in host.node.pod_cidrs]
    if encryption.host_encryption:
        for address in node_addresses:
            rules += [
                {
                    "priority": above,
                    "from": _single(address),
                    "ipproto": "tcp",
                    side: str(port),
                    "table": "main",
                }
                for port in steering.exempt_ports
                for side in ("sport", "dport")
            ]
    return {"rules": rules, **_ownership(steering)}


_FAMILY_NAMES = {4: "ipv4", 16: "ipv6"}


def _ownership(steering: Steering) -> dict[str, Any]:
    return {
        "priorities": f"{steering.rule_priority - 1}-{steering.rule_priority}",
        "tables": [str(table) for table in steering.tables],
        "protocol": steering.rule_protocol,
        "purge": True,
    }


def _filter(others: Mapping[str, HostPlan], device: Device, own: _Own, phase: str) -> dict[str, Any]:
    """Return the sections of nftables. Before the last phase what is closed may only be opened, never closed."""
    steering, encryption = own.steering, own.encryption
    hosts = [address for name in sorted(others) for address in _encrypted_addresses(name, others[name], encryption)]
    found: dict[str, Any] = {"clamp_mss": steering.clamp_mss}
    if hosts and encryption.host_encryption:
        # Answers to the tunnel's own packets leave by the underlay, although routes to these addresses do not.
        found["set_mark"] = [
            {
                "mark": steering.mark,
                "not_iif": [*steering.pod_interfaces],
                "saddr": hosts,
                "udp_dport": device.listen_port,
            }
        ]
    closed = [way for way in encryption.closed if _is_closed(way, own, phase)]
    if closed:
        spared = [*steering.exclude_cidrs, *_plain_networks(others.values(), own, phase)]
        found["closed"] = {
            "ways": closed,
            "networks": list(encryption.cluster_cidrs),
            "except": list(dict.fromkeys(spared)),
            "interfaces": list(steering.pod_interfaces),
            **_closed_hosts(hosts, device, own, phase),
        }
    return found


def _closed_hosts(hosts: Sequence[str], device: Device, own: _Own, phase: str) -> dict[str, Any]:
    """Return what nodes are closed to: everything plain where nodes talk encrypted, else what pods of this one send."""
    if own.encryption.host_encryption:
        settled = own.steering.settled
        retiring = [own.encryption.retiring_port] if own.encryption.retiring and phase != CLOSE else []
        more = {
            "ports": [device.listen_port, *retiring],
            "mark": own.steering.mark,
            "tcp_ports": list(own.steering.exempt_ports),
        }
    else:
        settled = own.steering.settled + own.steering.settled_for_pods
        more = {"pods": list(own.node.pod_cidrs)}
    found = [address for address in hosts if phase == CLOSE or _single(address) in settled]
    return {"hosts": found, **more} if found else {}


def _encrypted_addresses(name: str, other: HostPlan, encryption: Encryption) -> tuple[str, ...]:
    if other.node is None or not other.node.enabled or name in encryption.exempt_hosts:
        return ()
    return other.node.addresses


def _plain_networks(others: Iterable[HostPlan], own: _Own, phase: str) -> Iterator[str]:
    """Yield the networks of nodes that do not encrypt, or, before the last phase, do not do so yet."""
    for other in others:
        if other.node is None:
            continue
        for network in other.networks:
            if not other.node.enabled or (phase != CLOSE and network not in own.steering.settled):
                yield network


def _family(text: str) -> int:
    return parse_prefix(text.partition("/")[0]).family
