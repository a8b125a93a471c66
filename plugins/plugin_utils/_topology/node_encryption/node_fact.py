# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The current state of a node from the fact of `overlay_prepare`: routes in managed tables, drop chains, source checks.

A fact comes from a host: values of an unexpected shape are ignored. This plugin util is private to the
collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any

from ....module_utils._ip.prefix import Prefix, parse_prefix
from ..._untrusted import list_of, mapping_of, text_of
from ..plan_model.nodes import DROP_CHAINS

# Of rp_filter (Linux, ip-sysctl).
_STRICT_SOURCE_CHECK = "1"
_FIRST_FIELDS = re.compile(r"^([^\t\n]*)\t([^\t\n]*)", re.MULTILINE)
# Bounds on a table: routes, and characters of all.
_ROUTES, _TABLE_LENGTH = 50000, 5_000_000


def routes_through(fact: Mapping[str, Any], table: int, devices: Collection[str]) -> tuple[Prefix, ...]:
    """Return the destinations of a managed table that are routed through devices, or through a node that has one."""
    found = (
        _prefix(fields[0])
        for fields in _table_lines(fact, table)
        if (_prefix(fields[2]) if len(fields) == 3 else fields[1] in devices)
    )
    return tuple(destination for destination in found if destination)


def routes_without_device(fact: Mapping[str, Any], table: int, types: Collection[str]) -> tuple[Prefix, ...]:
    """Return the destinations of a managed table with routes of some types, such as throw and blackhole."""
    found = (_prefix(fields[0]) for fields in _table_lines(fact, table) if len(fields) == 2 and fields[1] in types)
    return tuple(dict.fromkeys(destination for destination in found if destination))


def gateways_in_use(fact: Mapping[str, Any], table: int) -> dict[Prefix, str]:
    """Return the gateways in a managed table, with their interfaces."""
    text = _table_text(fact, table)
    if text.count("\t") <= text.count("\n") + 1:
        return {}  # no line has a third field
    lines = [fields for fields in _table_lines(fact, table) if len(fields) == 3 and _prefix(fields[0])]
    return {gateway: fields[1] for fields in lines if (gateway := _prefix(fields[2]))}


def dropped_directions(fact: Mapping[str, Any], sections: Iterable[str]) -> tuple[str, ...]:
    """Return the directions (IN, OUT) in which the nftables sections of devices drop plaintext."""
    found = fact.get("nftables")
    listed = [found.get(name) for name in sections] if isinstance(found, Mapping) else []
    chains = [chain for one in listed if isinstance(one, list) for chain in one]
    return tuple(direction for direction, chain in DROP_CHAINS.items() if chain in chains)


def strict_interfaces(fact: Mapping[str, Any], interfaces: Iterable[str]) -> tuple[str, ...]:
    """Return the interfaces with a strict source check: they drop IPv4 packets whose replies would leave by another one.

    The larger value of the interface and of `all` applies (Linux, ip-sysctl: rp_filter).
    """
    node = fact.get("node")
    filters = node.get("rp_filter") if isinstance(node, Mapping) else None
    if not isinstance(filters, Mapping):
        return ()
    larger = {name: max(str(filters.get("all", "0")), str(filters.get(name, "0"))) for name in interfaces}
    return tuple(name for name, value in larger.items() if value == _STRICT_SOURCE_CHECK)


def is_loosened(fact: Mapping[str, Any], interfaces: Iterable[str]) -> bool:
    """Return whether a run that stopped before its last phase left the source check of any of some interfaces loose."""
    names = list_of(mapping_of(fact.get("node")).get("loosened"))
    return any(name in names for name in interfaces)


def accepted(fact: Mapping[str, Any]) -> tuple[Prefix, ...]:
    """Return the destinations that are routed through a device and whose plaintext is accepted while other is dropped."""
    lines = text_of(fact.get("accepted"))[:_TABLE_LENGTH].split("\n", _ROUTES)[:_ROUTES]
    return tuple(destination for destination in map(_prefix, lines) if destination)


def port_in_use(fact: Mapping[str, Any], interface: str, port: int) -> bool:
    """Return whether another program or interface has a UDP port. An interface that was applied has its own."""
    device = mapping_of(mapping_of(fact.get("interfaces")).get(interface))
    is_applied = any(device.get(name) for name in ("addresses", "peers", "notes"))
    return not is_applied and port in list_of(fact.get("udp_ports"))


def other_interfaces(fact: Mapping[str, Any], own: Collection[str]) -> list[str]:
    """Return the WireGuard interfaces of the collection on a host that belong to other roles."""
    return sorted(
        str(name) for name in mapping_of(fact.get("interfaces")) if name not in own and str(name).isprintable()
    )


def devices_in_use(fact: Mapping[str, Any], table: int) -> Iterator[str]:
    """Yield the interface, or the type, of each route in a managed table."""
    return map(itemgetter(1), _FIRST_FIELDS.findall(_table_text(fact, table)))


def _table_text(fact: Mapping[str, Any], table: int) -> str:
    return text_of(mapping_of(fact.get("tables")).get(str(table)))[:_TABLE_LENGTH]


def _table_lines(fact: Mapping[str, Any], table: int) -> Iterator[list[str]]:
    """Yield the fields of each route in a table: destination, interface, and any gateway."""
    for line in _table_text(fact, table).split("\n", _ROUTES)[:_ROUTES]:
        fields = line.split("\t", 3)
        if len(fields) == 2 or (len(fields) == 3 and "/" not in fields[2]):
            yield fields


# All nodes report nearly the same destinations.
@lru_cache(maxsize=1 << 16)
def _prefix(text: str) -> Prefix | None:
    try:
        return parse_prefix(text)
    except ValueError:
        return None
