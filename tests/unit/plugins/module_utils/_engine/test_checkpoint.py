# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: rollbacks as values, in a file of root."""

from __future__ import annotations

import os
import pickle
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine import checkpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.checkpoint import Checkpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._host.file_changes import write_files
from ansible_collections.wirewright.overlay.plugins.module_utils._host.file_stage import files_rollback
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import BootFile

MOUNTS = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "24 22 0:22 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,mode=755",
    "25 24 8:2 / /run/disk rw - ext4 /dev/sda2 rw",
    "26 22 0:30 / /running rw - tmpfs tmpfs rw",
]


def test_a_rollback_comes_back_as_it_was(tmp_path: Path) -> None:
    target, path = tmp_path / "a", str(tmp_path / "checkpoint")
    before, after = BootFile(str(target), "old\n", group=None), BootFile(str(target), "new\n", group=None)
    write_files([Operation(None, after)])
    writing = Operation(after, BootFile(str(target), "newer\n", group=None))
    checkpoint.write(
        Checkpoint((partial(files_rollback, [Operation(before, after)]),), (partial(write_files, [writing]),)), path
    )
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.listdir(tmp_path) != []
    found = checkpoint.read(path)
    (rollback,), (remaining,) = found.log, found.remaining
    remaining()
    assert target.read_text() == "newer\n"
    undo = rollback()
    assert undo.needed
    undo.apply()
    assert target.read_text() == "old\n"


def test_a_checkpoint_replaces_the_one_before(tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint")
    for log in ((), (len,)):
        checkpoint.write(Checkpoint(log), path)
        assert checkpoint.read(path) == Checkpoint(log)
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.parametrize("content", [b"", b"x", pickle.dumps(7), pickle.dumps(Checkpoint(()))[:-3]])
def test_a_damaged_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint (cannot be read|is no checkpoint)"):
        checkpoint.read(str(tmp_path / "checkpoint"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/run/a", True), ("/run", True), ("/run/disk/a", False), ("/var/a", False), ("/running/a", True)],
)
def test_only_a_file_system_in_memory_holds_keys(path: str, expected: bool) -> None:
    assert checkpoint.is_in_memory(path, MOUNTS) is expected


def test_the_last_mount_at_a_path_counts() -> None:
    assert not checkpoint.is_in_memory("/run/a", [*MOUNTS, "27 22 0:9 / /run rw - overlay overlay rw"])
    assert not checkpoint.is_in_memory("/run/a", [])
