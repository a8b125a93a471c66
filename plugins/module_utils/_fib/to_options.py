# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Rules and routes as the options of ip_rule_fwmark and ip_route, so that read ones can be configured again. Pure.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from .._engine.options import ALL_BITS
from .._netlink import route as route_codec
from .._netlink.rule import FR_ACT_GOTO, FR_ACT_TO_TBL, Range, Rule
from .._netlink.table_route import Hop, TableRoute
from .describe_rule import ACTIONS
from .route_table import SCOPE_NAMES, TYPE_NAMES


def rule_options(rule: Rule) -> dict[str, Any]:
    """Return an entry of the option rules; the table and protocol are numbers. Unset options are left out."""
    options: dict[str, Any] = {
        "priority": rule.priority,
        "family": "ipv6" if rule.family == socket.AF_INET6 else "ipv4",
        "action": "lookup" if rule.action == FR_ACT_TO_TBL else ACTIONS.get(rule.action, str(rule.action)),
        "protocol": rule.protocol,
    }
    if rule.fwmark or rule.fwmask:
        mask = "" if rule.fwmask == ALL_BITS else f"/{rule.fwmask:#x}"
        options["fwmark"] = f"{rule.fwmark:#x}{mask}"
    if rule.invert:
        options["invert"] = True
    optional = {
        "table": rule.table if rule.action == FR_ACT_TO_TBL else None,
        "goto": rule.goto if rule.action == FR_ACT_GOTO else None,
        "from": None if rule.source is None else str(rule.source),
        "to": None if rule.destination is None else str(rule.destination),
        "iif": rule.input_interface,
        "oif": rule.output_interface,
        "ipproto": str(rule.ip_protocol) if rule.ip_protocol else None,
        "sport": _range(rule.source_ports),
        "dport": _range(rule.destination_ports),
        "uidrange": _range(rule.uid_range),
        "suppress_prefixlength": rule.suppress_prefixlength,
    }
    return {**options, **{name: value for name, value in optional.items() if value is not None}}


def _range(limits: Range | None) -> str | None:
    return None if limits is None else f"{limits[0]}-{limits[1]}"


def route_options(route: TableRoute, names: Callable[[int], str]) -> dict[str, Any]:
    """Return an entry of the option routes, and its table and protocol as numbers. Unset options are left out."""
    options: dict[str, Any] = {
        "destination": str(route.destination) if route.destination.length else "default",
        "family": "ipv6" if route.destination.family == socket.AF_INET6 else "ipv4",
        "type": TYPE_NAMES.get(route.type, str(route.type)),
        "table": route.table,
        "metric": route.metric,
        "protocol": route.protocol,
    }
    if route.scope != route_codec.RT_SCOPE_UNIVERSE:
        options["scope"] = SCOPE_NAMES.get(route.scope, str(route.scope))
    if route.source:
        options["src"] = socket.inet_ntop(route.destination.family, route.source)
    if route.mtu:
        options["mtu"] = route.mtu
    hops = [_hop_options(hop, names) for hop in route.hops]
    if len(hops) > 1:
        options["nexthops"] = [{**hop, "weight": route.hops[at].weight} for at, hop in enumerate(hops)]
    elif hops:
        options.update(hops[0])
    return options


def _hop_options(hop: Hop, names: Callable[[int], str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if hop.via:
        options["via"] = socket.inet_ntop(socket.AF_INET6 if len(hop.via) == 16 else socket.AF_INET, hop.via)
    if hop.interface_index:
        options["dev"] = names(hop.interface_index)
    if hop.onlink:
        options["onlink"] = True
    return options
