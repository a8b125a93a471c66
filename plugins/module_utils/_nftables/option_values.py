# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Values that options of `nftables` share: names of interfaces, networks, ports, marks.

This module is private to the collection.
"""

from __future__ import annotations

from typing import Any

from .._engine.options import OptionReader, number, shown
from .._engine.options import mark as any_mark
from .._host.links import INTERFACE_NAME
from .._ip.prefix import Prefix, parse_prefix
from . import syntax as words


def interface(name: Any) -> str:
    """Return the name of an interface. Raises ValueError."""
    if not isinstance(name, str) or not INTERFACE_NAME.match(name):
        raise ValueError(f"{shown(name)} is no interface name; write 1 to 15 characters of A-Z a-z 0-9 _ = + . -")
    return name


def interfaces(name: Any) -> str:
    """Return the name of an interface, or a prefix of names with a final asterisk. Raises ValueError."""
    try:
        interface(name[:-1] if str(name).endswith("*") else name)
    except ValueError:
        raise ValueError(
            f"{shown(name)} is no interface name, nor the beginning of one with a final *; write 1 to 15 characters of "
            "A-Z a-z 0-9 _ = + . -"
        ) from None
    return str(name)


def prefix(text: Any) -> Prefix:
    """Return a network that is not every address. Raises ValueError."""
    found = parse_prefix(str(text or ""))
    if not found.length:
        raise ValueError(f"{shown(text)} is every address; write the networks of the overlay")
    return found


def networks(options: OptionReader, name: str) -> dict[str, str]:
    """Return the set of networks of each family that an option lists, by "ip" and "ip6"."""
    return words.networks(str(found) for found in options.each(name, prefix))


def port(value: Any) -> int:
    """Return a port. Raises ValueError."""
    try:
        return number(value, 1, 65535)
    except ValueError:
        raise ValueError(f"{shown(value)} is no port; write a number from 1 to 65535") from None


def mark(value: Any) -> tuple[int, int]:
    """Return the value and the mask of a mark `value` or `value/mask`. Raises ValueError."""
    found, mask = any_mark(value)
    if not mask:
        raise ValueError(f"{shown(value)} has a mask without bits; set bits in it")
    return found, mask
