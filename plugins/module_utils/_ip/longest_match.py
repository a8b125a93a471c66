# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The longest of some networks around an address, as routing and WireGuard's allowed IPs choose it. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from .prefix import Prefix, masked

T = TypeVar("T")


class LongestMatch(Generic[T]):
    """Networks with their values. A lookup takes as many steps as they have lengths, however many they are."""

    def __init__(self, entries: Iterable[tuple[Prefix, T]]) -> None:
        tables: dict[tuple[int, int], dict[bytes, T]] = {}
        for network, value in entries:
            tables.setdefault((network.family, network.length), {})[network.packed] = value
        self._longest_first = sorted(tables.items(), key=lambda item: -item[0][1])

    def find(self, inside: Prefix) -> T | None:
        """Return the value of the longest network that contains all of an address or network, None without one."""
        for (family, length), table in self._longest_first:
            if family == inside.family and length <= inside.length:
                found = table.get(masked(inside.packed, length))
                if found is not None:
                    return found
        return None


def networks(around: Iterable[Prefix]) -> LongestMatch[Prefix]:
    """Return networks alone."""
    return LongestMatch((network, network) for network in around)
