# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Error counters of IPsec in the kernel (/proc/net/xfrm_stat), and their growth.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILE = Path("/proc/net/xfrm_stat")  # Documentation/networking/xfrm_proc.rst


def read(file: Path = FILE) -> dict[str, int]:
    """Return the counters by name; empty where the kernel has no IPsec or no CONFIG_XFRM_STATISTICS."""
    try:
        text = file.read_text()
    except OSError:
        return {}
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def growth(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the growth of each counter that grew."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
