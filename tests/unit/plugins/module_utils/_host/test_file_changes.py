# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Atomic writes: the mode is set before the first byte, the old content stays until the new one is complete."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host import file_changes as room
from ansible_collections.wirewright.overlay.plugins.module_utils._host.file_changes import delete, write
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import (
    HEADER,
    OWN_DIRECTORY,
    BootFile,
    read,
    settle,
)

OURS = HEADER + "\n[Interface]\n"


@pytest.fixture(autouse=True)
def permissive_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "etc" / "wg0.conf")


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def beside(path: str) -> list[str]:
    return os.listdir(os.path.dirname(path))


def failing(*_arguments: object, **_options: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o644])
def test_a_file_reads_back_as_it_was_written(path: str, bits: int) -> None:
    wanted = settle(None, BootFile(path, OURS, bits))
    write(wanted)
    found = read(path)
    assert found is not None
    assert (found.content, found.mode) == (OURS, bits)
    assert beside(path) == ["wg0.conf"]


def test_the_mode_is_strict_from_the_first_byte_on(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    real = os.fdopen

    def fdopen(descriptor: int, *arguments: object, **options: object) -> object:
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size))
        return real(descriptor, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(room.os, "fdopen", fdopen)
    write(BootFile(path, OURS, 0o644))
    assert seen == [(0o600, 0)]
    assert mode(path) == 0o644


def test_the_mode_is_final_before_the_file_has_its_name(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.rename

    def rename(source: str, target: str) -> None:
        seen.append(mode(source))
        real(source, target)

    monkeypatch.setattr(room.os, "rename", rename)
    write(BootFile(path, OURS, 0o640))
    assert seen == [0o640]


@pytest.mark.parametrize("step", ["fsync", "fchmod", "rename"])
def test_a_failed_write_keeps_the_old_file(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(BootFile(path, "old\n", 0o600))
    monkeypatch.setattr(room.os, step, failing)
    with pytest.raises(OSError, match="No space"):
        write(BootFile(path, "new\n", 0o644))
    assert (Path(path).read_text(), mode(path)) == ("old\n", 0o600)
    assert beside(path) == ["wg0.conf"]


def test_a_planted_file_or_link_is_not_written_to(path: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    room.make_directories(os.path.dirname(path))
    os.symlink(target, f"{path}.{os.getpid()}.new")
    write(BootFile(path, OURS))
    assert target.read_text() == "precious"
    assert beside(path) == ["wg0.conf"] and not os.path.islink(path)


def test_writing_replaces_a_link_and_keeps_its_target(path: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    room.make_directories(os.path.dirname(path))
    os.symlink(target, path)
    write(BootFile(path, OURS))
    assert target.read_text() == "precious"
    assert not os.path.islink(path)


def test_a_link_reads_back_as_it_was_written(path: str) -> None:
    wanted = BootFile(path, mode=0o777, target="/lib/unit@.service")
    write(wanted)
    assert read(path) == wanted
    write(BootFile(path, mode=0o777, target="/usr/lib/unit@.service"))
    assert os.readlink(path) == "/usr/lib/unit@.service"
    assert beside(path) == ["wg0.conf"]


def test_a_failed_link_leaves_no_file(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.os, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        write(BootFile(path, target="/lib/unit@.service"))
    assert beside(path) == []


def test_a_write_is_synced_before_and_after_the_rename(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for step in ("fsync", "rename"):
        real = getattr(os, step)
        monkeypatch.setattr(room.os, step, lambda *a, step=step, real=real: (steps.append(step), real(*a))[1])
    write(BootFile(path, OURS))
    assert steps == ["fsync", "rename", "fsync"]


def test_bytes_outside_utf_8_are_preserved(path: str) -> None:
    room.make_directories(os.path.dirname(path))
    Path(path).write_bytes(b"\xff\xfe\n")
    Path(path).chmod(0o644)
    found = read(path)
    assert found is not None
    write(found)
    assert Path(path).read_bytes() == b"\xff\xfe\n"


def test_deleting_twice_is_no_error(path: str) -> None:
    write(BootFile(path, OURS))
    delete(path)
    delete(path)
    assert not os.path.exists(path)


def test_directories_are_readable_with_any_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(BootFile(str(tmp_path / "etc/network/a.conf"), OURS))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("etc", "etc/network")] == [0o755, 0o755]


def test_own_directory_is_removed_with_its_last_file(tmp_path: Path) -> None:
    own, other = tmp_path / OWN_DIRECTORY, tmp_path / "network"
    for path in (own / "a", own / "b", other / "a"):
        write(BootFile(str(path), OURS))
    for path in (own / "a", other / "a"):
        delete(str(path))
    assert own.is_dir() and other.is_dir()
    delete(str(own / "b"))
    assert not own.exists()


def test_a_full_disk_is_reported_with_the_path(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.os, "fsync", failing)
    with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
        write(BootFile(path, OURS))
