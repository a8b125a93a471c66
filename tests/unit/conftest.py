# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the collection importable by its full name, as Ansible imports it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

# A busy machine is no failure. Every run tries the same examples, so that a failure is reproducible; WIREWRIGHT_EXAMPLES
# searches for others.
EXAMPLES = os.environ.get("WIREWRIGHT_EXAMPLES")
settings.register_profile("wirewright", deadline=None, derandomize=not EXAMPLES, max_examples=int(EXAMPLES or 100))
settings.register_profile("some", deadline=None, derandomize=True, max_examples=10)
settings.load_profile("wirewright")

sys.path.insert(0, str(Path(__file__).parents[2] / ".cache" / "collections"))
