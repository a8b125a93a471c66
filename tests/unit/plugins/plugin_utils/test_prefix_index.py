# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index, compared with a search through all prefixes."""

from __future__ import annotations

import socket

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, masked
from ansible_collections.wirewright.overlay.plugins.plugin_utils._prefix_index import PrefixIndex
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    """Prefixes of a small range, so that equal and nested ones are common."""
    family, size = draw(st.sampled_from([(socket.AF_INET, 4), (socket.AF_INET6, 16)]))
    packed = bytes([draw(st.integers(0, 3)) << 6, draw(st.integers(0, 3)) << 6]) + bytes(size - 2)
    length = draw(st.integers(0, 12))
    return Prefix(int(family), masked(packed, length), length)


@given(st.lists(prefixes()), prefixes())
def test_the_index_equals_comparing_with_each(entries: list[Prefix], asked: Prefix) -> None:
    index = PrefixIndex((prefix, str(prefix)) for prefix in entries)
    assert index.exact(asked) == (str(asked) if asked in entries else None)
    around = [prefix for prefix in entries if prefix.contains(asked) and prefix != asked]
    longest = max(around, key=lambda prefix: prefix.length, default=None)
    assert index.around(asked) == (None if longest is None else (longest, str(longest)))
    inside = {str(prefix) for prefix in entries if asked.contains(prefix) and prefix != asked}
    found = list(index.inside(asked))
    assert (set(found), len(found)) == (inside, len(inside))


def test_the_first_of_equal_prefixes_counts() -> None:
    prefix = Prefix(int(socket.AF_INET), bytes(4), 0)
    assert PrefixIndex([(prefix, 1), (prefix, 2)]).exact(prefix) == 1
