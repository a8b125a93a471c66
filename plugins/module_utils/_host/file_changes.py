# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Write managed files and links: atomically, with their mode. Only a run that changes something needs it.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import grp
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .._engine.reconcile import Operation
from .atomic_file import new_path, remove_leftovers
from .files import OWN_DIRECTORY, OWN_NETWORK, BootFile


def write(file: BootFile) -> None:
    """Write a file atomically: at any time, and after a power loss, the old or the new one is there."""
    directory = os.path.dirname(file.path)
    make_directories(directory)
    temporary = new_path(file.path)
    if file.target is not None:
        os.symlink(file.target, temporary)
        _into_place(temporary, file.path, directory)
        return
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with (
            named_in_errors(file.path),
            os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as handle,
        ):
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


@contextmanager
def named_in_errors(path: str) -> Iterator[None]:
    """Add the path to an error of the system that has none: writing to a descriptor fails without one, as on a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def delete(path: str) -> None:
    """Remove a file or link, and our directories that become empty; a missing file is no error."""
    directory = os.path.dirname(path)
    try:
        remove_leftovers(path)
        os.unlink(path)
    except FileNotFoundError:
        return
    sync_directory(directory)
    with contextlib.suppress(OSError):  # not empty
        while OWN_DIRECTORY in directory.split("/") or os.path.basename(directory).startswith(OWN_NETWORK):
            os.rmdir(directory)
            directory = os.path.dirname(directory)


def write_files(operations: Iterable[Operation[BootFile]]) -> None:
    """Write and delete files; links come last, so that a unit is enabled only after its files exist."""
    for operation in sorted(operations, key=lambda one: one.after is not None and one.after.target is not None):
        if operation.after is None:
            delete(operation.key())
        else:
            write(operation.after)


def make_directories(path: str) -> None:
    """Create a directory and its missing parents with mode 0755, whatever the umask is."""
    if not path or os.path.isdir(path):
        return
    make_directories(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):  # created by another process
        os.mkdir(path)
        os.chmod(path, 0o755)  # noqa: S103   as /etc and /var/lib themselves are


def _into_place(temporary: str, path: str, directory: str) -> None:
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(directory)


def sync_directory(directory: str) -> None:
    """Make the names in a directory durable (fsync(2)); raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _group_number(name: str) -> int:
    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
