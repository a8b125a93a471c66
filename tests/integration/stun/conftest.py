# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A public segment for each test, to which it adds gateways and servers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

if TYPE_CHECKING:
    from nat import Internet, Node


@pytest.fixture
def internet() -> Iterator[Internet]:
    from nat import Internet

    with Internet() as made:
        yield made


@pytest.fixture
def servers(internet: Internet) -> Node:
    """The node of the STUN servers, with four addresses of each family."""
    from nat import PUBLIC, PUBLIC6

    numbers = (1, 11, 21, 31)
    addresses = [f"{prefix}{number}" for number in numbers for prefix in (f"{PUBLIC}.", f"{PUBLIC6}::")]
    return internet.public("servers", *addresses)


@pytest.fixture
def names(internet: Internet) -> tuple[str, str]:
    """Names for two interfaces that no other test uses."""
    serial = internet.prefix.removeprefix("wwn").replace("-", "n")
    return f"h{serial}", f"b{serial}"
