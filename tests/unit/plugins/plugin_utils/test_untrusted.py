# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of another type than expected count as empty."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._untrusted import list_of, mapping_of, text_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1], ([1], {}, "")),
        ({"a": 1}, ([], {"a": 1}, "")),
        ("a", ([], {}, "a")),
        (None, ([], {}, "")),
        (7, ([], {}, "")),
    ],
)
def test_other_types_count_as_empty(value: object, expected: tuple[object, ...]) -> None:
    assert (list_of(value), mapping_of(value), text_of(value)) == expected
