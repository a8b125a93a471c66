# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of a host's document."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from guarded_run import GuardedRun


@pytest.fixture
def guarded_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GuardedRun:
    """Return the place of a pending run, which is empty."""
    return GuardedRun(tmp_path, monkeypatch)
