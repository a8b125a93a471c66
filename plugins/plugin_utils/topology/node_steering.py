# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the packets of a Kubernetes node find the tunnel: its own tables, and the rules that look them up.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan, HostPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import (
    CLOSE,
    OUT,
    Encryption,
    NodePlan,
    Steering,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_profiles import (
    CALICO,
    CILIUM,
    DEFAULT_ROUTES,
    cilium_routes,
    cilium_rules,
)

# Of a route behind the one through the device.
_LAST_METRIC = 0xFFFF
_FAMILY_NAMES = {4: "ipv4", 16: "ipv6"}


class Own(NamedTuple):
    """A node's own part, with what holds for all. hosts: all nodes, this one as well."""

    name: str
    node: NodePlan
    steering: Steering
    encryption: Encryption
    interface: str
    hosts: Mapping[str, HostPlan]

    @property
    def leads(self) -> bool:
        """Whether the node has tunnels of its own, and not its location's leader for it."""
        return self.node.leader == self.name


def is_leader(name: str, host: HostPlan) -> bool:
    """Return whether a node has tunnels of its own: without locations every node is its own leader."""
    return host.node is not None and host.node.leader == name


def is_peer(name: str, other: HostPlan) -> bool:
    """Return whether a node is to be a peer of the others: it leads, it shall encrypt, and its key is known."""
    return is_leader(name, other) and _encrypts(other) and other.public_key is not None


def _encrypts(host: HostPlan) -> bool:
    return host.node is not None and host.node.enabled


def is_ready(other: HostPlan, destination: str, own: Own) -> bool:
    """Return whether a node takes encrypted packets: it is one that this run speaks to, or it did so before.

    So have to be the leaders of both.
    """
    if other.node is None or not other.node.enabled:
        return False
    settled = own.steering.settled
    if not own.leads and destination in settled:
        return True
    leaders = [own.hosts.get(node.leader) for node in (own.node, other.node)]
    if leaders[1] is None or not is_peer(other.node.leader, leaders[1]):
        return False
    if destination in settled or not DEFAULT_ROUTES.isdisjoint(settled):
        return True
    nodes = [own.node, other.node, *(leader.node for leader in leaders if leader is not None)]
    return leaders[0] is not None and all(node is not None and node.reached for node in nodes)


def is_closed(way: str, own: Own, phase: str) -> bool:
    """Return whether a way is closed in a phase: before the last one, only if it is closed now."""
    return way in own.encryption.closed and (phase == CLOSE or way in own.steering.closed)


def encrypted_addresses(name: str, other: HostPlan, encryption: Encryption) -> tuple[str, ...]:
    """Return the addresses of a node to which nothing plain shall be sent; none where that is allowed."""
    if other.node is None or not other.node.enabled or name in encryption.exempt_hosts:
        return ()
    return other.node.addresses


def single(address: str) -> str:
    """Return an address as the network that holds it alone."""
    return address + ("/128" if ":" in address else "/32")


def steering_of(
    plan: FleetPlan, host: HostPlan, others: Mapping[str, HostPlan], own: Own, phase: str
) -> dict[str, Any]:
    """Return the routes and rules by which packets find the tunnel."""
    steering = own.steering
    if steering.profile == CILIUM:
        families = {4 if "." in cidr else 6 for cidr in own.node.pod_cidrs}
        ready = any(is_ready(other, network, own) for other in others.values() for network in other.networks)
        return {
            "ip_routes": [table_of(steering, steering.table, cilium_routes(plan.interface, families, ready))],
            "ip_rules": cilium_rules(steering.table, steering.rule_priority, steering.rule_protocol, families),
        }
    routes = [_table(plan, host, others, own, phase)]
    if steering.profile != CALICO:
        routes.append(_node_table(plan, others, own, phase))
    return {"ip_routes": routes, "ip_rules": _rules(steering, host, own.encryption)}


def _table(plan: FleetPlan, host: HostPlan, others: Mapping[str, HostPlan], own: Own, phase: str) -> dict[str, Any]:
    """Return the routes of the node's own table: through the device, by the main table (throw), and to nowhere."""
    steering, encryption = own.steering, own.encryption
    # Without one, the kernel takes the device's own, as it does in Calico's table.
    own_addresses = (host.addresses if own.leads else own.node.addresses) if steering.profile != CALICO else ()
    sources = {_family(address): address.partition("/")[0] for address in own_addresses}
    routes: dict[str, dict[str, Any]] = {}
    for cidr in (*own.node.pod_cidrs, *steering.exclude_cidrs):
        routes[cidr] = {"destination": cidr, "type": "throw"}
    for other_name in sorted(others):
        other = others[other_name]
        for destination, source in _destinations(other_name, other, sources, own):
            way = _way(other, destination, source, own)
            if way is not None:
                routes.setdefault(destination, way)
    # What leads to nodes of which nothing is known now stays as it is.
    if _are_unknown(plan, others):
        for destination in steering.settled:
            source = sources.get(_family(destination), "")
            routes.setdefault(destination, _through(destination, source, own))
    found = list(routes.values())
    if is_closed(OUT, own, phase):
        found += [_to_nowhere(cidr, own) for cidr in encryption.cluster_cidrs if cidr not in routes]
        if encryption.host_encryption:
            found += _nodes_to_nowhere(others, own)
    return table_of(steering, steering.table, found)


