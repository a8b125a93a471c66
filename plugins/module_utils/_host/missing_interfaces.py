# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Interfaces that do not exist yet, because an earlier task in check mode has only predicted them.

This module is private to the collection.
"""

from __future__ import annotations

import socket


class MissingInterfaces:
    """Indexes of interfaces by name, and names by index. A missing one has a negative index, which no kernel uses."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def index_of(self, name: str) -> int:
        """Return an interface's index."""
        try:
            return socket.if_nametoindex(name)
        except OSError:
            if name not in self._names:
                self._names.append(name)
            return -1 - self._names.index(name)

    def name_of(self, index: int) -> str:
        """Return the name of a missing interface, "" for the index of another one."""
        return self._names[-1 - index] if index < 0 else ""

    def warnings(self) -> list[str]:
        """Return a warning for each missing interface that was asked for."""
        return [missing(name) for name in self._names]


def missing(name: str) -> str:
    """Return the warning about an interface that does not exist yet."""
    return f"there is no interface {name} yet: without check mode this fails unless an earlier task creates it"
