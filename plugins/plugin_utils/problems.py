# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a fleet, said so that the person who wrote the inventory can act on it.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

_NAMED_HOSTS = 3


class Problem(NamedTuple):
    """One finding: the host it is about, the variable to look at, and what is wrong and what to do about it."""

    host: str
    variable: str
    text: str


def host_list(names: Iterable[str]) -> str:
    """Return names for a message: sorted, quoted so that no name can break the line, and cut when there are many."""
    ordered = sorted(names)
    shown = ", ".join(repr(name) for name in ordered[:_NAMED_HOSTS])
    hidden = len(ordered) - _NAMED_HOSTS
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def possessive(name: str) -> str:
    """Return "name's" for a message."""
    return f"{name if name.isprintable() else repr(name)}'s"


def one_line_each(problems: Iterable[Problem]) -> list[str]:
    """Return one line for each finding, sorted.

    Hosts with the same finding share a line: a wrong group variable is one mistake, not a thousand.
    """
    hosts: dict[tuple[str, str], set[str]] = {}
    for problem in problems:
        hosts.setdefault((problem.variable, problem.text), set()).add(problem.host)
    lines = []
    for (variable, text), names in hosts.items():
        noun = "host" if len(names) == 1 else "hosts"
        lines.append(f"{noun} {host_list(names)}: {variable}: {text}")
    return sorted(lines)
