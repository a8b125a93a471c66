# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files hold a private key: never by the path alone."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.present_keys import (
    present_copies,
    present_keys,
)

from ..samples import key_text


def test_files_with_a_key_are_listed_and_no_others(tmp_path: Path) -> None:
    for name, text in (
        ("wg1.key", key_text(1)),
        ("wg0.key", key_text(2)),
        ("notes.key", "none"),
        ("wg0.conf", key_text(3)),
    ):
        (tmp_path / name).write_text(text + "\n")
        (tmp_path / name).chmod(0o600)
    (tmp_path / "link.key").symlink_to(tmp_path / "wg0.key")
    (tmp_path / "directory.key").mkdir()
    os.mkfifo(tmp_path / "pipe.key")
    expected = [str(tmp_path / name) for name in ("wg0.key", "wg1.key")]
    assert present_keys([str(tmp_path)]) == expected
    assert present_keys([str(tmp_path), expected[0], str(tmp_path / "wg0.conf")]) == [
        *expected,
        str(tmp_path / "wg0.conf"),
    ]
    assert present_keys([str(tmp_path / "none"), str(tmp_path / "none.key")]) == []


def test_the_number_is_bounded(tmp_path: Path) -> None:
    for number in range(105):
        (tmp_path / f"wg{number}.key").write_text(key_text(1) + "\n")
    assert len(present_keys([str(tmp_path)])) == 100


def test_copies_of_an_adoption_are_listed_also_of_drop_ins(tmp_path: Path) -> None:
    (tmp_path / "wg0.network.d").mkdir()
    names = ["wg0.conf.before-wirewright", "wg0.network.d/a.conf.before-wirewright"]
    for name in (*names, "wg0.conf", "wg0.conf.old"):
        (tmp_path / name).touch()
    assert present_copies([str(tmp_path), str(tmp_path / "none")]) == [str(tmp_path / name) for name in names]
