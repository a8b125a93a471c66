# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The files of the optional programs that roles install, and what must not be in their place.

Roles write and remove these files with the modules of ansible.builtin, which replace links and pipes, write into directories
and remove them with their content. So a role has them checked before its first change. This module is private to the collection.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterable

from .._engine.errors import Refused
from . import files
from .files import HEADER

_PROGRAMS, _UNITS, _SETTINGS = "usr/local/lib/wirewright.overlay", "etc/systemd/system", "etc/wirewright.overlay"
# By program, the paths below the root directory. Its units may be enabled by links, one of each line.
PATHS = {
    "direct": (
        f"{_PROGRAMS}/wirewright-overlay-direct",
        f"{_UNITS}/wirewright-overlay-direct@.service",
        f"{_UNITS}/multi-user.target.wants/wirewright-overlay-direct@*.service",
    ),
    "endpoint_refresh": (
        f"{_PROGRAMS}/wirewright-overlay-endpoint-refresh",
        f"{_PROGRAMS}/wirewright_overlay_answers.py",
        f"{_UNITS}/wirewright-overlay-endpoint-refresh.service",
        f"{_UNITS}/wirewright-overlay-endpoint-refresh.timer",
        f"{_UNITS}/timers.target.wants/wirewright-overlay-endpoint-refresh.timer",
    ),
    "failover": (
        f"{_PROGRAMS}/wirewright-overlay-failover",
        f"{_SETTINGS}/failover.json",
        f"{_UNITS}/wirewright-overlay-failover.service",
        f"{_UNITS}/multi-user.target.wants/wirewright-overlay-failover.service",
    ),
    "ipsec": (
        f"{_PROGRAMS}/wirewright-overlay-ipsec",
        f"{_UNITS}/wirewright-overlay-ipsec.service",
        f"{_UNITS}/sysinit.target.wants/wirewright-overlay-ipsec.service",
    ),
}
# First lines of files that are copied as they are in the collection.
_MARKS = (HEADER, "# Copyright (c) 2026, wirewright contributors")
_MARKED_LINES = 2  # one may be that of the interpreter


def refuse_planted(programs: Iterable[str], root: str = "/") -> None:
    """Raise Refused, with every path, where something else is in place of a file, link or directory of the programs.

    programs: names of PATHS. Nothing is followed, and no pipe is opened. A file is ours by its first lines; that of the
    settings, which has no room for them, by its path.
    """
    paths = [path for name in programs for pattern in PATHS[name] for path in _existing(root, pattern)]
    found = dict.fromkeys(error for error in map(_what_is_wrong, paths) if error)
    if found:
        raise Refused(*found)


def _existing(root: str, pattern: str) -> list[str]:
    """Return the path of a pattern, or those of the links that it stands for."""
    directory, name = os.path.split(os.path.join(root, pattern))
    if "*" not in name:
        return [os.path.join(directory, name)]
    return sorted(glob.glob(f"{glob.escape(directory)}/{name}"))


def _what_is_wrong(path: str) -> str:
    try:
        if f"/{_PROGRAMS}/" in path:
            _refuse_program(path)
            return ""
        found = files.read(path, ours_by_path=path.endswith(".json"))
        if found is None:
            return ""
        if found.target is None and path.split("/")[-2].endswith(".wants"):
            return f"{path} is not the link that enables a unit: move it away"
        files.refuse_foreign(found)
    except (files.ForeignFile, files.UnsafeFile) as error:
        return str(error)
    return ""


def _refuse_program(path: str) -> None:
    """Raise UnsafeFile or ForeignFile for what is in place of a program or of its directory.

    Not for the directories above: some distributions let a group of administrators write to /usr/local.
    """
    directory = os.path.dirname(path)
    try:
        files.refuse_unsafe(directory, os.lstat(directory), stat.S_IFDIR)
        files.refuse_unsafe(path, os.lstat(path), stat.S_IFREG)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        lines = [file.readline(len(mark) + 1).rstrip("\n") for mark in (max(_MARKS, key=len),) * _MARKED_LINES]
    if not any(line in _MARKS for line in lines):
        raise files.ForeignFile(path)
