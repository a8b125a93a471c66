# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Single values of options: the converters that say what is wrong with one, and the list of all that is wrong.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..host.links import INTERFACE_NAME
from ..refusal import InvalidOptions

_RESERVED_NAMES = ("all", "default")
# What a shell, a unit or a file of wg-quick takes for anything else than itself; there # begins a comment.
_UNSAFE_IN_PATH = re.compile(r"[\s%'\"\\$`;&|<>#(){}\[\]*?!]")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")

T = TypeVar("T")


class Errors:
    """Collects what is wrong, and where."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def attempt(self, where: str, convert: Callable[[Any], T], value: Any) -> T | None:
        """Return the converted value; note the reason and return None where it cannot be."""
        try:
            return convert(value)
        except ValueError as exc:
            self.lines.append(f"{where}: {exc}")
        except (TypeError, AttributeError):
            self.lines.append(f"{where}: a value of type {type(value).__name__} does not fit here")
        return None

    def each(self, where: str, convert: Callable[[Any], T], values: Any) -> list[T]:
        """Return the converted values of a list."""
        if not isinstance(values, (list, tuple)):
            self.lines.append(f"{where}: a list is wanted here, not a value of type {type(values).__name__}")
            return []
        converted = (self.attempt(where, convert, value) for value in values)
        return [value for value in converted if value is not None]

    def mapping(self, where: str, value: Any) -> Mapping[str, Any]:
        """Return a mapping, an empty one for none."""
        if value is None or isinstance(value, Mapping):
            return value or {}
        self.lines.append(f"{where}: a mapping is wanted here, not a value of type {type(value).__name__}")
        return {}

    def refuse(self) -> None:
        """Raise InvalidOptions where anything was noted."""
        if self.lines:
            raise InvalidOptions(self.lines)


def interface_name(text: str) -> str:
    """Return a name that an interface can have. Raises ValueError."""
    if not INTERFACE_NAME.match(text) or text in _RESERVED_NAMES:
        raise ValueError(f"{text!r} cannot name an interface: 1 to 15 characters of A-Z a-z 0-9 _ = + . - are allowed")
    return text


def file_name(text: str) -> bool:
    """Return whether a text can name files as an interface does."""
    return bool(INTERFACE_NAME.match(text))


def number(minimum: int, maximum: int) -> Callable[[Any], int]:
    """Return a converter for an integer in a range; a mark may be written in hexadecimal."""

    def convert(value: Any) -> int:
        try:
            parsed = int(value, 0) if isinstance(value, str) else int(value)
        except (ValueError, TypeError, OverflowError):
            parsed = None
        if parsed is None or isinstance(value, (bool, float)) or not minimum <= parsed <= maximum:
            raise ValueError(f"{value!r} is not a number from {minimum} to {maximum}")
        return parsed

    return convert


def plain_name(value: Any) -> str:
    """Return a text that can stand in one line of a file. Raises ValueError."""
    text = str(value)
    if _CONTROL_CHARACTER.search(text):
        raise ValueError(f"{text!r} holds a line break or control character")
    return text


def plain_path(value: Any) -> str:
    """Return an absolute path that no shell and no unit file takes for anything else. Raises ValueError."""
    text = str(value)
    if not text.startswith("/") or _UNSAFE_IN_PATH.search(text) or _CONTROL_CHARACTER.search(text):
        raise ValueError("not a plain absolute path")  # not quoted: it may be the key itself
    return text


def one_of(*choices: str) -> Callable[[Any], str]:
    """Return a converter for one of some words."""

    def convert(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is none of {', '.join(choices)}")
        return str(value)

    return convert
