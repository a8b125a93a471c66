# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with firewalls that a test may fill."""

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
def pair(host: ManagedHost, other_host: ManagedHost) -> Iterator[tuple[ManagedHost, ManagedHost]]:
    """h1 and h2, whose firewalls and ping sockets are as in a new namespace before and after."""
    from tunnel import clear

    for each in (host, other_host):
        clear(each)
    yield host, other_host
    for each in (host, other_host):
        clear(each)
