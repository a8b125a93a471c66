# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules and routes as lines of `ip -batch` and as sections of systemd.network(5). Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from .._netlink.route import RT_SCOPE_HOST, RT_SCOPE_LINK, RTN_UNICAST
from .._netlink.rule import FR_ACT_GOTO, FR_ACT_TO_TBL, Rule
from .._netlink.table_route import Hop, TableRoute
from . import route_table as tables
from .describe_rule import ACTIONS, selector

Names = Callable[[int], str]

_SCOPES = {RT_SCOPE_LINK: "link", RT_SCOPE_HOST: "host"}


def rule_line(rule: Rule) -> str:
    """Return the line of `ip -4` or `ip -6` that adds a rule."""
    words = ["rule add", f"priority {rule.priority}", *selector(rule)]
    if rule.action == FR_ACT_TO_TBL:
        words.append(f"lookup {rule.table}")
    elif rule.action == FR_ACT_GOTO:
        words.append(f"goto {rule.goto}")
    else:
        words.append(ACTIONS[rule.action])
    if rule.suppress_prefixlength is not None:
        words.append(f"suppress_prefixlength {rule.suppress_prefixlength}")
    return " ".join([*words, f"protocol {rule.protocol}"])


def route_line(route: TableRoute, names: Names) -> str:
    """Return the line of `ip` that adds or replaces a route."""
    return f"route replace {tables.line(route, names)}"


def networkd_section(route: TableRoute, names: Names) -> list[str] | None:
    """Return the lines of a [Route] section; None for several next hops without gateways, which it cannot express."""
    lines = ["[Route]", f"Destination={route.destination}", f"Table={route.table}", f"Protocol={route.protocol}"]
    if len(route.hops) > 1:
        if not all(hop.via for hop in route.hops):
            return None
        lines += [
            f"MultiPathRoute={_address(hop)}{'@' + names(hop.interface_index) if hop.interface_index else ''} {hop.weight}"
            for hop in route.hops
        ]
    elif route.hops[0].via:
        lines += [f"Gateway={_address(route.hops[0])}"]
        lines += ["GatewayOnLink=yes"] if route.hops[0].onlink else []
    if route.type != RTN_UNICAST:
        lines.append(f"Type={tables.TYPE_NAMES[route.type]}")
    if route.destination.family == socket.AF_INET:
        lines.append(f"Scope={_SCOPES.get(route.scope, route.scope or 'global')}")
    if route.source:
        lines.append(f"PreferredSource={socket.inet_ntop(route.destination.family, route.source)}")
    lines += [f"Metric={route.metric}"] if route.metric else []
    lines += [f"MTUBytes={route.mtu}"] if route.mtu else []
    return lines


def _address(hop: Hop) -> str:
    return socket.inet_ntop(socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET, hop.via)
