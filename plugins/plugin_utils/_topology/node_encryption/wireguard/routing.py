# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routing of a Kubernetes node's packets into the tunnel: its own tables, and the rules that look them up.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from .....module_utils._ip.prefix import Prefix
from ...plan_model.fleet import FleetPlan, HostPlan
from ...plan_model.host_document import HostDocument, RouteEntry, RouteTable, RuleEntry, RuleOwnership, RuleSection
from ...plan_model.nodes import ENFORCE, IN, OUT, Encryption, NodePlan, Steering
from ..profiles import CALICO, CILIUM, DEFAULT_ROUTES, cilium_routes, cilium_rules

# Metric of the route behind the one through the interface.
_LAST_METRIC = 0xFFFF
# Single addresses, which exceptions do not compare (_fib/rules.py).
_ANY_HOST = ("0.0.0.0/32", "::/128")
_FAMILY_NAMES = {4: "ipv4", 16: "ipv6"}


class NodeContext(NamedTuple):
    """A node with the plan of the fleet around it. hosts: all nodes, this one included. settled: that of the steering."""

    name: str
    node: NodePlan
    steering: Steering
    encryption: Encryption
    interface: str
    hosts: Mapping[str, HostPlan]
    settled: frozenset[Prefix]

    @property
    def leads(self) -> bool:
        """Whether the node has tunnels itself, instead of through its leader."""
        return self.node.leader == self.name


def is_leader(name: str, host: HostPlan) -> bool:
    """Return whether a node has tunnels itself. Without locations every node is its own leader."""
    return host.node is not None and host.node.leader == name


def is_peer(name: str, other: HostPlan) -> bool:
    """Return whether a node is a peer of the others: it is a leader, it is enabled, and its key is known."""
    return is_leader(name, other) and _encrypts(other) and other.public_key is not None


def _encrypts(host: HostPlan) -> bool:
    return host.node is not None and host.node.enabled


def is_ready(other: HostPlan, destination: Prefix, context: NodeContext) -> bool:
    """Return whether a node receives encrypted packets: it is in this run, or it received them before the run.

    The same must hold for the leaders of both nodes.
    """
    if other.node is None or not other.node.enabled:
        return False
    is_settled = destination in context.settled
    if is_settled and not context.leads:
        return True
    leaders = [context.hosts.get(node.leader) for node in (context.node, other.node)]
    if leaders[1] is None or not is_peer(other.node.leader, leaders[1]):
        return False
    return is_settled or not DEFAULT_ROUTES.isdisjoint(context.settled) or are_both_reached(other, context)


def are_both_reached(other: HostPlan, context: NodeContext) -> bool:
    """Return whether the run reaches both nodes and their leaders, so that both ends can be changed."""
    if other.node is None:
        return False
    leaders = [context.hosts.get(node.leader) for node in (context.node, other.node)]
    nodes = [context.node, other.node, *(leader.node if leader is not None else None for leader in leaders)]
    return all(node is not None and node.reached for node in nodes)


def may_send_plaintext(other: HostPlan, destination: Prefix, context: NodeContext) -> bool:
    """Return whether plaintext from a node to which this node sends encrypted packets has to be accepted.

    After an interrupted run some nodes send encrypted packets and others do not yet. A run that does not reach the other node
    accepts its plaintext if it was accepted before.
    """
    if are_both_reached(other, context):
        return False
    return IN not in context.steering.closed or destination in context.steering.accepted


def drops_plaintext(direction: str, context: NodeContext, phase: str) -> bool:
    """Return whether plaintext is dropped in a direction: before the last phase, only if it is dropped already."""
    return direction in context.encryption.closed and (phase == ENFORCE or direction in context.steering.closed)


def stays_plain(destination: Prefix, context: NodeContext) -> bool:
    """Return whether plaintext to a destination that is not ready is allowed as before the run.

    A run that does not reach a node neither drops what it sent and received before, nor allows what was dropped.
    """
    steering = context.steering
    return destination not in steering.dropped and (not steering.closed or destination in steering.plain)


def own_traffic_is_encrypted(name: str, other: HostPlan, context: NodeContext) -> bool:
    """Return whether the traffic between the two nodes themselves is encrypted, and not only that of pods.

    It stays as it is with a node that the run does not reach: both ends have to change.
    """
    if other.node is None or not other.node.enabled:
        return False
    if not {name, context.name}.isdisjoint(context.encryption.exempt_hosts):
        return False
    if other.node.reached or context.encryption.located:
        return context.encryption.host_encryption
    return any(address in context.settled or address in context.steering.dropped for address in other.node.addresses)


def whole_nodes(others: Mapping[str, HostPlan], context: NodeContext) -> list[str]:
    """Return the nodes with which all traffic is encrypted, by name."""
    return [name for name in sorted(others) if own_traffic_is_encrypted(name, others[name], context)]


def drops_to_pods(other: HostPlan, destination: Prefix, context: NodeContext) -> bool:
    """Return whether plaintext of this node's pods to an address of a node is dropped in the last phase."""
    if destination in context.steering.settled_for_pods or is_ready(other, destination, context):
        return True
    return not any(stays_plain(network, context) for network in other.networks or (destination,))


