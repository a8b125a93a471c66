# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a run may not take away: the way back to where it comes from.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..fib import guard
from ..fib.tables import as_table_route
from ..host.sysctls import Sysctl
from ..netlink.connection import Connection
from ..netlink.table_route import TableRoute
from ..reconcile import Operation
from ..refusal import Refused
from ..stage import Stage
from . import tunnels
from .apply import Prepared
from .outcome import Section
from .tunnels import Way
from .wanted_sections import NFTABLES, ROUTES, RULES, Interfaces


def refuse_cut(
    fib: Connection, prepared: Sequence[Prepared], stages: Mapping[Section, Stage], interfaces: Interfaces
) -> None:
    """Raise Refused where interfaces, rules and routes together would cut the connection this comes by, or send it
    elsewhere."""
    way = tunnels.find(fib)
    if not way.flows:
        return
    tunnels.refuse_loss(prepared, way)
    _refuse_closed(
        [one for section, stage in stages.items() if section.kind == NFTABLES for one in stage.operations], way
    )

    def planned(kind: str) -> list[Operation[Any]]:
        return [
            operation for section, stage in stages.items() if section.kind == kind for operation in stage.operations
        ]

    change = guard.Change(
        planned(RULES),
        planned(ROUTES) + list(_routes_of(prepared, interfaces)),
        frozenset(one.index for one in prepared if one.index and _goes_down(one)),
        _addresses_that_go(prepared),
        any(_forwards_ipv6(parameter) for one in prepared for parameter in one.outcome.plan.sysctls),
    )
    guard.refuse_cut(fib, change, interfaces.name_of, way.flows)


def _refuse_closed(operations: Sequence[Operation[Any]], way: Way) -> None:
    """Raise Refused where our packet filter would drop what the connection's two ends send."""
    made = [operation.after for operation in operations if operation.after is not None]
    if not made:
        return
    from ..nftables.table import CLOSED_IN, Section
    from ..nftables.verdict import CLOSED, Packet, drops

    flow = way.flows[0]
    client, server = (socket.inet_ntop(flow.family, packed) for packed in (flow.destination, flow.source))
    coming = Packet(way.interface, client, server, flow.destination_port, flow.source_port, client)
    leaving = Packet(way.interface, server, client, flow.source_port, flow.destination_port, client)
    closing = (part for part in made if isinstance(part, Section) and part.purpose in CLOSED)
    for part in closing:
        if drops(part, coming if part.purpose == CLOSED_IN else leaving):
            raise Refused(
                f"the connection by which this change comes, from {client}, would be dropped by {part.purpose} of "
                f"{part.interface}, because it is plain text: leave that address out of the networks that are closed, "
                "except it, or set allow_management_change if that is meant"
            )


def _goes_down(one: Prepared) -> bool:
    return not one.wanted.present or any(link.after and not link.after.up for link in one.outcome.plan.link)


def _forwards_ipv6(parameter: Operation[Sysctl]) -> bool:
    return parameter.key() == "net/ipv6/conf/all/forwarding" and parameter.after is not None


def _addresses_that_go(prepared: Iterable[Prepared]) -> frozenset[bytes]:
    operations = [operation for one in prepared for operation in one.outcome.plan.addresses]
    going = {operation.before.address.packed for operation in operations if operation.before is not None}
    return frozenset(
        going - {operation.after.address.packed for operation in operations if operation.after is not None}
    )


def _routes_of(prepared: Iterable[Prepared], interfaces: Interfaces) -> Iterable[Operation[TableRoute]]:
    """Yield the routes that come and go with what is planned for interfaces, those of their new addresses too."""
    for one in prepared:
        if not one.wanted.present:
            continue
        index = one.index or interfaces.index_of(one.name)
        for operation in one.outcome.plan.routes:
            before, after = operation.before, operation.after
            yield Operation(
                None if before is None else as_table_route(before.destination, before.metric, index),
                None if after is None else as_table_route(after.destination, after.metric, index),
            )
        for address in one.outcome.plan.addresses:
            if address.before is None and address.after is not None:
                yield Operation(None, as_table_route(address.after.address.network, 0, index))
