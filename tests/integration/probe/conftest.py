# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with firewalls for the rules of a test."""

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
    """h1 and h2, with firewalls and ping sockets as in a new namespace before and after a test."""
    from tunnel import clear

    for each in (host, other_host):
        clear(each)
    yield host, other_host
    for each in (host, other_host):
        clear(each)
