# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Why the running kernel has no WireGuard: modules, modprobe.d(5), Secure Boot, containers. Read only.

This module is private to the collection.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping

from .._wireguard import kernel_module
from .host_state import KernelState

_MODPROBE = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
# A blacklisted module is not loaded by the name of its generic netlink family; `install` replaces the loading by a command.
_FORBIDDEN = re.compile(r"^\s*(?:blacklist\s+wireguard\b|install\s+wireguard\s+\S*/(?:false|true)\b)", re.MULTILINE)
# UEFI specification: four bytes of attributes, then one that is 1 while Secure Boot is on.
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_CONTAINER_MARKS = ("/run/.containerenv", "/.dockerenv", "/run/systemd/container")


def read_kernel(environment: Mapping[str, str]) -> KernelState:
    """Return whether the kernel has WireGuard, and where it has not, what is known of the reason.

    environment: of this process; container managers set `container`. The kernel loads the module if it can.
    """
    release = os.uname().release
    if kernel_module.available():
        return KernelState(True, release)
    directory = f"/lib/modules/{release}"
    return KernelState(
        False,
        release,
        has_modules=os.path.isdir(directory),
        module=module_of(_text(f"{directory}/modules.dep"), directory),
        blocked_by=next(filter(_forbids, _configurations()), ""),
        secure_boot=_bytes(_SECURE_BOOT)[4:] == b"\x01",
        container=bool(environment.get("container")) or any(map(os.path.exists, _CONTAINER_MARKS)),
    )


def module_of(dependencies: str, directory: str) -> str:
    """Return the file of the module in the text of modules.dep(5), "" without one."""
    found = re.search(r"^(\S*/wireguard\.ko\S*):", dependencies, re.MULTILINE)
    return os.path.join(directory, found[1]) if found else ""


def _configurations() -> list[str]:
    return [path for directory in _MODPROBE for path in sorted(glob.glob(directory + "/*.conf"))]


def _forbids(path: str) -> bool:
    return bool(_FORBIDDEN.search(_text(path)))


def _text(path: str) -> str:
    return _bytes(path).decode(errors="replace")


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
