# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private key files: made on their host with mode 0600 from the first byte on, read there, never copied off it.

This module is private to the collection.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..new_file import new_path
from .keys import decode_key, encode_key, generate_private_key

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


class BadKeyFile(ValueError):
    """A private key file that cannot be used; the message never quotes it."""


def read(path: str) -> bytes | None:
    """Return the private key in a file (base64, as `wg genkey` prints it), None where there is no file.

    Raises BadKeyFile where the file holds something else.
    """
    try:
        # A pipe in this place would keep a blocking open waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadKeyFile(f"{path} holds no WireGuard private key: it is no regular file")
        text = os.read(descriptor, 4096).decode("ascii", errors="replace")
    finally:
        os.close(descriptor)
    if text[:1].isspace():
        raise BadKeyFile(f"{path} holds no WireGuard private key: it begins with white space, which wg does not read")
    try:
        return decode_key(text)
    except ValueError as exc:
        raise BadKeyFile(f"{path} holds no WireGuard private key: {exc}") from None


def mode_of(path: str) -> int | None:
    """Return the permission bits of a file, None where there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def is_exposed(path: str) -> bool:
    """Return whether anybody but the owner may read or write the file."""
    mode = mode_of(path)
    return mode is not None and bool(mode & 0o077)


def create(path: str) -> bytes:
    """Make a new private key and its file, which must not exist; returns the key.

    The file comes into being under its name whole: it is written under another name, then linked, and link(2) does
    not replace. Raises FileExistsError when another process was quicker.
    """
    private_key, temporary = _write_new(path)
    try:
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    _sync_directory(os.path.dirname(path))
    return private_key


def replace(path: str) -> bytes:
    """Put a new private key in the place of the one in a file, in one step; returns the key."""
    private_key, temporary = _write_new(path)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(os.path.dirname(path))
    return private_key


def _write_new(path: str) -> tuple[bytes, str]:
    """Write a new key beside its place; returns the key and the path of the file, which only its owner can read."""
    _make_directories(os.path.dirname(path))
    private_key = generate_private_key()
    temporary = new_path(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, FILE_MODE)  # a umask may have taken the owner's own rights
            file.write(encode_key(private_key) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    return private_key, temporary


def _make_directories(path: str) -> None:
    """Make a directory and those above it that are missing; os.makedirs leaves the latter to the umask."""
    if not path or os.path.isdir(path):
        return
    _make_directories(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):  # another process was quicker
        os.mkdir(path, DIRECTORY_MODE)


def ensure(path: str) -> tuple[bytes, bool]:
    """Return the private key of a file and whether it was made now. Raises BadKeyFile and OSError."""
    present = read(path)
    if present is not None:
        return present, False
    try:
        return create(path), True
    except FileExistsError:
        present = read(path)
        if present is None:
            raise OSError(errno.EAGAIN, f"{path} appeared and went away again") from None
        return present, False


def protect(path: str) -> None:
    """Take the rights of everybody but the owner away."""
    os.chmod(path, FILE_MODE)


def _sync_directory(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
