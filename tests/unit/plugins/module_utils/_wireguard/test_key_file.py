# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private key files: mode 0600 before the first byte, written atomically, never quoted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import key_file, key_file_changes
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_file import BadKeyFile
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import clamp, encode_key

from ..samples import key, key_text


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "keys" / "wg0.key")


@pytest.fixture(autouse=True)
def permissive_umask():  # type: ignore[no-untyped-def]
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: str | Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def beside(path: str) -> list[str]:
    return sorted(os.listdir(os.path.dirname(path)))


def test_a_new_key_has_mode_0600(path: str) -> None:
    private = key_file_changes.create(path)
    assert key_file.read(path) == private == clamp(private)
    assert Path(path).read_text() == encode_key(private) + "\n"
    assert (mode(path), mode(os.path.dirname(path))) == (0o600, 0o700)
    assert beside(path) == ["wg0.key"]


def test_the_mode_is_set_before_the_first_byte(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, int]] = []
    real = os.fdopen

    def fdopen(descriptor: int, *arguments: object, **options: object) -> object:
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size, status.st_nlink))
        return real(descriptor, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(key_file.os, "fdopen", fdopen)
    key_file_changes.create(path)
    key_file_changes.replace(path)
    assert seen == [(0o600, 0, 1)] * 2


def test_creating_never_replaces(path: str) -> None:
    private = key_file_changes.create(path)
    with pytest.raises(FileExistsError):
        key_file_changes.create(path)
    assert key_file.read(path) == private
    assert beside(path) == ["wg0.key"]


def test_a_planted_link_is_not_followed(path: str, tmp_path: Path) -> None:
    os.makedirs(os.path.dirname(path))
    target = tmp_path / "target"
    target.write_text("precious")
    os.symlink(target, f"{path}.{os.getpid()}.new")
    key_file_changes.create(path)
    assert target.read_text() == "precious"
    assert beside(path) == ["wg0.key"] and not os.path.islink(path)


def test_replacing_is_atomic(path: str) -> None:
    old = key_file_changes.create(path)
    new = key_file_changes.replace(path)
    assert new != old
    assert key_file.read(path) == new
    assert (mode(path), beside(path)) == (0o600, ["wg0.key"])


def failing(*_arguments: object, **_options: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failed_replacement_keeps_the_old_key(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = key_file_changes.create(path)
    monkeypatch.setattr(key_file.os, step, failing)
    with pytest.raises(OSError, match="No space"):
        key_file_changes.replace(path)
    assert key_file.read(path) == old
    assert beside(path) == ["wg0.key"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_failed_creation_leaves_no_file(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file.os, step, failing)
    with pytest.raises(OSError, match="No space"):
        key_file_changes.create(path)
    assert beside(path) == []


def test_a_key_is_made_once(path: str) -> None:
    private, made = key_file_changes.ensure(path)
    assert made
    assert key_file_changes.ensure(path) == (private, False)


def test_the_second_of_two_runs_uses_the_key_of_the_first(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    private = key_file_changes.create(path)
    answers = iter([None, private])
    monkeypatch.setattr(key_file, "read", lambda _path: next(answers))
    assert key_file_changes.ensure(path) == (private, False)


def test_a_file_that_repeatedly_appears_and_disappears_is_an_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file_changes.create(path)
    monkeypatch.setattr(key_file, "read", lambda _path: None)
    with pytest.raises(OSError, match="was created and removed by another process"):
        key_file_changes.ensure(path)


def test_a_missing_file_has_no_key(path: str) -> None:
    assert key_file.read(path) is None
    assert key_file.mode_of(path) is None
    assert not key_file.is_exposed(path)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_key_of_wg_genkey_is_read(tmp_path: Path, end: str) -> None:
    (tmp_path / "key").write_bytes((key_text(1) + end).encode())
    (tmp_path / "key").chmod(0o600)
    assert key_file.read(str(tmp_path / "key")) == key(1)


@pytest.mark.parametrize(
    "content",
    [b"", b"A" * 43 + b"=", key_text(1)[:-2].encode(), (key_text(1) + "x").encode(), b"\xff" * 44, b"A" * 100000],
)
def test_invalid_keys_are_refused_without_being_quoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(BadKeyFile, match="holds no WireGuard private key") as caught:
        key_file.read(str(tmp_path / "key"))
    text = content.decode("ascii", "replace")
    assert not text or text[:20] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("bits", "exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_any_access_of_others_is_exposure(path: str, bits: int, exposed: bool) -> None:
    key_file_changes.create(path)
    os.chmod(path, bits)
    assert key_file.is_exposed(path) == exposed
    key_file_changes.protect(path)
    assert not key_file.is_exposed(path)
