# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary files of a process that was killed while it wrote a file are deleted by the next write or deletion of the file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import file_changes
from ansible_collections.wirewright.overlay.plugins.module_utils._host.atomic_file import new_path
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import BootFile
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import key_file_changes
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm import key_uses

Write = Callable[[str], object]


def write_file(path: str) -> None:
    file_changes.write(BootFile(path, "new\n"))


def write_uses(path: str) -> None:
    key_uses.write({"key": "boot"}, path)


def killed(write: Write, path: str) -> int:
    """Return the id of a process that was killed after it wrote the temporary file and before the rename."""
    process = os.fork()
    if process == 0:
        os.fsync = lambda _descriptor: os.kill(os.getpid(), signal.SIGKILL)
        write(path)
        os._exit(0)
    _process, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return process


@pytest.mark.parametrize("write", [write_file, key_file_changes.replace, key_file_changes.create, write_uses])
def test_files_of_a_killed_process_are_deleted_by_the_next_write(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "wg0.conf"
    process = killed(write, str(path))
    assert os.listdir(tmp_path) == [f"wg0.conf.{process}.new"]
    # The same id may be used again, for example after a reboot.
    (tmp_path / f"wg0.conf.{os.getpid()}.new").write_text("of an earlier boot")
    write(str(path))
    assert os.listdir(tmp_path) == ["wg0.conf"]


def test_files_of_a_killed_process_are_deleted_with_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "wg0.conf")
    write_file(path)
    killed(write_file, path)
    file_changes.delete(path)
    assert os.listdir(tmp_path) == []


def test_files_of_running_processes_and_other_names_are_kept(tmp_path: Path) -> None:
    gone = killed(write_file, str(tmp_path / "wg0"))
    stays = [
        f"wg0.{os.getppid()}.new",
        f"xwg0.{gone}.new",
        f"wg0.{gone}.new.bak",
        f"wg0.{gone}",
        "wg0.new",
        "wg0.99999999999999999999.new",
        "wg-0.1.new",
    ]
    for name in stays:
        (tmp_path / name).touch()
    assert new_path(str(tmp_path / "wg0")) == str(tmp_path / f"wg0.{os.getpid()}.new")
    assert sorted(os.listdir(tmp_path)) == sorted(stays)
