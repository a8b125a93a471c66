# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The routes and rules of an interface.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from .._netlink import route as codec
from .._netlink.connection import Connection
from .._netlink.rule import FR_ACT_TO_TBL, Rule
from .._netlink.table_route import TableRoute
from . import device_routes, rules
from . import route_table as tables
from .to_options import route_options, rule_options

_RT_TABLE_DEFAULT, _RT_TABLE_LOCAL = 253, 255
_SHARED = frozenset((0, _RT_TABLE_DEFAULT, codec.RT_TABLE_MAIN, _RT_TABLE_LOCAL))


def describe(connection: Connection, name: str, index: int, fwmark: int) -> dict[str, list[dict[str, Any]]]:
    """Return the routes and rules of an interface as options of ip_route and ip_rule_fwmark."""
    through = read_routes(connection, index)
    asked = belonging(rules.read(connection), name, fwmark, {route.table for route in through})
    names = lru_cache(maxsize=None)(tables.name_of)
    return {
        "routes": [route_options(route, names) for route in sorted(through, key=_by_table)],
        "rules": [rule_options(rule) for rule in asked],
    }


def _by_table(route: TableRoute) -> tuple[int, Any]:
    return (route.table, route.key())


def read_routes(connection: Connection, index: int) -> list[TableRoute]:
    """Return the routes of all tables through an interface, without those of the table local."""
    return [route for route in device_routes.read_any(connection, index) if route.table != _RT_TABLE_LOCAL]


def belonging(asked: Iterable[Rule], name: str, fwmark: int, through: Collection[int]) -> Sequence[Rule]:
    """Return the rules that name an interface, its mark, or a table of its own.

    ``fwmark`` is the mark of the device's packets, 0 for none; ``through`` are the tables that have routes through it.
    """
    own = set(through) - _SHARED
    return [
        rule
        for rule in asked
        if name in (rule.input_interface, rule.output_interface)
        or (rule.action == FR_ACT_TO_TBL and rule.table in own)
        or (fwmark and rule.fwmask and rule.fwmark == fwmark & rule.fwmask)
    ]
