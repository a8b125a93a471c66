# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process leaves that is killed while it writes a file goes with the next that writes or deletes the file."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host import files
from ansible_collections.wirewright.overlay.plugins.module_utils.new_file import new_path
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard import key_file
from ansible_collections.wirewright.overlay.plugins.module_utils.xfrm import key_uses

Write = Callable[[str], object]


def write_file(path: str) -> None:
    files.write(files.BootFile(path, "new\n"))


def write_uses(path: str) -> None:
    key_uses.write({}, path)


def killed(write: Write, path: str) -> int:
    """Return the id of a process that was killed when all was written and nothing was in its place."""
    process = os.fork()
    if process == 0:
        os.fsync = lambda _descriptor: os.kill(os.getpid(), signal.SIGKILL)
        write(path)
        os._exit(0)
    _process, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return process


@pytest.mark.parametrize("write", [write_file, key_file.replace, key_file.create, write_uses])
def test_what_a_killed_process_left_goes_with_the_next_that_writes(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "wg0.conf"
    process = killed(write, str(path))
    assert os.listdir(tmp_path) == [f"wg0.conf.{process}.new"]
    # The same id may come again, as after a reboot.
    (tmp_path / f"wg0.conf.{os.getpid()}.new").write_text("of an earlier boot")
    write(str(path))
    assert os.listdir(tmp_path) == ["wg0.conf"]


def test_what_a_killed_process_left_goes_with_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "wg0.conf")
    write_file(path)
    killed(write_file, path)
    files.delete(path)
    assert os.listdir(tmp_path) == []


def test_what_a_living_process_writes_and_what_is_named_otherwise_stays(tmp_path: Path) -> None:
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
