# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Managed files and links for the next boot, and state files: what they are, and how they are read.

This module is private to the collection.
"""

from __future__ import annotations

import grp
import os
import re
import stat
from dataclasses import dataclass, field, replace

# The first line of every managed text file.
HEADER = "# Written by wirewright.overlay: changes made here are lost with the next run."

# Names of our directories below /etc and /var/lib, and their prefix in /etc/systemd/network.
OWN_DIRECTORY = "wirewright.overlay"
OWN_NETWORK = "50-wirewright-"

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
    stat.S_IFREG: "a regular file",
}

_INSTANCE = re.compile(r"@.*\.")


@dataclass(frozen=True)
class BootFile:
    """A file by path, content, permission bits and group name; ``target`` makes it a symbolic link instead.

    A group of None keeps the current group; ``owner`` is a user ID. ``ours_by_path``: the format of the file has no room for
    our first line. ``secret``: no diff may show it.
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
        """Whether it is managed. Of links only those that enable a unit are, as systemctl(1) makes them."""
        if self.target is not None:
            directory, name = os.path.split(self.path)
            unit = os.path.basename(self.target)
            return directory.endswith(".wants") and unit in (name, _INSTANCE.sub("@.", name))
        return self.ours_by_path or self.content.startswith(HEADER)


class ForeignFile(ValueError):
    """A foreign file, or a foreign link to ``target``, has a path of ours."""

    def __init__(self, path: str, target: str | None = None) -> None:
        found = "exists and was not written"
        if target is not None:
            shown = target if target.isprintable() else repr(target)
            found = f"is a symbolic link to {shown} and was not made"
        super().__init__(f"{path} {found} by this collection: move it away")
        self.path = path


class UnsafeFile(ValueError):
    """A file or directory is of another type than expected, or users other than root can change it."""


def read(path: str, *, ours_by_path: bool = False, secret: bool = False) -> BootFile | None:
    """Return the current file or link, None if there is none. Raises UnsafeFile."""
    try:
        target = os.readlink(path)
    except OSError:  # no link, or nothing
        descriptor = open_file(path)
    else:
        refuse_unsafe_directories(path)
        return BootFile(path, mode=0o777, target=target)
    if descriptor is None:
        return None
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        status, content = os.fstat(file.fileno()), file.read()
    mode, group = stat.S_IMODE(status.st_mode), _group_name(status.st_gid)
    return BootFile(path, content, mode, group, ours_by_path=ours_by_path, secret=secret, owner=status.st_uid)


def read_text(path: str) -> str | None:
    """Return the text of a file, None where there is none. Raises UnsafeFile, and ValueError for another encoding."""
    descriptor = open_file(path)
    if descriptor is None:
        return None
    with open(descriptor, encoding="utf-8") as file:
        return file.read()


def open_file(path: str) -> int | None:
    """Return a descriptor to read a regular file, None where there is none. Follows no link and waits for no writer of a pipe.

    Raises UnsafeFile.
    """
    refuse_unsafe_directories(path)
    try:
        refuse_unsafe(path, os.lstat(path), stat.S_IFREG)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    return descriptor


def refuse_unsafe_directories(path: str) -> None:
    """Raise UnsafeFile where other users can change a directory above a path, or where ours are links or no directories.

    Links of the administrator higher up, as from /var to another file system, are followed.
    """
    directory, is_lowest = os.path.dirname(path), True
    while directory:
        try:
            status = os.lstat(directory)
            if stat.S_ISLNK(status.st_mode) and not is_lowest and os.path.basename(directory) != OWN_DIRECTORY:
                status = os.stat(directory)
            refuse_unsafe(directory, status, stat.S_IFDIR)
            is_lowest = False
        except (FileNotFoundError, NotADirectoryError):  # it is created, or the one above is refused
            pass
        directory = os.path.dirname(directory) if directory != "/" else ""


def refuse_unsafe(path: str, status: os.stat_result, kind: int) -> None:
    """Raise UnsafeFile for another type than a stat.S_IF constant, for a foreign owner, and where other users can write."""
    found = stat.S_IFMT(status.st_mode)
    if found != kind:
        raise UnsafeFile(f"{path} is {_KINDS.get(found, 'of an unknown type')} and not {_KINDS[kind]}: move it away")
    if status.st_uid not in (0, os.geteuid()):
        raise UnsafeFile(f"{path} belongs to the user {status.st_uid}: check it, then run chown root {path}")
    others = status.st_mode & (stat.S_IWOTH | (stat.S_IWGRP if status.st_gid else 0))
    if others and not status.st_mode & stat.S_ISVTX:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafeFile(
            f"{path} can be changed by other users (mode {mode:04o}): check it, then run chmod go-w {path}"
        )


def settle(before: BootFile | None, wanted: BootFile) -> BootFile:
    """Return the file after the change: without a wanted group it keeps its group, or gets root."""
    if wanted.group is not None or wanted.target is not None:
        return wanted
    same_kind = before is not None and before.target is None
    return replace(wanted, group=before.group if before is not None and same_kind else "root")


def refuse_foreign(current: BootFile | None) -> None:
    """Raise ForeignFile where a current file is not managed."""
    if current is not None and not current.is_ours:
        raise ForeignFile(current.path, current.target)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
