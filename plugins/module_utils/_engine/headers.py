# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Diffs in the form that `--diff` prints.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .shown import Diff


def with_headers(found: Sequence[Diff], subject: str = "") -> list[dict[str, Any]]:
    """Return diffs as ``--diff`` shows them, each below a header that says what it is of; those without a change are left out."""
    shown = []
    for name, before, after in found:
        header = name or subject
        sides = {"before": _readable(before), "after": _readable(after)}
        if before != after:
            shown.append({"before_header": header, "after_header": header, **sides})
    return shown


def _readable(described: object) -> object:
    """Return a side of a diff in a form that `--diff` shows: a mapping, or text. It does not show lists."""
    return "".join(f"{line}\n" for line in described) if isinstance(described, list) else described
