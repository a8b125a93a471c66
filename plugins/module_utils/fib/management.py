# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The connection a change comes by, and whether the host's answers would take another way after the change.

Rules are asked and tables are searched as the kernel does it for a packet that the host itself sends. What cannot be
known is taken so: the packets have no firewall mark, no type of service, and belong to root, as sshd's do.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .. import ssh_connection
from ..netlink import messages as nl
from ..netlink import route as route_codec
from ..netlink import rule as rule_codec
from ..netlink.connection import Connection
from ..netlink.rule import Range, Rule
from ..netlink.table_route import TableRoute
from ..prefix import Prefix
from ..refusal import Refused
from ..ssh_connection import SshConnection
from .tables import name_of

Tables = Callable[[int], Sequence[TableRoute]]
Names = Callable[[int], str]

_TCP = 6
UDP = 17
_NO_WAY = {
    rule_codec.FR_ACT_BLACKHOLE: "blackhole",
    rule_codec.FR_ACT_UNREACHABLE: "unreachable",
    rule_codec.FR_ACT_PROHIBIT: "prohibit",
}


@dataclass(frozen=True)
class Flow:
    """What the host sends to its controller: packets of one TCP connection, or of a tunnel that this goes through.

    A tunnel's packets have a firewall mark, and no source address yet when their way is looked up.
    """

    family: int
    source: bytes
    destination: bytes
    source_port: int = 22
    destination_port: int = 0
    interface: str | None = None
    protocol: int = _TCP
    mark: int = 0

    @property
    def to(self) -> str:
        """The address of the controller, or of the tunnel's other end."""
        return socket.inet_ntop(self.family, self.destination)


def flow_of(told: SshConnection) -> Flow:
    """Return what the host sends over an SSH connection."""
    return Flow(told.family, told.server, told.client, told.server_port, told.client_port, told.scope or None)


def find(connection: Connection, environment: Mapping[str, str]) -> Flow | None:
    """Return the SSH connection this process was started by; None where there is none, or not in this namespace."""
    told = ssh_connection.find(environment)
    flow = None if told is None else flow_of(told)
    return flow if flow is not None and _is_local(connection, flow) else None


def _is_local(connection: Connection, flow: Flow) -> bool:
    try:
        replies = connection.request(route_codec.RTM_GETROUTE, route_codec.encode_lookup(flow.family, flow.source))
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
        and rule.input_interface in (None, "lo")  # that is where packets of the host itself come from
        and rule.output_interface in (None, flow.interface)
        and not (rule.fwmark ^ flow.mark) & rule.fwmask
        and _between(rule.uid_range, 0)
        and rule.ip_protocol in (0, flow.protocol)
        and _between(rule.source_ports, flow.source_port)
        and _between(rule.destination_ports, flow.destination_port)
    )
    return hit != rule.invert


def _in(network: Prefix | None, address: bytes) -> bool:
    if network is None:
        return True
    return network.contains(Prefix(network.family, address, len(address) * 8))


def _between(limits: Range | None, number: int) -> bool:
    return limits is None or limits[0] <= number <= limits[1]


def way(flow: Flow, rules: Iterable[Rule], tables: Tables, names: Names = name_of) -> str:
    """Return which way the flow takes, in words that differ where ways do; ``names`` tells interfaces by index."""
    asked = sorted((rule for rule in rules if rule.family == flow.family), key=lambda rule: rule.priority)
    position = 0
    while position < len(asked):
        rule = asked[position]
        position += 1
        if not matches(rule, flow):
            continue
        if rule.action == rule_codec.FR_ACT_GOTO:
            # One without a rule at its target is passed over.
            position = next((at for at, to in enumerate(asked) if to.priority == rule.goto), position)
        elif rule.action in _NO_WAY:
            return _NO_WAY[rule.action]
        elif rule.action == rule_codec.FR_ACT_TO_TBL:
            found = _search(tables(rule.table), flow)
            if found is None or found.type == route_codec.RTN_THROW:
                continue
            suppressed = rule.suppress_prefixlength
            leads_on = found.type in (route_codec.RTN_UNICAST, route_codec.RTN_LOCAL)
            if suppressed is not None and leads_on and found.destination.length <= suppressed:
                continue
            return _say(found, names)
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


def _say(route: TableRoute, names: Names) -> str:
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
    """Raise Refused where the flow would take another way after a change. ``remedy`` is one that is not a rule."""
    old, new = way(flow, *before, names), way(flow, *after, names)
    if old != new:
        remedy = remedy or f"exempt them with a rule before it (to: {flow.to}, table: main)"
        raise Refused(
            f"the connection by which this change comes would be sent elsewhere: packets to {flow.to} go {old} now, "
            f"and would go {new} then; {remedy}, or set allow_management_change if that is meant"
        )
