# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Private key files: read on the host that uses them, never copied from it.

This module is private to the collection.
"""

from __future__ import annotations

import os
import stat

from .._host.files import open_file
from .keys import decode_secret

FILE_MODE = 0o600


class BadKeyFile(ValueError):
    """A private key file that cannot be used; the message never quotes it."""


def read(path: str) -> bytes | None:
    """Return the private key in a file (base64, as `wg genkey` prints it), None where there is no file.

    Raises BadKeyFile where the file holds no private key, and UnsafeFile.
    """
    descriptor = open_file(path)
    if descriptor is None:
        return None
    try:
        text = os.read(descriptor, 4096).decode("ascii", errors="replace")
    finally:
        os.close(descriptor)
    if text[:1].isspace():
        raise BadKeyFile(f"{path} holds no WireGuard private key: it begins with white space, which wg does not read")
    try:
        return decode_secret(text)
    except ValueError as exc:
        raise BadKeyFile(f"{path} holds no WireGuard private key: {exc}") from None


def mode_of(path: str) -> int | None:
    """Return the permission bits of a file, None where there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def is_exposed(path: str) -> bool:
    """Return whether users other than the owner may read or write the file."""
    mode = mode_of(path)
    return mode is not None and bool(mode & 0o077)
