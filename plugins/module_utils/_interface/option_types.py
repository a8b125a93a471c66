# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Values of options that end up in files: names of interfaces, names of hosts, paths.

This module is private to the collection.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from .._host.links import INTERFACE_NAME

_RESERVED_NAMES = ("all", "default", "lo")
# Characters with a meaning in a shell, in a unit file or in a file of wg-quick (where # begins a comment).
_UNSAFE_IN_PATH = re.compile(r"[\s%'\"\\$`;&|<>#(){}\[\]*?!]")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


def interface_name(text: str) -> str:
    """Return a name that an interface can have. Raises ValueError."""
    if not INTERFACE_NAME.match(text) or text in _RESERVED_NAMES:
        raise ValueError(f"{text!r} cannot name an interface: 1 to 15 characters of A-Z a-z 0-9 _ = + . - are allowed")
    return text


def file_name(text: str) -> bool:
    """Return whether a text can name files as an interface does."""
    return bool(INTERFACE_NAME.match(text))


def plain_name(value: Any) -> str:
    """Return text that fits into one line of a file. Raises ValueError."""
    text = str(value)
    if _CONTROL_CHARACTER.search(text):
        raise ValueError(f"{text!r} holds a line break or control character")
    return text


def plain_path(value: Any) -> str:
    """Return the absolute path of a file, without characters that a shell or a unit file interprets. Raises ValueError."""
    text = str(value)
    if not text.startswith("/") or _UNSAFE_IN_PATH.search(text) or _CONTROL_CHARACTER.search(text):
        raise ValueError("not a plain absolute path")  # the value may be the key itself, so it is not quoted
    too_long = len(text.encode()) > 4095 or any(len(name.encode()) > 255 for name in text.split("/"))  # limits.h
    if too_long or text == "/" or text.startswith("//") or posixpath.normpath(text) != text:
        raise ValueError("not the path of a file: it is too long, or has '.', '..', '//' or a final '/'")
    if text.startswith(("/dev/", "/proc/", "/sys/")):
        raise ValueError("not the path of a file that is kept: the kernel has devices and its own files there")
    return text
