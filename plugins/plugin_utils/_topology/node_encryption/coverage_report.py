# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of the report of a verification on every node of the cluster: encrypted, exempt and why, or not covered.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..plan_model.nodes import ENCRYPTED, EXEMPT, NOT_COVERED

FAILED = "failed"
_STATUSES = (ENCRYPTED, FAILED, EXEMPT, NOT_COVERED)
_HEADINGS = ("node", "status", "reason")
_SHOWN = 60  # nodes in the table, encrypted ones last


def coverage_of(coverage: Iterable[Mapping[str, Any]], failed: Mapping[str, int]) -> list[dict[str, str]]:
    """Return every node with its status and the reason. failed: by node, the number of its pairs that are not ok."""
    found = []
    for one in coverage:
        name, status, reason = (str(one.get(key, "")) for key in ("name", "status", "reason"))
        if status == ENCRYPTED and failed.get(name):
            count = failed[name]
            status, reason = FAILED, f"{count} of its pairs {'is' if count == 1 else 'are'} not ok"
        found.append({"name": name, "status": status, "reason": reason})
    return found


def coverage_table(nodes: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the lines of the table, the first a summary: `4 nodes: 3 encrypted, 1 not covered`."""
    if not nodes:
        return []
    counts = Counter(node["status"] for node in nodes)
    parts = [f"{counts[status]} {status}" for status in _STATUSES if counts[status]]
    shown = sorted(nodes, key=lambda node: (node["status"] == ENCRYPTED, node["name"]))[:_SHOWN]
    rows = [_HEADINGS, *((node["name"], node["status"], node["reason"]) for node in shown)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
    more = [f"and {len(nodes) - _SHOWN} more"] if len(nodes) > _SHOWN else []
    return [f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}: {', '.join(parts)}", *lines, *more]
