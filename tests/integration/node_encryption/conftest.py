# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of nodes for the tests of a file, and the role on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from encrypted_nodes import EncryptedNodes


@pytest.fixture(scope="module")
def built(backend: str) -> Iterator[EncryptedNodes]:
    from encrypted_nodes import EncryptedNodes

    with EncryptedNodes(userspace=backend == "userspace", pods=2) as cluster:
        yield cluster


@pytest.fixture
def cluster(built: EncryptedNodes) -> EncryptedNodes:
    """Three nodes without encryption."""
    built.reset()
    return built
