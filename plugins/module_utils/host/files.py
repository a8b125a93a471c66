# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Files and links that we write for the next boot, and our own records: whole, with their mode, or not at all.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import grp
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..new_file import new_path, remove_leftovers
from ..reconcile import Operation

# The first line of every text file of ours.
HEADER = "# Written by wirewright.overlay: changes made here are lost with the next run."

# What we call our own directories, below /etc and /var/lib; and what those in /etc/systemd/network begin with.
OWN_DIRECTORY = "wirewright.overlay"
_OWN_NETWORK = "50-wirewright-"

_SECRET_LINE = re.compile(r"^(\s*(?:PrivateKey|PresharedKey)\s*=).*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class BootFile:
    """A file by path, content, permission bits and group name; ``target`` makes it a symbolic link instead.

    A group of None leaves the group alone; ``owner`` is a user's number. ``ours_by_path`` stands for a file whose format
    has no room for our first line; ``secret`` for one that no diff may show.
    """

    path: str
    content: str = field(default="", repr=False)
    mode: int = 0o644
    group: str | None = None
    target: str | None = None
    ours_by_path: bool = field(default=False, compare=False)
    secret: bool = field(default=False, compare=False)
    owner: int = field(default=0, compare=False)

    def key(self) -> str:
        """The path."""
        return self.path

    @property
    def is_ours(self) -> bool:
        """Whether we wrote it: a link is recognised by its path alone."""
        return self.target is not None or self.ours_by_path or self.content.startswith(HEADER)

    def describe(self) -> dict[str, object]:
        """Return the file as a diff shows it, with keys hidden."""
        if self.target is not None:
            return {"target": self.target}
        content = "(hidden)" if self.secret else _SECRET_LINE.sub(r"\1 (hidden)", self.content)
        return {"mode": f"{self.mode:04o}", "group": self.group or "", "content": content}


class ForeignFile(ValueError):
    """A file is in our way that somebody else wrote."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} exists and was not written by this collection")
        self.path = path


def read(path: str, *, ours_by_path: bool = False, secret: bool = False) -> BootFile | None:
    """Return the file or link as it is, None where there is none."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return BootFile(path, mode=0o777, target=os.readlink(path))
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        content = file.read()
    mode, group = stat.S_IMODE(status.st_mode), _group_name(status.st_gid)
    return BootFile(path, content, mode, group, ours_by_path=ours_by_path, secret=secret, owner=status.st_uid)


def settle(before: BootFile | None, wanted: BootFile) -> BootFile:
    """Return the file that results: a group that is left open stays as it is, or becomes root."""
    if wanted.group is not None or wanted.target is not None:
        return wanted
    same_kind = before is not None and before.target is None
    return replace(wanted, group=before.group if before is not None and same_kind else "root")


def write(file: BootFile) -> None:
    """Put a file in place in one step: the old one or the new one is there at any moment, also after a power cut."""
    directory = os.path.dirname(file.path)
    make_directories(directory)
    temporary = new_path(file.path)
    if file.target is not None:
        os.symlink(file.target, temporary)
        _into_place(temporary, file.path, directory)
        return
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as handle:
            handle.write(file.content)
            handle.flush()
            if file.group is not None and os.geteuid() == 0:
                os.fchown(handle.fileno(), file.owner, _group_number(file.group))
            os.fchmod(handle.fileno(), file.mode)
            os.fsync(handle.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    _into_place(temporary, file.path, directory)


def delete(path: str) -> None:
    """Remove a file or link, and directories of ours that it leaves empty; that it is gone already is no error."""
    directory = os.path.dirname(path)
    try:
        remove_leftovers(path)
        os.unlink(path)
    except FileNotFoundError:
        return
    _sync_directory(directory)
    with contextlib.suppress(OSError):  # something else is kept there
        while OWN_DIRECTORY in directory.split("/") or os.path.basename(directory).startswith(_OWN_NETWORK):
            os.rmdir(directory)
            directory = os.path.dirname(directory)


def carry_out(operations: Iterable[Operation[BootFile]]) -> None:
    """Write and delete files; links come last, because a unit must not be wanted before what it needs is there."""
    for operation in sorted(operations, key=lambda one: one.after is not None and one.after.target is not None):
        if operation.after is None:
            delete(operation.key())
        else:
            write(operation.after)


def refuse_foreign(current: BootFile | None) -> None:
    """Raise ForeignFile where a file is there that is not ours."""
    if current is not None and not current.is_ours:
        raise ForeignFile(current.path)


def make_directories(path: str) -> None:
    """Make a directory and those above it that are missing, for all to look into whatever the umask is."""
    if not path or os.path.isdir(path):
        return
    make_directories(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):  # another process was quicker
        os.mkdir(path)
        os.chmod(path, 0o755)  # noqa: S103   as /etc and /var/lib themselves are


def _into_place(temporary: str, path: str, directory: str) -> None:
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(directory)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _group_number(name: str) -> int:
    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
