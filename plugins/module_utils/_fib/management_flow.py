# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The route of the management connection, and whether a change would move it to another route.

Rules and tables are searched as the kernel does for a packet that the host itself sends. The packets are assumed to
have no firewall mark and no type of service, and to belong to root, as sshd's do.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from .._engine.errors import Refused
from .._host import ssh_connection
from .._host.ssh_connection import Flow, flow_of
from .._ip.prefix import Prefix
from .._netlink import messages as nl
from .._netlink import route as route_codec
from .._netlink import rule as rule_codec
from .._netlink.connection import Connection
from .._netlink.rule import Range, Rule
from .._netlink.table_route import TableRoute
from .route_table import name_of

Tables = Callable[[int], Sequence[TableRoute]]
Names = Callable[[int], str]

_REFUSING_ACTIONS = {
    rule_codec.FR_ACT_BLACKHOLE: "blackhole",
    rule_codec.FR_ACT_UNREACHABLE: "unreachable",
    rule_codec.FR_ACT_PROHIBIT: "prohibit",
}


def find(connection: Connection, environment: Mapping[str, str]) -> Flow | None:
    """Return the flow of the management connection; None where there is none, or none in this network namespace."""
    ssh = ssh_connection.find(environment)
    flow = None if ssh is None else flow_of(ssh)
    return flow if flow is not None and _is_local(connection, flow) else None


def _is_local(connection: Connection, flow: Flow) -> bool:
    lookup = route_codec.encode_lookup(flow.family, flow.source.packed)
    try:
        replies = connection.request(route_codec.RTM_GETROUTE, lookup)
    except nl.NetlinkError as exc:
        if exc.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP):
            return False
        raise
    return any(route_codec.decode_lookup(reply).type == route_codec.RTN_LOCAL for reply in replies)


def matches(rule: Rule, flow: Flow) -> bool:
    """Return whether the kernel follows a rule for the flow (fib_rules.c, fib_rule_match)."""
    if rule.family != flow.family:
        return False
    hit = (
        not rule.rest
        and _in(rule.source, flow.source)
        and _in(rule.destination, flow.destination)
        and rule.input_interface in (None, "lo")  # the input interface of packets that the host itself sends
        and rule.output_interface in (None, flow.interface)
        and not (rule.fwmark ^ flow.mark) & rule.fwmask
        and _between(rule.uid_range, 0)
        and rule.ip_protocol in (0, flow.protocol)
        and _between(rule.source_ports, flow.source_port)
        and _between(rule.destination_ports, flow.destination_port)
    )
    return hit != rule.invert


def _in(network: Prefix | None, address: Prefix) -> bool:
    return network is None or network.contains(address)


def _between(limits: Range | None, number: int) -> bool:
    return limits is None or limits[0] <= number <= limits[1]


def describe_route(flow: Flow, rules: Iterable[Rule], tables: Tables, names: Names = name_of) -> str:
    """Return the route of the flow as text that differs where routes do; ``names`` maps an interface index to a name."""
    sorted_rules = sorted((rule for rule in rules if rule.family == flow.family), key=lambda rule: rule.priority)
    position = 0
    while position < len(sorted_rules):
        rule = sorted_rules[position]
        position += 1
        if not matches(rule, flow):
            continue
        if rule.action == rule_codec.FR_ACT_GOTO:
            # Without a rule at its target the kernel skips it.
            position = next((at for at, to in enumerate(sorted_rules) if to.priority == rule.goto), position)
        elif rule.action in _REFUSING_ACTIONS:
            return _REFUSING_ACTIONS[rule.action]
        elif rule.action == rule_codec.FR_ACT_TO_TBL:
            found = _search(tables(rule.table), flow)
            if found is None or found.type == route_codec.RTN_THROW:
                continue
            suppressed = rule.suppress_prefixlength
            leads_on = found.type in (route_codec.RTN_UNICAST, route_codec.RTN_LOCAL)
            if suppressed is not None and leads_on and found.destination.length <= suppressed:
                continue
            return _describe(found, names)
    return "no route"


def _search(routes: Iterable[TableRoute], flow: Flow) -> TableRoute | None:
    index = 0
    if flow.interface is not None:
        try:
            index = socket.if_nametoindex(flow.interface)
        except OSError:
            index = 0
    candidates = [
        route
        for route in routes
        if not route.dead
        and not route.tos
        and _in(route.destination, flow.destination)
        and _in(route.from_network, flow.source)
        and (not index or not route.hops or any(hop.interface_index == index for hop in route.hops))
    ]
    if not candidates:
        return None
    return min(candidates, key=_specific)


def _specific(route: TableRoute) -> tuple[int, int, int]:
    return (-route.destination.length, -(route.from_network.length if route.from_network else 0), route.metric)


def _describe(route: TableRoute, names: Names) -> str:
    if route.type == route_codec.RTN_LOCAL:
        return "to itself"
    words = []
    for hop in route.hops:
        family = socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET
        gateway = f"via {socket.inet_ntop(family, hop.via)} " if hop.via else ""
        words.append(f"{gateway}dev {names(hop.interface_index)}")
    types = {route_codec.RTN_BLACKHOLE: "blackhole", route_codec.RTN_UNREACHABLE: "unreachable"}
    types[route_codec.RTN_PROHIBIT] = "prohibit"
    return " and ".join(words) or types.get(route.type, f"a route of type {route.type}")


def refuse_change(
    flow: Flow,
    before: tuple[Iterable[Rule], Tables],
    after: tuple[Iterable[Rule], Tables],
    names: Names = name_of,
    remedy: str = "",
) -> None:
    """Raise Refused where a change moves the flow to another route. ``remedy`` replaces the usual one, a rule."""
    old, new = describe_route(flow, *before, names), describe_route(flow, *after, names)
    if old != new:
        remedy = remedy or f"exempt them with a rule before it (to: {flow.to}, table: main)"
        raise Refused(
            f"the management connection would be rerouted: packets to {flow.to} go {old} now, and would go {new} then; "
            f"{remedy}, or set O(allow_management_change=true)"
        )
