# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in one step: mode from the first byte on, the old content until the new one is whole, no key in a diff."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.host import files as room
from ansible_collections.wirewright.overlay.plugins.module_utils.host.files import (
    HEADER,
    OWN_DIRECTORY,
    BootFile,
    ForeignFile,
    delete,
    read,
    refuse_foreign,
    settle,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

from ..samples import key_text

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
def test_a_failed_write_leaves_the_old_file_alone(path: str, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(BootFile(path, "old\n", 0o600))
    monkeypatch.setattr(room.os, step, failing)
    with pytest.raises(OSError, match="No space"):
        write(BootFile(path, "new\n", 0o644))
    assert (Path(path).read_text(), mode(path)) == ("old\n", 0o600)
    assert beside(path) == ["wg0.conf"]


def test_a_planted_file_or_link_is_not_written_to(path: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    os.makedirs(os.path.dirname(path))
    os.symlink(target, f"{path}.{os.getpid()}.new")
    write(BootFile(path, OURS))
    assert target.read_text() == "precious"
    assert beside(path) == ["wg0.conf"] and not os.path.islink(path)


def test_writing_replaces_a_link_and_not_what_it_points_to(path: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    os.makedirs(os.path.dirname(path))
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


def test_a_failed_link_leaves_nothing_behind(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.os, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        write(BootFile(path, target="/lib/unit@.service"))
    assert beside(path) == []


def test_what_is_written_is_synced_before_and_after_its_name(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for step in ("fsync", "rename"):
        real = getattr(os, step)
        monkeypatch.setattr(room.os, step, lambda *a, step=step, real=real: (steps.append(step), real(*a))[1])
    write(BootFile(path, OURS))
    assert steps == ["fsync", "rename", "fsync"]


def test_no_file_is_none(path: str) -> None:
    assert read(path) is None


def test_bytes_that_are_no_text_survive(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    Path(path).write_bytes(b"\xff\xfe\n")
    found = read(path)
    assert found is not None
    write(found)
    assert Path(path).read_bytes() == b"\xff\xfe\n"


def test_deleting_twice_is_no_error(path: str) -> None:
    write(BootFile(path, OURS))
    delete(path)
    delete(path)
    assert not os.path.exists(path)


def test_ownership_is_the_first_line_the_path_or_being_a_link() -> None:
    assert BootFile("/f", OURS).is_ours
    assert BootFile("/f", "{}", ours_by_path=True).is_ours
    assert BootFile("/f", target="/unit").is_ours
    assert not BootFile("/f", "[Interface]\n" + HEADER).is_ours
    assert not BootFile("/f").is_ours


def test_a_foreign_file_is_refused_by_name() -> None:
    with pytest.raises(ForeignFile, match=r"/etc/wireguard/wg0\.conf exists and was not written by this collection"):
        refuse_foreign(BootFile("/etc/wireguard/wg0.conf", "[Interface]\n"))
    refuse_foreign(BootFile("/f", OURS))
    refuse_foreign(None)


def test_an_open_group_settles_on_the_current_one_or_root() -> None:
    wanted = BootFile("/f", OURS)
    assert settle(None, wanted).group == "root"
    assert settle(BootFile("/f", group="staff"), wanted).group == "staff"
    assert settle(BootFile("/f", target="/unit"), wanted).group == "root"
    assert settle(BootFile("/f", group="staff"), BootFile("/f", group="adm")).group == "adm"
    assert settle(None, BootFile("/f", target="/unit")).group is None


def test_ownership_and_secrecy_are_no_difference() -> None:
    assert BootFile("/f", "x", ours_by_path=True, secret=True) == BootFile("/f", "x")
    assert BootFile("/f", "x") != BootFile("/f", "y")
    assert BootFile("/f", "x", 0o600) != BootFile("/f", "x", 0o644)


KEY = key_text(1)


@pytest.mark.parametrize(
    "line",
    [
        f"PresharedKey = {KEY}",
        f"PresharedKey={KEY}",
        f"  presharedkey\t=\t{KEY}  ",
        f"PrivateKey = {KEY}",
        f"PRIVATEKEY={KEY}",
        f"PrivateKey = {KEY} # the old one: {KEY}",
    ],
)
def test_lines_with_keys_are_hidden_in_a_diff(line: str) -> None:
    shown = str(BootFile("/f", f"{OURS}{line}\nPublicKey = {key_text(2)}\n{line}").describe()["content"])
    assert KEY not in shown
    assert shown.count("(hidden)") == 2
    assert key_text(2) in shown


@given(st.text(), st.text("\t ", max_size=3), st.sampled_from(["PresharedKey", "PrivateKey", "presharedKEY"]))
def test_no_text_around_it_uncovers_a_key(text: str, space: str, name: str) -> None:
    content = f"{text}\n{space}{name}{space}={space}{KEY}\n{text}"
    assert KEY not in str(BootFile("/f", content).describe())


def test_a_secret_file_is_hidden_whole() -> None:
    file = BootFile("/f", KEY + "\n", 0o600, secret=True)
    assert file.describe() == {"mode": "0600", "group": "", "content": "(hidden)"}
    assert KEY not in repr(file)


def test_a_described_link_says_its_target() -> None:
    assert BootFile("/f", target="/unit").describe() == {"target": "/unit"}


def test_directories_can_be_looked_into_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(BootFile(str(tmp_path / "etc/network/a.conf"), OURS))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("etc", "etc/network")] == [0o755, 0o755]


def test_own_directory_goes_with_its_last_file(tmp_path: Path) -> None:
    own, other = tmp_path / OWN_DIRECTORY, tmp_path / "network"
    for path in (own / "a", own / "b", other / "a"):
        write(BootFile(str(path), OURS))
    for path in (own / "a", other / "a"):
        delete(str(path))
    assert own.is_dir() and other.is_dir()
    delete(str(own / "b"))
    assert not own.exists()
