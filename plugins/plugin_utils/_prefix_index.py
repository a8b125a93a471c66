# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An index of prefixes: finds those equal to, around or inside a given one without comparing it with each.

This plugin util is private to the collection.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from ..module_utils._ip.prefix import Prefix, masked

T = TypeVar("T")


class PrefixIndex(Generic[T]):
    """Prefixes, each with a value; of equal prefixes the first one counts."""

    def __init__(self, entries: Iterable[tuple[Prefix, T]]) -> None:
        # By family and length: there are few, and a lookup masks once for each.
        self._tables: dict[tuple[int, int], dict[bytes, T]] = {}
        for prefix, value in entries:
            self._tables.setdefault((prefix.family, prefix.length), {}).setdefault(prefix.packed, value)
        self._lengths = sorted(self._tables, reverse=True)
        self._ordered = sorted(
            Prefix(family, packed, length) for (family, length), table in self._tables.items() for packed in table
        )

    def exact(self, prefix: Prefix) -> T | None:
        """Return the value of an equal prefix."""
        return self._tables.get((prefix.family, prefix.length), {}).get(prefix.packed)

    def around(self, prefix: Prefix) -> tuple[Prefix, T] | None:
        """Return the longest prefix that contains this one and is shorter, with its value."""
        for family, length in self._lengths:
            if family == prefix.family and length < prefix.length:
                network = masked(prefix.packed, length)
                table = self._tables[family, length]
                if network in table:
                    return Prefix(family, network, length), table[network]
        return None

    def inside(self, prefix: Prefix) -> Iterator[T]:
        """Yield the values of longer prefixes inside this one."""
        # Prefixes sort by family, address and length, so those inside follow directly.
        for position in range(bisect_right(self._ordered, prefix), len(self._ordered)):
            inner = self._ordered[position]
            if not prefix.contains(inner):
                return
            yield self._tables[inner.family, inner.length][inner.packed]