def table_of(steering: Steering, table: int, routes: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all that shall be ours in a table."""
    return {"table": str(table), "protocol": steering.route_protocol, "purge": True, "routes": routes}


def _are_unknown(plan: FleetPlan, others: Iterable[str]) -> bool:
    return any(name in plan.unknown or plan.hosts[name].node is None for name in others)


def _to_nowhere(destination: str, own: Own) -> dict[str, Any]:
    return {"destination": destination, "type": own.steering.route_action}


def _nodes_to_nowhere(others: Mapping[str, HostPlan], own: Own) -> list[dict[str, Any]]:
    """Return what is left of the routes to nodes when the device is gone."""
    addresses = (
        address for name in sorted(others) for address in encrypted_addresses(name, others[name], own.encryption)
    )
    return [{**_to_nowhere(single(address), own), "metric": _LAST_METRIC} for address in addresses]


def _node_table(plan: FleetPlan, others: Mapping[str, HostPlan], own: Own, phase: str) -> dict[str, Any]:
    """Return the routes of pods to other nodes' own addresses, unless all of this node goes there encrypted.

    Answers of a node to a pod are encrypted, because they go to a pod. So must be the questions: plain ones would come
    in by another interface than the answers leave, which a strict source check drops, and so does what is closed.
    """
    if own.encryption.host_encryption:
        return table_of(own.steering, own.steering.tables[1], [])
    settled = own.steering.settled_for_pods
    destinations = [] if not _are_unknown(plan, others) else list(settled)
    for other_name in sorted(others):
        other = others[other_name]
        for destination in map(single, encrypted_addresses(other_name, other, own.encryption)):
            if destination in settled or is_ready(other, destination, own):
                destinations.append(destination)
    routes = [_through(destination, "", own) for destination in dict.fromkeys(destinations)]
    if is_closed(OUT, own, phase):
        routes += _nodes_to_nowhere(others, own)
    return table_of(own.steering, own.steering.tables[1], routes)


def _destinations(other_name: str, other: HostPlan, sources: Mapping[int, str], own: Own) -> Iterator[tuple[str, str]]:
    """Yield what leads to another node, with the source address that this one's own packets then have."""
    if other.node is None:
        return
    for network in other.networks:
        yield network, sources.get(_family(network), "")
    if own.encryption.host_encryption and other_name not in own.encryption.exempt_hosts and other.node.enabled:
        mine = {_family(address): address for address in own.node.addresses}
        for address in other.node.addresses:
            yield single(address), mine.get(_family(address), "")


def _way(other: HostPlan, destination: str, source: str, own: Own) -> dict[str, Any] | None:
    """Return the route to a destination, None where there shall be none, so that what is closed stays closed."""
    in_location = other.node is not None and own.node.leader and other.node.leader == own.node.leader
    if not in_location and is_ready(other, destination, own):
        return _through(destination, source, own)
    plain = other.node is not None and not other.node.enabled
    if plain or OUT not in own.encryption.closed:
        return {"destination": destination, "type": "throw"}
    return None


def _through(destination: str, source: str, own: Own) -> dict[str, Any]:
    """Return the route through the device, or through the leader that has it."""
    route = {"destination": destination, "dev": own.interface}
    if not own.leads:
        family = _family(destination)
        ways = ((address, dev) for address, dev in own.steering.gateways.items() if _family(address) == family)
        gateway, dev = next(ways, ("", ""))
        route = {"destination": destination, **({"via": gateway, "dev": dev} if gateway else {"type": "throw"})}
        source = source if gateway else ""
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
    if not encryption.host_encryption and host.node and steering.profile != CALICO:
        nodes = str(steering.tables[1])
        rules += [{"priority": above, "from": cidr, "table": nodes} for cidr in host.node.pod_cidrs]
    if encryption.host_encryption:
        for address in node_addresses:
            rules += [
                {
                    "priority": above,
                    "from": single(address),
                    "ipproto": "tcp",
                    side: str(port),
                    "table": "main",
                }
                for port in steering.exempt_ports
                for side in ("sport", "dport")
            ]
    return {"rules": rules, **ownership(steering)}


def ownership(steering: Steering) -> dict[str, Any]:
    """Return what of rules is ours."""
    return {
        "priorities": f"{max(steering.rule_priority - 1, 1)}-{steering.rule_priority}",
        "tables": [str(table) for table in steering.tables],
        "protocol": steering.rule_protocol,
        "purge": True,
    }


def _family(text: str) -> int:
    return parse_prefix(text.partition("/")[0]).family
