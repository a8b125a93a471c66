# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors contain every reason, also after pickling."""

from __future__ import annotations

import pickle

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import (
    InvalidOptions,
    NotConverged,
    Refused,
)


@pytest.mark.parametrize(
    "error", [InvalidOptions(["first", "second"]), Refused("first", "second"), NotConverged("first", "second")]
)
def test_errors_can_be_pickled_with_all_reasons(error: Exception) -> None:
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301   our own
    assert "first; second" in str(copied)
    assert (str(copied), vars(copied)) == (str(error), vars(error))
