# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a guarded run is requested."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.guarded import Confirmation, parse

TOKEN = "a token of a test"  # noqa: S105


def test_a_time_and_a_token() -> None:
    assert parse({"confirm_timeout": 30, "confirm_token": TOKEN}) == Confirmation(TOKEN, 30.0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"confirm_timeout": -1, "confirm_token": TOKEN}, "-1 is not a number of seconds from 2 to 3600"),
        ({"confirm_timeout": 3601, "confirm_token": TOKEN}, "3601 is not"),
        ({"confirm_timeout": 30}, "needs O(confirm_token)"),
        ({"confirm_timeout": 30, "confirm_token": ""}, "needs O(confirm_token)"),
    ],
)
def test_invalid_requests_are_refused_without_the_token(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOptions) as refused:
        parse(options)
    assert said in str(refused.value) and TOKEN not in str(refused.value)
