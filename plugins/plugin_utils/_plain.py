# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain Python values out of the values that Ansible passes to plugins.

Since ansible-core 2.19 plugins get tagged scalars and lazy containers, which are subclasses of `str`, `int`, `dict` and
`list`. The planner needs plain values for hashing, comparing and `json`.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any


def to_plain(value: object) -> Any:
    """Return the value as plain `None`, `bool`, `int`, `float`, `str`, `list` and `dict`, recursively.

    Sets become sorted lists; anything else (a date from YAML, a path) becomes its text.
    """
    # str(x), int(x) and float(x) of a subclass instance give the exact base type.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, Set):
        return sorted((to_plain(entry) for entry in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [to_plain(entry) for entry in value]
    return str(value)


def plain_or_none(value: object) -> Any:
    """Return the plain value of what one host reports, None where it is nested too deeply, so that others are read."""
    try:
        return to_plain(value)
    except RecursionError:
        return None
