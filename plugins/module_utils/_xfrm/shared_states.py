# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""States whose other end a run does not change: with another key, algorithm or address here, no packet is decrypted. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .model import State
from .state_plan import changes_in_place, settle


def one_sided(
    current: Iterable[State], wanted: Iterable[State], outside: Mapping[str, str], *, keys_hidden: bool = False
) -> list[str]:
    """Return the nodes outside of a run whose states would be replaced on this end only, by name.

    outside: the names of these nodes by address. keys_hidden: the kernel shows zeros for keys.
    """
    have = {state.key(): state for state in current} if outside else {}
    found: set[str] = set()
    for after in wanted if have else ():
        before = have.get(after.key())
        if before is None or changes_in_place(before, settle(before, after) if keys_hidden else after):
            continue
        ends = (before.source, before.destination, after.source)
        found.update(outside[str(end)] for end in ends if str(end) in outside)
    return sorted(found)
