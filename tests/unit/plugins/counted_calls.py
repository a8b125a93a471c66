# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a function as a number of calls, which unlike CPU time does not depend on what else runs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable


def calls(work: Callable[[], object]) -> int:
    """Return how many calls a function makes."""
    made = itertools.count()

    def note(_frame: object, event: str, _argument: object) -> None:
        if event in ("call", "c_call"):
            next(made)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return next(made)
