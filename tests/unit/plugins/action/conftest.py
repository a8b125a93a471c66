# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the action plugins' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleet_project import Project, make_collections


@pytest.fixture(scope="session")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the collection that all projects share, with its archives of modules."""
    return make_collections(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def project(tmp_path: Path, collections: Path) -> Project:
    """Return an empty project with the collection and a role like `mesh`."""
    return Project(tmp_path, collections)
