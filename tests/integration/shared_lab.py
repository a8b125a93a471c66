# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab with an overlay for several tests: building one takes longer than most tests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

from lab_hosts import Lab


class SharedLab(contextlib.ExitStack):
    """A lab built on first use, and again after a test that changed it.

    ``state`` returns the part that tests have to leave unchanged; it must not depend on traffic.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Lab]], state: Callable[[Lab], object]) -> None:
        super().__init__()
        self._make, self._state = make, state
        self._lab: Lab | None = None
        self._whole: object = None

    def get(self) -> Lab:
        if self._lab is None or self._state(self._lab) != self._whole:
            self.close()
            self._lab = self.enter_context(self._make())
            self._whole = self._state(self._lab)
        return self._lab
