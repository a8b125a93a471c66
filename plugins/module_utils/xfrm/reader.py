# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Options as values, one by one: numbers, marks, addresses, selectors, limits. All that is wrong is collected.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..prefix import parse_prefix
from .values import (
    ALL_BITS,
    NEVER,
    NO_MARK,
    UPPER_PROTOCOLS,
    WITH_PORTS,
    WITH_TYPES,
    Address,
    Limits,
    Mark,
    Port,
    Selector,
    any_prefix,
)

T = TypeVar("T")

_COUNTED = ("byte_soft", "byte_hard", "packet_soft", "packet_hard")
_TIMED = ("time_soft", "time_hard", "time_use_soft", "time_use_hard")
LIMIT_NAMES = _COUNTED + _TIMED


class Reader:
    """Reads the options of one object, and notes what is wrong under the object's place."""

    def __init__(self, options: Mapping[str, Any], place: str, errors: list[str]) -> None:
        self.options, self.place, self.errors = options, place, errors

    def get(self, name: str) -> Any:
        """Return an option's value, None where it is not given."""
        return self.options.get(name)

    def wrong(self, name: str, reason: str) -> None:
        """Note what is wrong with an option."""
        self.errors.append(f"{self.place}.{name}: {reason}" if name else f"{self.place}: {reason}")

    def read(self, name: str, convert: Callable[[Any], T], otherwise: T) -> T:
        """Return the converted value of an option; otherwise where it is not given or wrong."""
        value = self.options.get(name)
        if value is None:
            return otherwise
        try:
            return convert(value)
        except ValueError as exc:
            self.wrong(name, str(exc))
        except (TypeError, AttributeError):
            self.wrong(name, f"a value of type {type(value).__name__} does not fit here")
        return otherwise

    def number(self, name: str, low: int, high: int, otherwise: int = 0) -> int:
        """Return an option as a number, which may be written in hexadecimal."""
        return self.read(name, lambda value: number(value, low, high), otherwise)

    def choice(self, name: str, names: Mapping[str, int], otherwise: str) -> int:
        """Return the number that an option's name stands for."""
        return self.read(name, lambda value: one_of(value, names), names[otherwise])

    def flags(self, name: str, names: Mapping[str, int]) -> int:
        """Return the sum of the flags that an option lists."""
        return self.read(name, lambda values: sum({one_of(value, names) for value in values}), 0)

    def nested(self, name: str) -> Reader | None:
        """Return the reader of an option that is a mapping, None where it is not given."""
        value = self.options.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.wrong(name, f"a mapping is wanted here, not a value of type {type(value).__name__}")
            return None
        return Reader(value, f"{self.place}.{name}", self.errors)

    def limits(self) -> Limits:
        """Return the option `limits`."""
        inner = self.nested("limits")
        if inner is None:
            return Limits()
        found = {name: inner.number(name, 1, NEVER, NEVER) for name in _COUNTED}
        found.update((name, inner.number(name, 1, NEVER, 0)) for name in _TIMED)
        for kind, none in (("byte", NEVER), ("packet", NEVER), ("time", 0), ("time_use", 0)):
            soft, hard = found[f"{kind}_soft"], found[f"{kind}_hard"]
            if soft != none and hard != none and soft > hard:
                inner.wrong(f"{kind}_soft", f"{soft} is past {kind}_hard, {hard}; the soft limit comes first")
        return Limits(**found)

    def selector(self, family: int | None) -> Selector | None:
        """Return the selector among these options; None where it has no family, which is noted."""
        source = self.read("src", parse_prefix, None)
        destination = self.read("dst", parse_prefix, None)
        if source is not None and destination is not None and source.family != destination.family:
            self.wrong("", f"src {source} and dst {destination} are not of one family")
        known = source or destination
        family = known.family if known is not None else family
        if family is None:
            if self.get("src") is None and self.get("dst") is None:
                self.wrong("dst", "neither src nor dst is given; write '0.0.0.0/0' or '::/0' for any")
            return None
        protocol = self.read("proto", upper_protocol, 0)
        return Selector(
            family,
            source or any_prefix(family),
            destination or any_prefix(family),
            protocol,
            self._port("sport", "type", protocol),
            self._port("dport", "code", protocol),
            self.read("dev", interface_index, 0),
        )

    def _port(self, port: str, icmp: str, protocol: int) -> Port:
        if self.get(port) is not None:
            if protocol not in WITH_PORTS:
                self.wrong(port, "only tcp, udp, udplite, dccp and sctp have ports; set proto")
            return Port(self.number(port, 0, 0xFFFF), 0xFFFF)
        if self.get(icmp) is not None:
            if protocol not in WITH_TYPES:
                self.wrong(icmp, "only icmp, ipv6-icmp and mobility headers have types and codes; set proto")
            return Port(self.number(icmp, 0, 0xFF), 0xFFFF)
        return Port()


def number(value: Any, low: int, high: int) -> int:
    """Return a number within bounds. Raises ValueError."""
    try:
        found = int(str(value), 0)
    except ValueError:
        raise ValueError(f"{value!r} is no number; decimal, or hexadecimal with 0x, is wanted") from None
    if not low <= found <= high:
        raise ValueError(f"{value} is not from {low} to {high}")
    return found


def one_of(value: Any, names: Mapping[str, int]) -> int:
    """Return the number of a name. Raises ValueError."""
    if value not in names:
        raise ValueError(f"{value!r} is none of {', '.join(names)}")
    return names[value]


def mark(value: Any) -> Mark:
    """Return the mark that `0x3e00/0xff00` or `0x3e00` names. Raises ValueError."""
    text, slash, mask_text = str(value).partition("/")
    mask = number(mask_text, 0, ALL_BITS) if slash else ALL_BITS
    found = Mark(number(text, 0, ALL_BITS), mask)
    if found.value & ~found.mask:
        raise ValueError(
            f"{value} has bits outside of its mask, which no packet can have; write '{found.value & mask:#x}/{mask:#x}'"
        )
    return NO_MARK if not mask else found


def address(value: Any) -> Address:
    """Return an address. Raises ValueError."""
    found = parse_prefix(value)
    if "/" in value:
        raise ValueError(f"{value!r} is a network; an address without a length is wanted")
    return Address(found.family, found.packed)


def upper_protocol(value: Any) -> int:
    """Return the number of an upper protocol by its name or number. Raises ValueError."""
    if value in UPPER_PROTOCOLS:
        return UPPER_PROTOCOLS[value]
    try:
        return number(value, 0, 255)
    except ValueError:
        names = ", ".join(UPPER_PROTOCOLS)
        raise ValueError(f"{value!r} is no protocol; a number from 0 to 255, or one of {names}") from None


def interface_index(value: Any) -> int:
    """Return the index of an interface. Raises ValueError where there is none of this name."""
    try:
        return socket.if_nametoindex(value)
    except OSError:
        raise ValueError(f"there is no interface {value!r} on this host; make it first") from None
