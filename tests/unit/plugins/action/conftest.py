# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the action plugins' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet_project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return an empty project with the collection and a role like `mesh`."""
    return Project(tmp_path)
