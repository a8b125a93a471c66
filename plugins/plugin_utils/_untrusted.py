# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read values of untrusted shape: another type counts as empty. This plugin util is private to the collection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def list_of(value: object) -> list[Any]:
    """Return a list, empty for any other type."""
    return value if isinstance(value, list) else []


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return a mapping, empty for any other type."""
    return value if isinstance(value, Mapping) else {}


def text_of(value: object) -> str:
    """Return a text, "" for any other type."""
    return str(value) if isinstance(value, str) else ""
