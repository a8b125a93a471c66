# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Kernel parameters under /proc/sys (sysctl(8)).

This module is private to the collection.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

ROOT = "/proc/sys/"
RECORD = "/var/lib/wirewright.overlay/sysctls/previous.json"
# Characters that end a name in a sysctl.d(5) file, or are invisible.
_UNUSABLE = re.compile(r"[\s\x00-\x1f\x7f=#;]")


@dataclass(frozen=True)
class Sysctl:
    """A parameter by its path below /proc/sys, and its value with white space folded."""

    path: str
    value: str

    def key(self) -> str:
        """The path."""
        return self.path


def parse_name(name: str) -> str:
    """Return the path of a parameter written `net.ipv4.ip_forward` or `net/ipv4/conf/eth0.5/forwarding`.

    As sysctl(8) does: where the first separator is a slash, dots belong to names; else dots and slashes are swapped.
    Raises ValueError where the name would leave /proc/sys.
    """
    first = next((character for character in name if character in "./"), "")
    path = name if first == "/" else name.translate(str.maketrans("./", "/."))
    if _UNUSABLE.search(path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"{name!r} is not the name of a sysctl")
    return path


def read(path: str) -> Sysctl | None:
    """Return the current parameter, None if the kernel has none of this name."""
    try:
        with open(ROOT + path) as file:
            return Sysctl(path, " ".join(file.read().split()))
    except FileNotFoundError:
        return None


def write(path: str, value: str) -> None:
    """Set a parameter. Raises OSError, which names it."""
    try:
        with open(ROOT + path, "w") as file:
            file.write(value + "\n")
    except OSError as exc:
        raise OSError(exc.errno or errno.EIO, f"sysctl {path}: {exc.strerror}") from None
