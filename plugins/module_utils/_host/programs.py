# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The optional programs that roles have installed on this host, so that they can remove what is no longer wanted.

This module is private to the collection.
"""

from __future__ import annotations

import glob
import json
import os

from . import files
from .files import HEADER

_UNITS = "etc/systemd/system"
_FAILOVER, _DIRECT = "wirewright-overlay-failover", "wirewright-overlay-direct"
_FAILOVER_CONFIGURATION = "etc/wirewright.overlay/failover.json"
_DIRECT_PROGRAM = "usr/local/lib/wirewright.overlay/wirewright-overlay-direct"


def installed(root: str = "/") -> dict[str, list[str]]:
    """Return the interfaces that each installed program works on, by the names failover and direct.

    A program with a unit that is not ours was installed by somebody else, and is left out.
    """
    found = {}
    units = os.path.join(root, _UNITS)
    configuration, unit = os.path.join(root, _FAILOVER_CONFIGURATION), f"{units}/{_FAILOVER}.service"
    # Without systemd the role installs no unit.
    if _is_ours(unit) if os.path.lexists(unit) else os.path.lexists(configuration):
        found["failover"] = _devices(configuration)
    unit = f"{units}/{_DIRECT}@.service"
    if not os.path.lexists(unit) and os.path.lexists(os.path.join(root, _DIRECT_PROGRAM)):
        found["direct"] = []
    elif _is_ours(unit):
        links = glob.glob(f"{glob.escape(units)}/*.wants/{_DIRECT}@*.service")
        found["direct"] = sorted({os.path.basename(path)[len(_DIRECT) + 1 : -len(".service")] for path in links})
    return found


def _is_ours(unit: str) -> bool:
    try:
        descriptor = files.open_file(unit)
    except files.UnsafeFile:  # a link or a pipe, for example
        return False
    if descriptor is None:
        return False
    with open(descriptor, encoding="utf-8", errors="replace") as file:
        return file.readline(len(HEADER) + 1).rstrip("\n") == HEADER


def _devices(path: str) -> list[str]:
    """Return the interfaces in the configuration of the failover program, none where it cannot be read."""
    try:
        return [str(hub["dev"]) for hub in json.loads(files.read_text(path) or "")["hubs"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []
