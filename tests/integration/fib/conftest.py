# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose rules and routes a test may change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from managed_host import ManagedHost


@pytest.fixture
def router(host: ManagedHost) -> Iterator[ManagedHost]:
    """h1 with the interfaces va and vc, and without rules and routes in the tests' tables."""
    from fib_host import PREPARE, clear

    clear(host)
    host.shell(PREPARE)
    yield host
    clear(host)
