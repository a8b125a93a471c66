# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machine loads the modules of its own kernel, whatever the machine has in /lib/modules."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MODULES = Path("/lib/modules")

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif("WIREWRIGHT_IN_VM" not in os.environ, reason="runs on this machine's own kernel"),
]


def test_modules_of_the_machine_are_hidden() -> None:
    assert MODULES.is_mount()
    (version,) = MODULES.iterdir()
    assert version.name == os.uname().release
    assert version.is_symlink() and (version / "modules.dep").is_file()