def steering_of(
    plan: FleetPlan, host: HostPlan, others: Mapping[str, HostPlan], context: NodeContext, phase: str
) -> HostDocument:
    """Return the routes and rules that send packets into the tunnel."""
    steering = context.steering
    if steering.profile == CILIUM:
        families = {4 if len(cidr.packed) == 4 else 6 for cidr in context.node.pod_cidrs}
        ready = any(is_ready(other, network, context) for other in others.values() for network in other.networks)
        return {
            "ip_routes": [table_of(steering, steering.table, cilium_routes(plan.interface, families, ready))],
            "ip_rules": cilium_rules(steering.table, steering.rule_priority, steering.rule_protocol, families),
        }
    routes = [_table(plan, host, others, context, phase)]
    if steering.profile != CALICO:
        routes.append(_node_table(plan, others, context, phase))
    if steering.profile != CALICO or has_exempt_ports(others, context):
        routes.append(_exempt_table(routes[0], others, context))
    return {"ip_routes": routes, "ip_rules": _rules(steering, host, others, context), "keep_masqueraded": True}


def _table(
    plan: FleetPlan, host: HostPlan, others: Mapping[str, HostPlan], context: NodeContext, phase: str
) -> RouteTable:
    """Return the routes of the node's own table: through the device, by the main table (throw), and blackholes.

    There is no blackhole for addresses that no other node is known to have. They may be those of a new pod of this node, and
    the main table knows. The chain `drop_egress` drops what leaves the node.
    """
    steering = context.steering
    # Without a source address the kernel uses that of the interface, as in Calico's table.
    own = {address.family: address.bare for address in reversed(context.node.addresses)}
    sources: dict[int, str] = {}
    if steering.profile != CALICO:
        sources = {address.family: address.bare for address in host.addresses} if context.leads else own
    routes: dict[Prefix, RouteEntry] = {}
    closed: dict[Prefix, None] = {}
    for cidr in (*context.node.pod_cidrs, *context.node.extra_allowed_ips, *steering.exclude_cidrs):
        routes[cidr] = {"destination": str(cidr), "type": "throw"}
    for other_name in sorted(others):
        other = others[other_name]
        for destination, source in _destinations(other_name, other, sources, own, context):
            route = _route(other, destination, source, context)
            if route is not None:
                routes.setdefault(destination, route)
            elif destination not in routes:
                closed[destination] = None
    # Routes to nodes without facts stay unchanged.
    if _are_unknown(plan, others):
        for destination in steering.settled:
            source = sources.get(destination.family, "")
            routes.setdefault(destination, _through(destination, source, context))
    found = list(routes.values())
    if drops_plaintext(OUT, context, phase):
        closed.update((destination, None) for destination, route in routes.items() if "dev" in route)
        whole = (others[name].node for name in whole_nodes(others, context))
        closed.update((address, None) for node in whole if node for address in node.addresses)
        found += [_last_blackhole(destination, context) for destination in closed]
    return table_of(steering, steering.table, found)


def table_of(steering: Steering, table: int, routes: list[RouteEntry]) -> RouteTable:
    """Return all managed routes of a table."""
    return {"table": str(table), "protocol": steering.route_protocol, "purge": True, "routes": routes}


def _are_unknown(plan: FleetPlan, others: Iterable[str]) -> bool:
    return any(name in plan.unknown or plan.hosts[name].node is None for name in others)


def _last_blackhole(destination: Prefix, context: NodeContext) -> RouteEntry:
    """Return the route behind the one through the interface, which remains when the interface is gone."""
    return {"destination": str(destination), "type": context.steering.route_action, "metric": _LAST_METRIC}


def _node_table(plan: FleetPlan, others: Mapping[str, HostPlan], context: NodeContext, phase: str) -> RouteTable:
    """Return the routes of pods to other nodes' own addresses; none between locations, whose table has them.

    Replies of a node to a pod are encrypted, because their destination is a pod. Requests must be, too: plaintext would
    arrive on another interface than the replies leave by, and a strict source check or `drop_ingress` would drop it.
    """
    if context.encryption.located:
        return table_of(context.steering, context.steering.tables[1], [])
    settled = dict.fromkeys(context.steering.settled_for_pods)
    destinations = list(settled) if _are_unknown(plan, others) else []
    dropped = []
    for other_name in sorted(others):
        other = others[other_name]
        if other.node is None or not other.node.enabled:
            continue
        for destination in other.node.addresses:
            if destination in settled or is_ready(other, destination, context):
                destinations.append(destination)
            if drops_to_pods(other, destination, context):
                dropped.append(destination)
    routes = [_through(destination, "", context) for destination in dict.fromkeys(destinations)]
    if drops_plaintext(OUT, context, phase):
        routes += [_last_blackhole(address, context) for address in dropped]
    return table_of(context.steering, context.steering.tables[1], routes)


