# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The process that has a UDP port (proc(5)). Sockets of the kernel belong to none.

This module is private to the collection.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import suppress


def owner(port: int) -> str:
    """Return the process that has bound a UDP port, such as `dnsmasq (process 812)`; "" if none does, or without rights."""
    wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
    for path in glob.iglob("/proc/[0-9]*/fd/*") if wanted else ():
        with suppress(OSError):
            if os.readlink(path) in wanted:
                number = path.split("/")[2]
                with open(f"/proc/{number}/comm") as file:
                    return f"{file.read().strip()} (process {number})"
    return ""


def _inodes(port: int) -> Iterator[str]:
    for name in ("udp", "udp6"):
        with suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as file:
            yield from inodes(file.read(), port)


def inodes(table: str, port: int) -> list[str]:
    """Return the inodes of the sockets of a port in a table of /proc/net; those of the kernel have none."""
    lines = (line.split() for line in table.splitlines()[1:])
    return [fields[9] for fields in lines if int(fields[1].rpartition(":")[2], 16) == port and fields[9] != "0"]
