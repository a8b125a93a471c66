# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are managed, and which are not read: links, other types, and what other users can change."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._host.files import (
    HEADER,
    OWN_DIRECTORY,
    BootFile,
    ForeignFile,
    UnsafeFile,
    read,
    read_text,
    refuse_foreign,
    refuse_unsafe,
    settle,
)

OURS = HEADER + "\n[Interface]\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "etc" / "wg0.conf")


def test_a_missing_file_is_none(path: str) -> None:
    assert read(path) is None


def test_ownership_is_known_by_first_line_or_format() -> None:
    assert BootFile("/f", OURS).is_ours
    assert BootFile("/f", "{}", ours_by_path=True).is_ours
    assert not BootFile("/f", "[Interface]\n" + HEADER).is_ours
    assert not BootFile("/f").is_ours


def test_a_foreign_file_is_refused_by_name() -> None:
    with pytest.raises(ForeignFile, match=r"^/etc/wireguard/wg0\.conf exists and was not written by .*: move it"):
        refuse_foreign(BootFile("/etc/wireguard/wg0.conf", "[Interface]\n"))
    refuse_foreign(BootFile("/f", OURS))
    refuse_foreign(None)


def test_a_foreign_link_is_refused_as_one(tmp_path: Path) -> None:
    path = tmp_path / "wg0.conf"
    path.symlink_to("/etc/shadow")
    with pytest.raises(ForeignFile) as refused:
        refuse_foreign(read(str(path)))
    assert str(refused.value) == (
        f"{path} is a symbolic link to /etc/shadow and was not made by this collection: move it away"
    )
    with pytest.raises(ForeignFile, match=r"to '/etc\\n' and"):
        refuse_foreign(BootFile("/f", target="/etc\n"))


def test_an_unset_group_is_the_current_one_or_root() -> None:
    wanted = BootFile("/f", OURS)
    assert settle(None, wanted).group == "root"
    assert settle(BootFile("/f", group="staff"), wanted).group == "staff"
    assert settle(BootFile("/f", target="/unit"), wanted).group == "root"
    assert settle(BootFile("/f", group="staff"), BootFile("/f", group="adm")).group == "adm"
    assert settle(None, BootFile("/f", target="/unit")).group is None


def test_ownership_and_secrecy_are_not_compared() -> None:
    assert BootFile("/f", "x", ours_by_path=True, secret=True) == BootFile("/f", "x")
    assert BootFile("/f", "x") != BootFile("/f", "y")
    assert BootFile("/f", "x", 0o600) != BootFile("/f", "x", 0o644)


def a_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def a_dangling_link(path: Path) -> None:
    path.symlink_to("/nowhere")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def of_another_user(path: Path) -> None:
    path.write_text(OURS)
    os.chown(path, 1234, 0)


def writable_by_all(path: Path) -> None:
    path.write_text(OURS)
    path.chmod(0o666)


def writable_by_a_group(path: Path) -> None:
    path.write_text(OURS)
    os.chown(path, 0, 1234)
    path.chmod(0o664)


PLANTED: dict[Callable[[Path], None], str] = {
    a_link: "is a symbolic link and not a regular file: move it away",
    a_dangling_link: "is a symbolic link and not a regular file: move it away",
    a_socket: "is a socket and not a regular file: move it away",
    os.mkfifo: r"is a named pipe \(FIFO\) and not a regular file: move it away",
    os.mkdir: "is a directory and not a regular file: move it away",
    of_another_user: "belongs to the user 1234: check it, then run chown root",
    writable_by_all: r"can be changed by other users \(mode 0666\): check it, then run chmod go-w",
    writable_by_a_group: r"can be changed by other users \(mode 0664\)",
}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="another owner needs root")


@needs_root
@pytest.mark.parametrize("plant", PLANTED)
def test_what_is_no_safe_file_is_refused_by_name(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    path = tmp_path / "wg0.conf"
    plant(path)
    before = path.lstat()
    with pytest.raises(UnsafeFile, match=f"^{path} {PLANTED[plant]}"):
        read_text(str(path))
    if not path.is_symlink():  # a link is read, to be judged by its target
        with pytest.raises(UnsafeFile, match=PLANTED[plant]):
            read(str(path))
    assert path.lstat() == before


@pytest.mark.parametrize(("kind", "text"), [(stat.S_IFCHR, "a character device"), (stat.S_IFBLK, "a block device")])
def test_a_device_is_refused_as_one(kind: int, text: str) -> None:
    status = os.stat_result((kind | 0o600, *[0] * 9))
    with pytest.raises(UnsafeFile, match=f"^/f is {text} and not a regular file: move it away$"):
        refuse_unsafe("/f", status, stat.S_IFREG)


@needs_root
@pytest.mark.parametrize(("name", "below"), [("wireguard", "wg0.conf"), (OWN_DIRECTORY, "fib/routes.json")])
def test_a_directory_that_is_not_safe_is_refused_by_name(tmp_path: Path, name: str, below: str) -> None:
    place = tmp_path / name
    path = str(place / below)
    place.symlink_to("/etc")
    with pytest.raises(UnsafeFile, match=f"^{place} is a symbolic link and not a directory"):
        read(path)
    place.unlink()
    place.write_text("")
    with pytest.raises(UnsafeFile, match=f"^{place} is a regular file and not a directory"):
        read(path)
    place.unlink()
    place.mkdir()
    os.chown(place, 1234, 0)
    with pytest.raises(UnsafeFile, match=f"^{place} belongs to the user 1234"):
        read(path)
    os.chown(place, 0, 0)
    place.chmod(0o777)
    with pytest.raises(UnsafeFile, match=f"^{place} can be changed by other users"):
        read(path)
    place.chmod(0o1777)  # as /tmp
    assert read(path) is None


def test_links_of_the_administrator_further_up_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real/lib/state").mkdir(parents=True)
    (tmp_path / "var").symlink_to("real")
    (tmp_path / "real/lib/state/f").write_text("text")
    assert read_text(str(tmp_path / "var/lib/state/f")) == "text"


@pytest.mark.parametrize(
    ("path", "target", "ours"),
    [
        (
            "/etc/systemd/system/multi-user.target.wants/wg-quick@wg0.service",
            "/lib/systemd/system/wg-quick@.service",
            True,
        ),
        (
            "/etc/systemd/system/multi-user.target.wants/wg-quick@a.b.service",
            "/usr/lib/systemd/system/wg-quick@.service",
            True,
        ),
        ("/etc/systemd/system/multi-user.target.wants/x.service", "/etc/systemd/system/x.service", True),
        ("/etc/systemd/system/multi-user.target.wants/wg-quick@wg0.service", "/srv/mine.service", False),
        ("/etc/wireguard/wg0.conf", "/srv/wg0.conf", False),
    ],
)
def test_only_links_that_enable_a_unit_are_managed(path: str, target: str, ours: bool) -> None:
    assert BootFile(path, target=target).is_ours is ours
