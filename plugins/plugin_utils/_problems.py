# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Problems of a fleet, with the host, the variable, and the remedy.

This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

_NAMED_HOSTS = 3
_LINE = re.compile(r"(?<=, line )[0-9]{1,9}")  # of a file


class Problem(NamedTuple):
    """One finding: the host, the variable, and a text with the problem and its remedy."""

    host: str
    variable: str
    text: str


def host_list(names: Iterable[str]) -> str:
    """Return names for a message: sorted, quoted on one line, the first three and the number of the rest."""
    ordered = sorted(names)
    shown = ", ".join(repr(name) for name in ordered[:_NAMED_HOSTS])
    hidden = len(ordered) - _NAMED_HOSTS
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def agree(names: Collection[str], one: str, more: str) -> str:
    """Return the form of a word for the number of the hosts that it is about: "'h1' has", "'h1', 'h2' have"."""
    return one if len(names) == 1 else more


def possessive(name: str) -> str:
    """Return "name's" for a message."""
    return f"{name if name.isprintable() else repr(name)}'s"


def format_problems(problems: Iterable[Problem]) -> list[str]:
    """Return one line for each finding, sorted.

    Hosts with the same finding share a line: a wrong group variable is one problem, not a thousand.
    """
    hosts: dict[tuple[str, str], set[str]] = {}
    for problem in problems:
        hosts.setdefault((problem.variable, problem.text), set()).add(problem.host)
    lines = []
    for (variable, text), names in hosts.items():
        lines.append(f"{agree(names, 'host', 'hosts')} {host_list(names)}: {variable}: {text}")
    return sorted(lines, key=_in_order_of_lines)


def _in_order_of_lines(text: str) -> str:
    return _LINE.sub(lambda found: found[0].zfill(20), text)
