# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a preflight check."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._preflight.options import Wanted, checked


def test_all_wrong_options_are_named_at_once() -> None:
    good = Wanted("wg0", 51820)._asdict()
    assert checked(good) == Wanted("wg0", 51820)
    with pytest.raises(InvalidOptions) as refused:
        checked({**good, "interface": "a/b", "port": 65536})
    assert [error.partition(":")[0] for error in refused.value.errors] == ["interface", "port"]
