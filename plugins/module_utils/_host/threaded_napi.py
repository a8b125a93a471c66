# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Threaded NAPI: whether the kernel polls an interface's packets in threads.

Linux, Documentation/ABI/testing/sysfs-class-net: `threaded`, since 5.12. A WireGuard device polls once for each peer, so
the kernel refuses to set it where there is no peer; those that come later go by the device.

This module is private to the collection.
"""

from __future__ import annotations

import errno

from .links import WIREGUARD, Link

_DIRECTORY = "/sys/class/net/"


def path_of(name: str) -> str:
    """Return the sysfs file of an interface."""
    return f"{_DIRECTORY}{name}/threaded"


def read(name: str, index: int) -> bool | None:
    """Return whether it is on; None if the kernel has no such file, or /sys is of another network namespace."""
    try:
        with open(f"{_DIRECTORY}{name}/ifindex") as file:
            is_here = int(file.read()) == index
        with open(path_of(name)) as file:
            # Values other than 0 and 1 are other modes of threads, such as busy polling.
            return file.read().strip() != "0" if is_here else None
    except (OSError, ValueError):
        return None


def obstacle(link: Link, *, has_peers: bool) -> str:
    """Return the reason why it cannot be set on an interface, "" if it can."""
    if link.kind != WIREGUARD:
        return "wireguard-go does not use NAPI, only the kernel's WireGuard does"
    if link.threaded_napi is None:
        return "this host does not say whether it is; it needs Linux 5.12, and /sys of the network namespace"
    return "" if has_peers else "the kernel sets it only where there is a peer; run again then"


def write(name: str, wanted: bool) -> None:
    """Set it. Raises OSError, which names the file."""
    try:
        with open(path_of(name), "w") as file:
            file.write(f"{int(wanted)}\n")
    except OSError as exc:
        code = exc.errno or errno.EIO
        raise OSError(code, f"{path_of(name)}: {exc.strerror}") from None
