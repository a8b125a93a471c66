# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and numbers as iproute2 reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._fib import iproute2_names as names


def test_names_of_tables_come_from_all_places_and_the_last_wins(tmp_path: Path) -> None:
    shipped, etc = tmp_path / "share", tmp_path / "etc"
    for directory in (shipped, etc):
        (directory / "rt_tables.d").mkdir(parents=True)
    (shipped / "rt_tables").write_text("255\tlocal\n# 9 hidden\n70 old\n71 kept # why\n")
    (etc / "rt_tables.d/site.conf").write_text("0x47 site\n72 old\nnonsense\n999 main\n")
    (etc / "rt_tables.d/site.txt").write_text("1 unread\n")
    found = names.tables((str(shipped), str(etc), str(tmp_path / "none")))
    assert found == {"local": 255, "old": 72, "kept": 71, "site": 71, "main": 254, "default": 253}


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("0x1F", 31), ("007", 7), (" 7 ", 7), ("main", 254)])
def test_numbers(text: str, number: int) -> None:
    assert names.number(text, names.TABLES) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1_0", "0x", "0x-1", "1.5", "\u0661", "f", "0b1"])
def test_invalid_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        names.number(text)
