# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts for each test; the first knows the second by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from managed_host import ManagedHost
    from named_peer import NamedPeer


@pytest.fixture
def pair(host: ManagedHost, other_host: ManagedHost) -> Iterator[NamedPeer]:
    from named_peer import named_peer

    with named_peer(host, other_host) as made:
        yield made
