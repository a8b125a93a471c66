# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States, for which the kernel needs ESP. Parts shared with the tests of policies are in tests/integration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS / "integration/xfrm"), str(TESTS / "integration"), str(TESTS.parent / ".cache/collections")]

from ipsec_host import hosts_fixture, namespaces_fixture  # noqa: E402

namespaces = namespaces_fixture
hosts = hosts_fixture


@pytest.fixture(scope="session", autouse=True)
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
