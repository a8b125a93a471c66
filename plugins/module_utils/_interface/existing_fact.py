# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The fact of an interface that others made.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .._netlink.route_lookup import open_connection
from .._wireguard.keys import encode_key
from . import read_existing
from .existing import to_fact


class ExistingFact(NamedTuple):
    """What others made of an interface: its fact, and its public key, None without one."""

    fact: dict[str, Any]
    public_key: str | None


def read_fact(name: str) -> ExistingFact | None:
    """Return the fact of an interface, None where others made nothing of it, neither running nor in files."""
    with open_connection() as fib:
        existing = read_existing.read_existing(fib, name)
    if existing is None:
        return None
    return ExistingFact(to_fact(existing), encode_key(existing.public_key) if any(existing.public_key) else None)
