# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whether a change of rules and routes would send the connection it comes by another way: asked of the kernel.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ..host import sysctls
from ..netlink import route as route_codec
from ..netlink.connection import Connection
from ..netlink.messages import NetlinkError
from ..netlink.rule import FR_ACT_GOTO, Rule
from ..netlink.table_route import TableRoute
from ..prefix import Prefix
from ..reconcile import Operation
from ..refusal import Refused
from . import management, rules, tables
from .management import Flow

_RT_TABLE_LOCAL, _RTPROT_RA = 255, 9
_FORGOTTEN = (
    "a host that begins to forward IPv6 forgets what routers advertise, so set accept_ra of that interface to 2"
)


@dataclass(frozen=True)
class Change:
    """Operations on rules, on routes of any tables, and what takes more away.

    gone: the indexes of interfaces that go or are set down, with all routes they have. addresses: those that go.
    forwards_ipv6: whether the host begins to forward IPv6, and so becomes a router that listens to no other.
    """

    rules: Sequence[Operation[Rule]] = ()
    routes: Sequence[Operation[TableRoute]] = ()
    gone: frozenset[int] = frozenset()
    addresses: frozenset[bytes] = frozenset()
    forwards_ipv6: bool = False

    def __bool__(self) -> bool:
        return bool(self.rules or self.routes or self.gone or self.addresses or self.forwards_ipv6)


def refuse_cut(
    connection: Connection,
    change: Change,
    names: Callable[[int], str] = tables.name_of,
    flows: Sequence[Flow] | None = None,
) -> None:
    """Raise Refused where the change would send the connection it comes by elsewhere.

    ``names`` tells interfaces by their index. ``flows`` are the connection and the tunnels that it goes through, where
    the caller has found them.
    """
    if not change:
        return
    if flows is None:
        flow = management.find(connection, os.environ)
        flows = [] if flow is None else [flow]
    for flow in flows:
        _refuse_cut(connection, change, flow, names)


def _refuse_cut(connection: Connection, change: Change, flow: Flow, names: Callable[[int], str]) -> None:
    @cache
    def held(table: int) -> tuple[TableRoute, ...]:
        return tuple(tables.read(connection, table, (flow.family,)))

    if (change.gone or change.addresses) and any(flow.source):
        _refuse_loss(change, flow, held(_RT_TABLE_LOCAL))
    forgets = change.forwards_ipv6 and flow.family == socket.AF_INET6
    leads = bool(change.gone) or forgets or _leads(change.routes, flow)
    if not (change.rules or leads):
        return
    current = rules.read(connection, (flow.family,))
    gone = {operation.before for operation in change.rules if operation.before is not None}
    made = [operation.after for operation in change.rules if operation.after is not None]
    after = [rule for rule in current if rule not in gone] + made
    # A jump may get its target or lose it by any rule at all.
    jumps = any(rule.action == FR_ACT_GOTO for rule in after)
    if not (jumps or any(management.matches(rule, flow) for rule in (*gone, *made)) or leads):
        return
    removed = {operation.before for operation in change.routes if operation.before is not None}
    added = [_resolved(connection, operation.after) for operation in change.routes if operation.after is not None]

    def then(table: int) -> list[TableRoute]:
        stays = [route for route in held(table) if route not in removed and not _leads_through(route, change.gone)]
        stays = [route for route in stays if not (forgets and _is_forgotten(route))]
        return stays + [route for route in added if route.table == table and route.destination.family == flow.family]

    management.refuse_change(flow, (current, held), (after, then), names, _FORGOTTEN if forgets else "")


def _is_forgotten(route: TableRoute) -> bool:
    """Return whether the kernel drops a route when it begins to forward: the default one of a router advertisement, but
    where accept_ra is 2 (addrconf.c, rt6_purge_dflt_routers). At 0 somebody else listens, such as systemd-networkd."""
    if route.protocol != _RTPROT_RA or route.destination.length:
        return False
    found = [sysctls.read(f"net/ipv6/conf/{tables.name_of(hop.interface_index)}/accept_ra") for hop in route.hops]
    return any(one is not None and one.value == "1" for one in found)


def _refuse_loss(change: Change, flow: Flow, local: Sequence[TableRoute]) -> None:
    """Raise Refused where the address goes that the connection comes to."""
    own = Prefix(flow.family, flow.source, len(flow.source) * 8)
    had = [route for route in local if route.type == route_codec.RTN_LOCAL and route.destination.contains(own)]
    stays = [route for route in had if not _leads_through(route, change.gone)]
    if had and (flow.source in change.addresses or not stays):
        raise Refused(
            f"the address by which this change comes, {socket.inet_ntop(flow.family, flow.source)}, would go: "
            "come by another one, or set allow_management_change if that is meant"
        )


def _leads(routes: Sequence[Operation[TableRoute]], flow: Flow) -> bool:
    """Return whether any of the routes could be that of the flow."""
    address = Prefix(flow.family, flow.destination, len(flow.destination) * 8)
    return any(operation.key()[0].contains(address) for operation in routes)


def _leads_through(route: TableRoute, interfaces: frozenset[int]) -> bool:
    return bool(route.hops) and all(hop.interface_index in interfaces for hop in route.hops)


def _resolved(connection: Connection, route: TableRoute) -> TableRoute:
    """Return the route with the interfaces that the kernel will choose for its gateways."""
    hops = []
    for hop in route.hops:
        index = hop.interface_index
        if not index and hop.via:
            family = socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET
            try:
                replies = connection.request(route_codec.RTM_GETROUTE, route_codec.encode_lookup(family, hop.via))
                index = route_codec.decode_lookup(replies[0]).interface_index
            except NetlinkError:  # it will refuse the route too, and say why
                index = 0
        hops.append(hop._replace(interface_index=index))
    return replace(route, hops=tuple(hops))
