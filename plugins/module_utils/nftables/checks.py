# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Looks at single values of the option `nftables`, and notes everything that is wrong.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..host.links import INTERFACE_NAME
from ..prefix import Prefix, parse_prefix
from . import words

Options = Mapping[str, Any]


class Checks:
    """The values that options hold, as the types they should have; what is wrong is noted in `errors`."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def wrong(self, option: str, value: object, remedy: str) -> None:
        """Note a value that cannot be, with what to write instead."""
        shown = f"'{value}'" if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value
        self.errors.append(f"{option}: {shown} {remedy}")

    def mapping(self, where: str, raw: object, known: tuple[str, ...]) -> Options | None:
        """Return a mapping with known keys only; None where it is none."""
        if not isinstance(raw, Mapping):
            self.errors.append(f"{where}: a mapping is wanted here, with {', '.join(known)}")
            return None
        for name in raw:
            if name not in known:
                self.wrong(where, str(name), f"is no option; write one of {', '.join(known)}")
        return raw

    def items(self, where: str, raw: object) -> list[Any]:
        """Return a list, empty for none."""
        if raw is None or isinstance(raw, list):
            return raw or []
        self.errors.append(f"{where}: a list is wanted here, not a value of type {type(raw).__name__}")
        return []

    def flag(self, where: str, raw: object) -> bool:
        """Return a boolean."""
        if raw is None or isinstance(raw, bool):
            return bool(raw)
        self.wrong(where, str(raw), "is neither true nor false")
        return False

    def prefix(self, where: str, raw: object) -> Prefix | None:
        """Return a network; None where it is none."""
        try:
            prefix = parse_prefix(str(raw or ""))
        except ValueError as exc:
            self.errors.append(f"{where}: {exc}")
            return None
        if not prefix.length:
            self.wrong(where, str(raw), "is every address; write the networks of the overlay")
            return None
        return prefix

    def optional_interface(self, where: str, entry: Options) -> str | None:
        """Return the name of an interface that may be left out."""
        name = entry.get(where.rpartition(".")[2])
        return None if name is None else self.interface(where, name)

    def interface(self, where: str, name: object) -> str:
        """Return the name of an interface."""
        if not isinstance(name, str) or not INTERFACE_NAME.match(name):
            self.wrong(where, str(name), "names no interface; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -")
        return str(name)

    def names(self, where: str, raw: object) -> list[str]:
        """Return names of interfaces; one that ends with an asterisk is all that begin so."""
        listed = [str(name) for name in self.items(where, raw)]
        for name in listed:
            self.interface(where, name[:-1] if name.endswith("*") else name)
        return listed

    def networks(self, where: str, raw: object) -> dict[str, str]:
        """Return the set of networks of each family, by "ip" and "ip6"."""
        found = [self.prefix(where, text) for text in self.items(where, raw)]
        return words.networks(str(prefix) for prefix in found if prefix)

    def port(self, where: str, raw: object) -> int:
        """Return a port."""
        if not isinstance(raw, int) or isinstance(raw, bool) or not 1 <= raw <= 65535:
            self.wrong(where, str(raw), "is no port; write a number from 1 to 65535")
            return 1
        return raw

    def mark(self, where: str, raw: object) -> tuple[int, int]:
        """Return the value and the mask of a mark written `value` or `value/mask`, in decimal or hexadecimal."""
        value, slash, mask = str(raw).partition("/")
        try:
            found = int(value, 0), int(mask, 0) if slash else words.ALL_BITS
        except ValueError:
            found = -1, 0
        if not (0 <= found[0] <= words.ALL_BITS and 0 < found[1] <= words.ALL_BITS and found[0] & ~found[1] == 0):
            self.wrong(where, str(raw), "is no mark; write one such as 0x100000/0x100000, within its mask")
            return 0, words.ALL_BITS
        return found
