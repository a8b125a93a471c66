# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Which private key files a host has: a path alone never makes a file a key.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from . import key_file

_SUFFIX = ".key"
# Of what an adoption has replaced, in these directories; after the whole name, so that neither wg-quick nor systemd reads it.
COPY_SUFFIX = ".before-wirewright"
_COPY_DIRECTORIES = ("/etc/wireguard", "/etc/systemd/network")
_MOST = 100


def present_keys(paths: Iterable[str]) -> list[str]:
    """Return the files that hold a private key, at most 100: a path itself, or the files named *.key of a directory.

    A file that cannot be read, a link, and one that others may change are none.
    """
    found: list[str] = []
    for path in dict.fromkeys(file for given in paths for file in _files(given)):
        try:
            holds_key = key_file.read(path) is not None
        except (OSError, ValueError):
            continue
        if holds_key and len(found) < _MOST:
            found.append(path)
    return found


def present_copies(directories: Iterable[str] = _COPY_DIRECTORIES) -> list[str]:
    """Return the copies of files that an adoption has replaced, at most 100: they can hold a private key."""
    found = (
        os.path.join(where, name)
        for directory in directories
        for where, _directories, names in os.walk(directory)
        for name in names
        if name.endswith(COPY_SUFFIX)
    )
    return sorted(found)[:_MOST]


def _files(path: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(path))
    except NotADirectoryError:
        yield path
    except OSError:
        return
    else:
        yield from (os.path.join(path, name) for name in names if name.endswith(_SUFFIX))
