# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private key files: mode 0600 from the first byte on, whole or not there, never quoted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard import key_file
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.key_file import BadKeyFile
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import clamp, encode_key

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


def test_a_new_key_is_there_and_only_its_owners(path: str) -> None:
    private = key_file.create(path)
    assert key_file.read(path) == private == clamp(private)
    assert Path(path).read_text() == encode_key(private) + "\n"
    assert (mode(path), mode(os.path.dirname(path))) == (0o600, 0o700)
    assert beside(path) == ["wg0.key"]


def test_the_mode_is_right_before_the_first_byte(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, int]] = []
    real = os.fdopen

    def fdopen(descriptor: int, *arguments: object, **options: object) -> object:
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size, status.st_nlink))
        return real(descriptor, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(key_file.os, "fdopen", fdopen)
    key_file.create(path)
    key_file.replace(path)
    assert seen == [(0o600, 0, 1)] * 2


def test_creating_never_replaces(path: str) -> None:
    private = key_file.create(path)
    with pytest.raises(FileExistsError):
        key_file.create(path)
    assert key_file.read(path) == private
    assert beside(path) == ["wg0.key"]


def test_a_planted_link_is_not_followed(path: str, tmp_path: Path) -> None:
    os.makedirs(os.path.dirname(path))
    target = tmp_path / "target"
    target.write_text("precious")
    os.symlink(target, f"{path}.{os.getpid()}.new")
    key_file.create(path)
    assert target.read_text() == "precious"
    assert beside(path) == ["wg0.key"] and not os.path.islink(path)


def test_replacing_is_one_step(path: str) -> None:
    old = key_file.create(path)
    new = key_file.replace(path)
    assert new != old
    assert key_file.read(path) == new
    assert (mode(path), beside(path)) == (0o600, ["wg0.key"])


def failing(*_arguments: object, **_options: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failed_replacement_leaves_the_old_key_alone(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = key_file.create(path)
    monkeypatch.setattr(key_file.os, step, failing)
    with pytest.raises(OSError, match="No space"):
        key_file.replace(path)
    assert key_file.read(path) == old
    assert beside(path) == ["wg0.key"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_failed_creation_leaves_nothing(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_file.os, step, failing)
    with pytest.raises(OSError, match="No space"):
        key_file.create(path)
    assert beside(path) == []


def test_a_key_is_made_once(path: str) -> None:
    private, made = key_file.ensure(path)
    assert made
    assert key_file.ensure(path) == (private, False)


def test_who_comes_second_takes_the_firsts_key(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    private = key_file.create(path)
    answers = iter([None, private])
    monkeypatch.setattr(key_file, "read", lambda _path: next(answers))
    assert key_file.ensure(path) == (private, False)


def test_a_file_that_comes_and_goes_is_an_error(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key_file.create(path)
    monkeypatch.setattr(key_file, "read", lambda _path: None)
    with pytest.raises(OSError, match="appeared and went away"):
        key_file.ensure(path)


def test_no_file_is_no_key(path: str) -> None:
    assert key_file.read(path) is None
    assert key_file.mode_of(path) is None
    assert not key_file.is_exposed(path)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_key_of_wg_genkey_is_read(tmp_path: Path, end: str) -> None:
    (tmp_path / "key").write_bytes((key_text(1) + end).encode())
    assert key_file.read(str(tmp_path / "key")) == key(1)


@pytest.mark.parametrize(
    "content", [b"", key_text(1)[:-2].encode(), (key_text(1) + "x").encode(), b"\xff" * 44, b"A" * 100000]
)
def test_what_is_no_key_is_refused_without_being_quoted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(BadKeyFile, match="holds no WireGuard private key") as caught:
        key_file.read(str(tmp_path / "key"))
    text = content.decode("ascii", "replace")
    assert not text or text[:20] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("bits", "exposed"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_exposure_is_any_right_of_others(path: str, bits: int, exposed: bool) -> None:
    key_file.create(path)
    os.chmod(path, bits)
    assert key_file.is_exposed(path) == exposed
    key_file.protect(path)
    assert not key_file.is_exposed(path)
