# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Names of tables and routing protocols, as iproute2 keeps them in rt_tables and rt_protos (ip-route(8)).

This module is private to the collection.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence

# Later ones win: what comes with iproute2, then what the administrator wrote.
DIRECTORIES = ("/usr/lib/iproute2", "/usr/share/iproute2", "/etc/iproute2")

TABLES = {"default": 253, "main": 254, "local": 255}
PROTOCOLS = {"redirect": 1, "kernel": 2, "boot": 3, "static": 4}


def tables(directories: Sequence[str] = DIRECTORIES) -> dict[str, int]:
    """Return the numbers of tables by name."""
    return {**_read("rt_tables", directories), **TABLES}


def protocols(directories: Sequence[str] = DIRECTORIES) -> dict[str, int]:
    """Return the numbers of routing protocols by name."""
    return {**_read("rt_protos", directories), **PROTOCOLS}


def number(text: str, names: Mapping[str, int] | None = None) -> int:
    """Return the number that a text is, decimal or 0x hexadecimal, or that it is the name of. Raises ValueError."""
    word = text.strip()
    if names is not None and word in names:
        return names[word]
    digits = word[2:] if word[:2] in ("0x", "0X") else word
    # int() would also take underscores, signs and digits of other scripts.
    if not digits.isascii() or not digits.isalnum():
        raise ValueError(text)
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
    except OSError:  # iproute2 need not be installed
        return {}
    for line in lines:
        words = line.partition("#")[0].split()
        if len(words) == 2:
            try:
                found[words[1]] = number(words[0])
            except ValueError:
                continue
    return found
