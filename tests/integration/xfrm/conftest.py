# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, which every kernel with XFRM has; states need ESP, and are tested below tests/kernel/xfrm."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from ipsec_host import hosts_fixture, namespaces_fixture  # noqa: E402

namespaces = namespaces_fixture
hosts = hosts_fixture
