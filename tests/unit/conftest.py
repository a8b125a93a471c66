# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the collection importable by its full name, as Ansible imports it."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("wirewright", deadline=None)
settings.register_profile("some", deadline=None, max_examples=10)
settings.load_profile("wirewright")

sys.path.insert(0, str(Path(__file__).parents[2] / ".cache" / "collections"))
