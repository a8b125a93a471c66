# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Default routes of IPv6 router advertisements, which the kernel drops when the host begins to forward IPv6.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from .._engine.reconcile import Operation
from .._host import sysctls
from .._host.sysctls import Sysctl
from .._netlink import route as codec
from .._netlink.connection import Connection
from .._netlink.table_route import TableRoute
from . import route_table as tables

_RTPROT_RA = 9


def drops_routes(parameter: Operation[Sysctl]) -> bool:
    """Return whether the change of a kernel parameter lets the host forward IPv6: the kernel then drops the default routes
    (addrconf.c, addrconf_fixup_forwarding). Pure."""
    return (
        parameter.key() == "net/ipv6/conf/all/forwarding"
        and parameter.after is not None
        and parameter.after.value != "0"
    )


def is_dropped(route: TableRoute) -> bool:
    """Return whether the kernel drops a route when the host begins to forward: the default route of a router advertisement,
    where accept_ra is 1 (route.c, rt6_purge_dflt_routers). At 0 a program such as systemd-networkd reads them."""
    if route.protocol != _RTPROT_RA or route.destination.length:
        return False
    found = [sysctls.read(f"net/ipv6/conf/{tables.name_of(hop.interface_index)}/accept_ra") for hop in route.hops]
    return any(one is not None and one.value == "1" for one in found)


def read_dropped(connection: Connection) -> list[TableRoute]:
    """Return the routes that the kernel drops when the host begins to forward. Raises OSError."""
    return [one for one in tables.read(connection, codec.RT_TABLE_MAIN, (socket.AF_INET6,)) if is_dropped(one)]


def warnings(dropped: Iterable[TableRoute], names: Callable[[int], str] = tables.name_of) -> list[str]:
    """Return a warning for each interface with such a route. ``names`` maps an interface index to a name. Pure."""
    found = []
    for name in sorted({names(hop.interface_index) for route in dropped for hop in route.hops}):
        parameter = f"net.ipv6.conf.{name.translate(str.maketrans('./', '/.'))}.accept_ra"
        found.append(
            f"the IPv6 default route through {name} comes from router advertisements, and the kernel drops it when this "
            f"host begins to forward IPv6: set {parameter}=2 on this host, before the run or after it, also for the next "
            "boot (sysctl.d(5)); the next router advertisement then adds the route again"
        )
    return found
