# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the variables of one host with the right types, and notes every problem.

Values come from YAML, from `-e key=value` (always text) and from templates, so numbers and booleans are also
accepted as text, and a list as one text. This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from ..module_utils._engine.options import name_of
from ._problems import Problem

# The words of Ansible's filter bool. Modules also take y, n, t and f, so tasks of one role would read these differently.
_TRUE = ("yes", "true", "on", "1")
_FALSE = ("no", "false", "off", "0")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")

T = TypeVar("T")


class Reader:
    """The variables of one host. A wrong value is noted in `problems` and replaced by the default."""

    def __init__(self, host: str, prefix: str, values: Mapping[str, object], problems: list[Problem]) -> None:
        self._host = host
        self._prefix = prefix
        self._values = values
        self.problems = problems

    def note(self, name: str, text: str) -> None:
        """Note a problem of a variable."""
        self.problems.append(Problem(self._host, self._prefix + name, text))

    def given(self, name: str) -> Any:
        """Return a value, None if it is not set or empty text."""
        value = self._values.get(name)
        return None if value == "" else value

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Return a whole number within bounds; text may be decimal or `0x` hexadecimal."""
        value = self.given(name)
        if value is None:
            return default
        number = whole_number(value)
        if number is None or not lowest <= number <= highest:
            self.note(name, f"{shown(value)} is not a whole number from {lowest} to {highest}")
            return default
        return number

    def seconds(self, name: str, lowest: int, highest: int) -> None:
        """Check a time in seconds, at least 1, or 0 for none if that is allowed. Only the role's tasks use its value."""
        value = self.given(name)
        if value is None:
            return
        text = str(value).strip() if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
        number = float(text) if _SECONDS.fullmatch(text) else -1.0
        if not (1 <= number <= highest or number == lowest):
            none = "0 for none, or " if lowest == 0 else ""
            self.note(name, f"{shown(value)} is not a time in seconds; write {none}a number from 1 to {highest}")

    def boolean(self, name: str, default: bool) -> bool:
        """Return a boolean; the same words as in Ansible are accepted."""
        value = self.given(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        word = str(value).lower()
        if word not in _TRUE + _FALSE or isinstance(value, (list, dict)):
            self.note(name, f"{shown(value)} is neither true nor false")
            return default
        return word in _TRUE

    def text(self, name: str, default: str = "") -> str:
        """Return a text on one line."""
        value = self.given(name)
        if value is None:
            return default
        if not isinstance(value, str) or not value.isprintable():
            self.note(name, f"{shown(value)} is not a text on one line")
            return default
        return value.strip()

    def choice(self, name: str, default: str, choices: Collection[str]) -> str:
        """Return one of some words."""
        value = self.text(name, default)
        if value not in choices:
            self.note(name, f"{shown(value)} is not one of {', '.join(choices)}")
            return default
        return value

    def entries(self, name: str) -> list[str]:
        """Return a list of texts; one text may hold several, separated by commas or white space."""
        value = self.given(name)
        if value is None:
            return []
        if isinstance(value, str):
            return [entry for entry in re.split(r"[,\s]+", value) if entry]
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            self.note(name, f"{shown(value)} is not a list of texts")
            return []
        return [entry.strip() for entry in value if entry.strip()]

    def parsed(self, name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        """Return the entries of a list, each parsed, once each; `parse` raises ValueError for a wrong one."""
        found: dict[T, None] = {}
        for entry in self.entries(name):
            try:
                found.setdefault(parse(entry))
            except ValueError as error:
                self.note(name, str(error))
        return tuple(found)

    def mappings(self, name: str) -> list[Mapping[str, object]]:
        """Return a list of dictionaries."""
        value = self.given(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            self.note(name, "this is not a list of dictionaries")
            return []
        return value

    def inner(self, name: str, values: Mapping[str, object], known: Collection[str]) -> Reader:
        """Return a reader of a dictionary inside a variable, after noting its unknown keys."""
        unknown = sorted({name_of(key) for key in values if key not in known})
        if unknown:
            self.note(name, f"unknown keys {', '.join(map(repr, unknown))}; known are {', '.join(known)}")
        return Reader(self._host, f"{self._prefix}{name}.", values, self.problems)


def whole_number(value: object) -> int | None:
    """Return the number that a value or its text means, None if it is no number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip().lower()
    if re.fullmatch(r"0|[1-9][0-9]{0,19}", text):  # some programs read a leading zero as octal
        return int(text)
    return int(text, 16) if re.fullmatch(r"0x[0-9a-f]{1,16}", text) else None


def shown(value: object) -> str:
    """Return a value for a message: on one line, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
