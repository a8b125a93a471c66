# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spoke with two hubs for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from two_hubs import TwoHubs
    from watcher import Installed


@pytest.fixture
def net() -> Iterator[TwoHubs]:
    from two_hubs import two_hubs

    with two_hubs() as made:
        yield made


@pytest.fixture
def installed() -> Iterator[Installed]:
    from watcher import install

    with install() as made:
        yield made
