# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which states and policies are managed: those with a reqid in a range.

This module is private to the collection.
"""

from __future__ import annotations

from typing import NamedTuple


class Reqids(NamedTuple):
    """A range of reqids, both ends included."""

    first: int
    last: int

    def __contains__(self, reqid: object) -> bool:
        return isinstance(reqid, int) and self.first <= reqid <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


# Below 16384, above which the kernel assigns reqids itself (IPSEC_MANUAL_REQID_MAX), and far above 1, 2, 3, ..., which
# IKE daemons and Kubernetes agents use.
OURS = Reqids(7100, 7199)
DEFAULT_REQID = OURS.first


def parse_reqids(text: str) -> Reqids:
    """Return the range that `7100-7199` or `7100` names. Raises ValueError."""
    low, dash, high = text.partition("-")
    try:
        found = Reqids(int(low), int(high if dash else low))
    except ValueError:
        raise ValueError(f"{text!r} is no range of reqids; write '{OURS}'") from None
    if not 0 < found.first <= found.last <= 0xFFFFFFFF:
        raise ValueError(f"{text!r} is no range of reqids from 1 to 4294967295, the lower one first")
    return found
