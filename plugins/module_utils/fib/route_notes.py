# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a host remembers of routes of ours that carry another protocol than ours, so that they are known by more than it.

A route by table, destination, metric and protocol. It is noted before it is made, and forgotten after it has gone.

This module is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ..host import files
from ..netlink.table_route import TableRoute

PATH = "/var/lib/wirewright.overlay/fib/routes.json"
_SAYS = "wirewright.overlay: routes of ours that do not carry its protocol"

Notes = Mapping[int, frozenset[str]]
"""By table, what `note_of` says of each route."""


def note_of(route: TableRoute) -> str:
    """Return what is noted of a route."""
    return f"{route.destination} metric {route.metric} proto {route.protocol}"


def read(path: str = PATH) -> Notes:
    """Return what is noted. A file that cannot be read notes nothing: no route is ours then."""
    found = files.read(path, ours_by_path=True)
    try:
        tables = json.loads(found.content)["tables"] if found is not None else {}
        return {int(table): frozenset(map(str, noted)) for table, noted in tables.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def write(table: int, names: Iterable[str], path: str = PATH) -> None:
    """Note these routes of a table, and no others of it. Where nothing is noted, there is no file."""
    before = read(path)
    noted = {**before, table: frozenset(names)}
    kept = {str(number): sorted(names) for number, names in sorted(noted.items()) if names}
    if not kept:
        files.delete(path)
    elif noted != before:
        content = json.dumps({"about": _SAYS, "tables": kept}, indent=1) + "\n"
        files.write(files.BootFile(path, content, ours_by_path=True))
