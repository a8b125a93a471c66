# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Records of managed routes with a protocol other than 87, which alone does not show that they are managed.

A route by table, destination, metric and protocol. It is noted before it is made, and forgotten after it has gone.

This module is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from .._host import file_changes, files
from .._netlink.table_route import TableRoute

PATH = "/var/lib/wirewright.overlay/fib/routes.json"
_SAYS = "wirewright.overlay: routes of ours that do not carry its protocol"

Notes = Mapping[int, frozenset[str]]
"""The record of each route, see `note_of`, by table."""


def note_of(route: TableRoute) -> str:
    """Return the record of a route."""
    return f"{route.destination} metric {route.metric} proto {route.protocol}"


def read(path: str = PATH) -> Notes:
    """Return the records. A damaged file has none, so that no such route is managed. Raises ForeignFile and UnsafeFile."""
    found = files.read(path, ours_by_path=True)
    if found is not None and _SAYS not in found.content:
        raise files.ForeignFile(path, found.target)
    try:
        tables = json.loads(found.content)["tables"] if found is not None else {}
        return {int(table): frozenset(map(str, noted)) for table, noted in tables.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def write(table: int, names: Iterable[str], path: str = PATH) -> None:
    """Write the records of a table, replacing its old ones. Without records there is no file."""
    before = read(path)
    noted = {**before, table: frozenset(names)}
    kept = {str(number): sorted(names) for number, names in sorted(noted.items()) if names}
    if not kept:
        file_changes.delete(path)
    elif noted != before:
        content = json.dumps({"about": _SAYS, "tables": kept}, indent=1) + "\n"
        file_changes.write(files.BootFile(path, content, ours_by_path=True))
