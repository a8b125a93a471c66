# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tables and routing protocols by number, or by name as in iproute2's rt_tables and rt_protos (ip-route(8)).

This module is private to the collection.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence

# Later ones win: the files of iproute2, then those of the administrator.
DIRECTORIES = ("/usr/lib/iproute2", "/usr/share/iproute2", "/etc/iproute2")

TABLES = {"default": 253, "main": 254, "local": 255}
_U32_MAX = 0xFFFFFFFF
PROTOCOLS = {"redirect": 1, "kernel": 2, "boot": 3, "static": 4}


def tables(directories: Sequence[str] = DIRECTORIES) -> dict[str, int]:
    """Return the numbers of tables by name."""
    return {**_read("rt_tables", directories), **TABLES}


def protocols() -> dict[str, int]:
    """Return the numbers of routing protocols by name."""
    return {**_read("rt_protos", DIRECTORIES), **PROTOCOLS}


def protocol(text: str) -> int:
    """Return the routing protocol of a name or number. Raises ValueError."""
    try:
        found = number(text, protocols())
    except ValueError:
        found = 0
    if not 1 <= found <= 255:
        raise ValueError(f"{text!r} is not a routing protocol; write a number from 1 to 255 or a name of rt_protos")
    return found


def table(text: str, known: Mapping[str, int], *, main: bool = False) -> int:
    """Return the table of a number or of a known name. Raises ValueError for one of the host's, but `main` if allowed."""
    try:
        found = number(text, known)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a table; write a number, or a name that is in rt_tables on this host"
        ) from None
    if found == TABLES["main"] and main and str(text).strip() == "main":
        return found
    if not 0 < found <= _U32_MAX:
        raise ValueError(f"{text!r} is not a table of yours; write 1 to 4294967295 without 253, 254 and 255")
    owner = next((name for name, reserved in TABLES.items() if reserved == found), None)
    if owner is not None:
        remedy = "; for the main table, write main" if main and owner == "main" else ""
        raise ValueError(f"{text!r} is the table {owner} of the host, not one of yours{remedy}")
    return found


def number(text: object, names: Mapping[str, int] | None = None) -> int:
    """Return a number, decimal or 0x hexadecimal, or that of a name. Raises ValueError."""
    word = str(text).strip()
    if names is not None and word in names:
        return names[word]
    digits = word[2:] if word[:2] in ("0x", "0X") else word
    # int() also accepts underscores, signs and digits of other scripts.
    if not digits.isascii() or not digits.isalnum():
        raise ValueError(f"{text!r} is not a number")
    return int(digits, 10 if digits == word else 16)


def _read(name: str, directories: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for directory in directories:
        single = os.path.join(directory, name)
        for path in [single, *sorted(glob.glob(glob.escape(single) + ".d/*.conf"))]:
            found.update(_parse(path))
    return found


def _parse(path: str) -> dict[str, int]:
    found = {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:  # iproute2 is not installed
        return {}
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) == 2:
            try:
                found[words[1]] = number(words[0])
            except ValueError:
                continue
    return found
