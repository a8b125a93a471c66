# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Create, replace and protect private key files: with mode 0600 from the first byte on. Most runs only read them.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import errno
import os

from .._host.atomic_file import new_path
from .._host.file_changes import named_in_errors, sync_directory
from . import key_file
from .key_file import FILE_MODE
from .keys import encode_key, generate_private_key

DIRECTORY_MODE = 0o700


def create(path: str, held: bytes | None = None) -> bytes:
    """Write a private key into a new file; returns the key. held: the key, by default a new one.

    The file is written under a temporary name, then linked, and link(2) does not replace. Raises FileExistsError if
    another process created it.
    """
    private_key, temporary = _write_new(path, held)
    try:
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    sync_directory(os.path.dirname(path))
    return private_key


def replace(path: str) -> bytes:
    """Replace the private key of a file atomically by a new one; returns the key."""
    private_key, temporary = _write_new(path)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path))
    return private_key


def _write_new(path: str, held: bytes | None = None) -> tuple[bytes, str]:
    """Write a key to a temporary file of mode 0600 in the same directory; returns the key and its path."""
    make_directories(os.path.dirname(path))
    private_key = generate_private_key() if held is None else held
    temporary = new_path(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        with named_in_errors(path), os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, FILE_MODE)  # the umask may remove the owner's permissions
            file.write(encode_key(private_key) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    return private_key, temporary


def make_directories(path: str) -> None:
    """Create a directory of keys and its missing parents, for their owner only; os.makedirs applies the umask to parents."""
    if not path or os.path.isdir(path):
        return
    make_directories(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):  # created by another process
        os.mkdir(path, DIRECTORY_MODE)


def ensure(path: str, held: bytes | None = None) -> tuple[bytes, bool]:
    """Return the private key of a file, and whether the file was made now. Raises BadKeyFile and OSError.

    held: the key of a file that is made, by default a new one.
    """
    present = key_file.read(path)
    if present is not None:
        return present, False
    try:
        return create(path, held), True
    except FileExistsError:
        present = key_file.read(path)
        if present is None:
            raise OSError(errno.EAGAIN, f"{path} was created and removed by another process") from None
        return present, False


def protect(path: str) -> None:
    """Remove the permissions of all users but the owner."""
    os.chmod(path, FILE_MODE)