def _exempt_table(table: RouteTable, others: Mapping[str, HostPlan], context: NodeContext) -> RouteTable:
    """Return the routes of exempt ports: those of the node's own table, without other nodes' addresses.

    Exempt is TCP between nodes, which the rule after this table sends to the main table. The same ports of packets to
    pods are encrypted: a pod's request to an exempt port of a node is encrypted, so the answer must be, too.
    """
    nodes = {str(address) for other in others.values() if other.node for address in other.node.addresses}
    routes = table["routes"] if has_exempt_ports(others, context) else []
    found = [route for route in routes if route["destination"] not in nodes]
    return table_of(context.steering, context.steering.tables[2], found)


def has_exempt_ports(others: Mapping[str, HostPlan], context: NodeContext) -> bool:
    """Return whether TCP ports of nodes are exempt from encryption."""
    return bool(context.steering.exempt_ports) and bool(whole_nodes(others, context))


def _destinations(
    other_name: str, other: HostPlan, sources: Mapping[int, str], own: Mapping[int, str], context: NodeContext
) -> Iterator[tuple[Prefix, str]]:
    """Yield the destinations at another node, each with the source address of this node's own packets to it.

    sources: by family, to networks. own: the node's own addresses by family, to the other node itself.
    """
    if other.node is None:
        return
    for network in other.networks:
        yield network, sources.get(network.family, "")
    if own_traffic_is_encrypted(other_name, other, context):
        for address in other.node.addresses:
            yield address, own.get(address.family, "")


def _route(other: HostPlan, destination: Prefix, source: str, context: NodeContext) -> RouteEntry | None:
    """Return the route to a destination; None if there is none, so that plaintext stays dropped."""
    in_location = other.node is not None and context.node.leader and other.node.leader == context.node.leader
    if not in_location and is_ready(other, destination, context):
        return _through(destination, source, context)
    is_disabled = other.node is not None and not other.node.enabled
    if is_disabled or not context.encryption.closed or stays_plain(destination, context):
        return {"destination": str(destination), "type": "throw"}
    return None


def _through(destination: Prefix, source: str, context: NodeContext) -> RouteEntry:
    """Return the route through the interface, or through the leader that has it."""
    route: RouteEntry = {"destination": str(destination), "dev": context.interface}
    if not context.leads:
        gateways = (one for one in context.steering.gateways if one.address.family == destination.family)
        gateway = next(gateways, None)
        if gateway is None:
            return {"destination": str(destination), "type": "throw"}
        route = {"destination": str(destination), "via": gateway.address.bare, "dev": gateway.interface}
    return {**route, "src": source} if source else route


def _rules(steering: Steering, host: HostPlan, others: Mapping[str, HostPlan], context: NodeContext) -> RuleSection:
    """Return the rule that sends all but the tunnel's own packets to the table, and the rules before it."""
    whole = context.encryption.host_encryption or bool(whole_nodes(others, context))
    node_addresses = host.node.addresses if host.node else ()
    families = {one.family for one in host.networks} | {one.family for one in host.addresses}
    if whole:
        families |= {address.family for address in node_addresses}
    rules: list[RuleEntry] = [
        {
            "priority": steering.rule_priority,
            "family": "both" if len(families) > 1 else _FAMILY_NAMES[len(host.networks[0].packed)],
            "fwmark": steering.mark,
            "invert": True,
            "table": str(steering.table),
        }
    ]
    above = steering.rule_priority - 1
    # Packets of an address that moves are unencrypted both ways: other nodes do not know which node has it.
    rules += [{"priority": above, "from": str(address), "table": "main"} for address in steering.virtual_ips]
    if host.node and steering.profile != CALICO and not context.encryption.located:
        nodes, mask = str(steering.tables[1]), steering.mark.rpartition("/")[2]
        rules += [
            # Marked replies to masqueraded pods: their source check must not find this route.
            {"priority": above, "from": str(cidr), "fwmark": f"0x0/{mask}", "table": nodes}
            for cidr in host.node.pod_cidrs
        ]
    if has_exempt_ports(others, context):
        pods = str(steering.tables[2])
        for address in node_addresses:
            exempt: RuleEntry = {"from": str(address), "ipproto": "tcp"}
            for port in steering.exempt_ports:
                sides: list[RuleEntry] = [{**exempt, "sport": str(port)}, {**exempt, "dport": str(port)}]
                for ports in sides:
                    rules += [
                        {**ports, "priority": above - 1, "table": pods},
                        {**ports, "priority": above, "table": "main"},
                    ]
    return {"rules": rules, **ownership(steering)}


def ownership(steering: Steering) -> RuleOwnership:
    """Return the priorities, tables and protocol of managed rules.

    Those that look up the main table have a single source address, whichever it was in an earlier run.
    """
    main: RuleEntry = {"priority": max(steering.rule_priority - 1, 1), "table": "main"}
    exceptions: list[RuleEntry] = []
    for host in _ANY_HOST:
        port: RuleEntry = {**main, "from": host, "ipproto": "tcp"}
        exceptions += [{**main, "from": host}, {**port, "sport": "1"}, {**port, "dport": "1"}]
    return {
        "priorities": f"{max(steering.rule_priority - 2, 1)}-{steering.rule_priority}",
        "tables": [str(table) for table in steering.tables],
        "exceptions": exceptions,
        "protocol": steering.rule_protocol,
        "purge": True,
    }
