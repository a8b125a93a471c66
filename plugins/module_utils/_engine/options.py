# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read the options of one object as values. All errors are collected, each with the path of its option.

A converter takes the value of an option, and raises ValueError with the value and a remedy.

This module is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

from .errors import InvalidOptions

T = TypeVar("T")

ALL_BITS = 0xFFFFFFFF
_INTEGER = re.compile(r"-?(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)")  # some programs read a leading zero as octal


class OptionReader:
    """The options of one object, its path, such as `rules[3]`, and the errors of the whole call so far."""

    def __init__(self, options: Mapping[str, Any], path: str = "", errors: list[str] | None = None) -> None:
        self.options, self.path = options, path
        self.errors: list[str] = [] if errors is None else errors

    def get(self, name: str) -> Any:
        """Return the value of an option as given, None where it is not given."""
        return self.options.get(name)

    def path_of(self, name: str) -> str:
        """Return the path of an option; "" names the object itself."""
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def error(self, name: str, text: str) -> None:
        """Add an error of an option that does not quote its value."""
        self.errors.append(f"{self.path_of(name)}: {text}")

    def reject(self, name: str, reason: str) -> None:
        """Add an error of an option that begins with its value."""
        self.error(name, f"{shown(self.options.get(name))} {reason}")

    def raise_errors(self) -> None:
        """Raise InvalidOptions where there are errors."""
        if self.errors:
            raise InvalidOptions(self.errors)

    def convert(self, name: str, convert: Callable[[Any], T], value: Any, default: T) -> T:
        """Return a converted value; add an error to an option and return default where it cannot be converted."""
        try:
            return convert(value)
        except ValueError as exc:
            self.error(name, str(exc))
        except (TypeError, AttributeError):
            self.error(name, f"a value of type {type(value).__name__} does not fit here")
        return default

    def read(self, name: str, convert: Callable[[Any], T], default: T) -> T:
        """Return an option converted; default where it is not given or wrong."""
        value = self.options.get(name)
        return default if value is None else self.convert(name, convert, value, default)

    def required(self, name: str, convert: Callable[[Any], T], default: T) -> T:
        """Return an option converted; add an error where it is not given."""
        if self.options.get(name) is None:
            self.error(name, "is required")
        return self.read(name, convert, default)

    def each(self, name: str, convert: Callable[[Any], T]) -> list[T]:
        """Return the entries of a list converted, without the wrong ones; an empty list where it is not given."""
        found: list[T | None] = [
            self.convert(f"{name}[{position}]", convert, value, None) for position, value in enumerate(self.items(name))
        ]
        return [value for value in found if value is not None]

    def items(self, name: str) -> list[Any]:
        """Return an option that is a list as given; an empty list where it is not given or none."""
        value = self.options.get(name)
        if isinstance(value, (list, tuple)):
            return list(value)
        if value is not None:
            self.error(name, f"expected a list, got a value of type {type(value).__name__}")
        return []

    def number(self, name: str, low: int, high: int, default: int = 0) -> int:
        """Return an option as an integer within bounds; see number()."""
        return self.read(name, within(low, high), default)

    def choice(self, name: str, values: Mapping[str, T], default: str) -> T:
        """Return the value of an option's keyword."""
        return self.read(name, lambda word: values[one_of(word, values)], values[default])

    def flag(self, name: str, default: bool = False) -> bool:
        """Return an option that is true or false."""
        value = self.options.get(name)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.reject(name, "is neither true nor false")
        return default

    def nested(self, name: str, known: Collection[str] = ()) -> OptionReader | None:
        """Return the reader of an option that is a mapping; None where it is not given or none."""
        value = self.options.get(name)
        return None if value is None else self._object(name, value, known)

    def entries(self, name: str, known: Collection[str] = ()) -> Iterator[OptionReader]:
        """Yield a reader for each entry of a list of mappings."""
        for position, value in enumerate(self.items(name)):
            entry = self._object(f"{name}[{position}]", value, known)
            if entry is not None:
                yield entry

    def _object(self, name: str, value: Any, known: Collection[str]) -> OptionReader | None:
        if not isinstance(value, Mapping):
            names = f" with {', '.join(known)}" if known else ""
            self.error(name, f"expected a mapping{names}, got a value of type {type(value).__name__}")
            return None
        inner = OptionReader(value, self.path_of(name), self.errors)
        inner.refuse_unknown(known)
        return inner

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Add an error for options that are not known; without known options, any is."""
        unknown = sorted({name_of(name) for name in self.options if name not in known}) if known else []
        if unknown:
            self.error("", f"unknown {', '.join(unknown)}; known are {', '.join(known)}")


def name_of(key: object) -> str:
    """Return a key of a mapping if it can be the name of an option; anything else may be a secret in a wrong place."""
    return str(key) if len(str(key)) < 40 and str(key).isidentifier() else "(a key that is no name)"


def shown(value: object) -> str:
    """Return a value as it is written in YAML, text in quotes."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def number(value: Any, low: int, high: int) -> int:
    """Return an integer within bounds; text is decimal, or hexadecimal with 0x. Raises ValueError."""
    text = str(value).strip()
    if not _INTEGER.fullmatch(text):
        raise ValueError(
            f"{shown(value)} is not a number from {low} to {high}; write it in decimal, or in hexadecimal with 0x"
        )
    found = int(text, 16 if "x" in text.lower() else 10)
    if not low <= found <= high:
        raise ValueError(f"{shown(value)} is not a number from {low} to {high}")
    return found


def within(low: int, high: int) -> Callable[[Any], int]:
    """Return the converter of an integer within bounds; see number()."""
    return lambda value: number(value, low, high)


def one_of(value: Any, words: Collection[str]) -> str:
    """Return one of some words. Raises ValueError."""
    if value not in words:
        raise ValueError(f"{shown(value)} is none of {', '.join(words)}")
    return str(value)


def mark(value: Any) -> tuple[int, int]:
    """Return the value and the mask of a mark `value` or `value/mask`; without one, all bits. Raises ValueError."""
    text, slash, mask_text = str(value).partition("/")
    try:
        found, mask = number(text, 0, ALL_BITS), number(mask_text, 0, ALL_BITS) if slash else ALL_BITS
    except ValueError:
        raise ValueError(
            f"{shown(value)} is not a mark; write numbers of 32 bits, up to 4294967295, as in 512, 0x200 or 0x200/0xf00"
        ) from None
    if found & ~mask:
        raise ValueError(f"{shown(value)} has bits outside of its mask; write '{found & mask:#x}/{mask:#x}'")
    return found, mask
