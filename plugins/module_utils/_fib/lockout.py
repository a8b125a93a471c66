# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Refuse a change of rules, routes, addresses or interfaces that would reroute or cut the management connection.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import cache

from .._engine.errors import Refused
from .._engine.reconcile import Operation
from .._host.ssh_connection import Flow
from .._ip.prefix import Prefix
from .._netlink import route as route_codec
from .._netlink.connection import Connection
from .._netlink.messages import NetlinkError
from .._netlink.rule import FR_ACT_GOTO, Rule
from .._netlink.table_route import TableRoute
from . import management_flow as management
from . import route_table as tables
from . import rules
from .advertised_routes import is_dropped

_RT_TABLE_LOCAL, _RTPROT_KERNEL = 255, 2
_KEEP_DEFAULT_ROUTE = (
    "a host that begins to forward IPv6 drops the default routes of router advertisements, so set accept_ra of that "
    "interface to 2"
)


@dataclass(frozen=True)
class Change:
    """Operations on rules and on routes of any table, and changes that remove routes too.

    gone: indexes of interfaces that are removed or set down, with all their routes. addresses: packed ones that are
    removed. networks: prefixes on the links of interfaces that addresses take with them, with the index of the interface.
    forwards_ipv6: whether the host begins to forward IPv6, and then ignores router advertisements.
    """

    rules: Sequence[Operation[Rule]] = ()
    routes: Sequence[Operation[TableRoute]] = ()
    gone: frozenset[int] = frozenset()
    addresses: frozenset[bytes] = frozenset()
    forwards_ipv6: bool = False
    networks: frozenset[tuple[Prefix, int]] = frozenset()

    def __bool__(self) -> bool:
        leaving = self.gone or self.addresses or self.networks
        return bool(self.rules or self.routes or leaving or self.forwards_ipv6)


def refuse_route_lockout(
    connection: Connection,
    change: Change,
    names: Callable[[int], str] = tables.name_of,
    flows: Sequence[Flow] | None = None,
) -> None:
    """Raise Refused where the change would reroute or cut the management connection.

    ``names`` maps an interface index to a name. ``flows`` are the connection and the tunnels that carry it, where the
    caller has found them.
    """
    if not change:
        return
    if flows is None:
        flow = management.find(connection, os.environ)
        flows = [] if flow is None else [flow]
    for flow in flows:
        _refuse_lockout_of(flow, connection, change, names)


def _refuse_lockout_of(flow: Flow, connection: Connection, change: Change, names: Callable[[int], str]) -> None:
    @cache
    def held(table: int) -> tuple[TableRoute, ...]:
        return tuple(tables.read(connection, table, (flow.family,)))

    if (change.gone or change.addresses) and any(flow.source.packed):
        _refuse_address_loss(change, flow, held(_RT_TABLE_LOCAL))
    becomes_router = change.forwards_ipv6 and flow.family == socket.AF_INET6
    rerouted = bool(change.gone) or becomes_router or _any_leads_to(change.routes, flow)
    rerouted = rerouted or any(network.contains(flow.destination) for network, _index in change.networks)
    if not (change.rules or rerouted):
        return
    current = rules.read(connection, (flow.family,))
    gone = {operation.before for operation in change.rules if operation.before is not None}
    made = [operation.after for operation in change.rules if operation.after is not None]
    after = [rule for rule in current if rule not in gone] + made
    # Any rule may be the target of a goto.
    jumps = any(rule.action == FR_ACT_GOTO for rule in after)
    if not (jumps or any(management.matches(rule, flow) for rule in (*gone, *made)) or rerouted):
        return
    removed = {operation.before for operation in change.routes if operation.before is not None}
    added = [_resolved(connection, operation.after) for operation in change.routes if operation.after is not None]

    def then(table: int) -> list[TableRoute]:
        stays = [route for route in held(table) if route not in removed and not _leads_through(route, change.gone)]
        stays = [route for route in stays if not _is_on_link(route, change.networks)]
        stays = [route for route in stays if not (becomes_router and is_dropped(route))]
        return stays + [route for route in added if route.table == table and route.destination.family == flow.family]

    management.refuse_change(flow, (current, held), (after, then), names, _KEEP_DEFAULT_ROUTE if becomes_router else "")


def _refuse_address_loss(change: Change, flow: Flow, local: Sequence[TableRoute]) -> None:
    """Raise Refused where this host's address of the management connection would be removed."""
    had = [route for route in local if route.type == route_codec.RTN_LOCAL and route.destination.contains(flow.source)]
    stays = [route for route in had if not _leads_through(route, change.gone)]
    if had and (flow.source.packed in change.addresses or not stays):
        raise Refused(
            f"{flow.reversed().to}, this host's address of the management connection, would be removed: "
            "connect to another address, or set O(allow_management_change=true)"
        )


def _any_leads_to(routes: Sequence[Operation[TableRoute]], flow: Flow) -> bool:
    return any(operation.key()[0].contains(flow.destination) for operation in routes)


def _is_on_link(route: TableRoute, networks: Container[tuple[Prefix, int]]) -> bool:
    """Return whether a route is the one that the kernel makes for an address, to one of some networks."""
    return route.protocol == _RTPROT_KERNEL and any(
        (route.destination, hop.interface_index) in networks for hop in route.hops
    )


def _leads_through(route: TableRoute, interfaces: frozenset[int]) -> bool:
    return bool(route.hops) and all(hop.interface_index in interfaces for hop in route.hops)


def _resolved(connection: Connection, route: TableRoute) -> TableRoute:
    """Return the route with the interfaces that the kernel finds for its gateways."""
    hops = []
    for hop in route.hops:
        index = hop.interface_index
        if not index and hop.via:
            family = socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET
            try:
                replies = connection.request(route_codec.RTM_GETROUTE, route_codec.encode_lookup(family, hop.via))
                index = route_codec.decode_lookup(replies[0]).interface_index
            except NetlinkError:  # the kernel will refuse the route, too, with the reason
                index = 0
        hops.append(hop._replace(interface_index=index))
    return replace(route, hops=tuple(hops))
