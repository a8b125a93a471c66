# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why rules and routes are not made: what was asked for is wrong, is somebody else's place, or did not come about.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence


class InvalidOptions(ValueError):
    """Options that cannot be meant; nothing was touched. ``errors`` names each with its value and the remedy."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


class Refused(ValueError):
    """What is asked for would touch what is not ours, or cut the connection it comes by; nothing was touched."""


class NotConverged(RuntimeError):
    """The kernel took every request and still holds something else than was asked for."""

    def __init__(self, left: Sequence[str]) -> None:
        shown = "; ".join(left[:10]) + (f"; and {len(left) - 10} more" if len(left) > 10 else "")
        super().__init__(f"the kernel accepted every change, and these are still needed: {shown}")
