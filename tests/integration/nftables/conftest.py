# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub with two spokes and a host outside."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

if TYPE_CHECKING:
    from forwarding_hub import Net


@pytest.fixture(scope="session")
def hub_net() -> Iterator[Net]:
    from forwarding_hub import Net

    net = Net.make()
    try:
        yield net
    finally:
        net.remove()


@pytest.fixture
def net(hub_net: Net) -> Net:
    """The hub without any nftables table."""
    hub_net.nft("flush ruleset")
    return hub_net
