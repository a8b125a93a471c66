# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Options that states and policies share, as values: marks, addresses, selectors, limits.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from .._engine.options import OptionReader, number, one_of
from .._engine.options import mark as options_mark
from .._ip.prefix import parse_prefix
from .model import (
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

_COUNTED = ("byte_soft", "byte_hard", "packet_soft", "packet_hard")
_TIMED = ("time_soft", "time_hard", "time_use_soft", "time_use_hard")
LIMIT_NAMES = _COUNTED + _TIMED

K = TypeVar("K")


def keyed_entries(
    call: OptionReader,
    name: str,
    read_key: Callable[[OptionReader], K | None],
    label: Callable[[K], str],
    rule: str,
) -> Iterator[tuple[OptionReader, K]]:
    """Yield the entries of a list with their keys; a repeated key is an error, which quotes ``rule``."""
    places: dict[K, str] = {}
    for entry in call.entries(name):
        before = len(call.errors)
        key = read_key(entry)
        if key is None:
            continue
        # A wrong key is no duplicate.
        if len(call.errors) == before and places.setdefault(key, entry.path) != entry.path:
            entry.error("", f"{label(key)} is already {places[key]}; {rule}")
        yield entry, key


def flags(options: OptionReader, name: str, names: Mapping[str, int]) -> int:
    """Return the sum of the flags that an option lists."""
    return sum({names[word] for word in options.each(name, lambda word: one_of(word, names))})


def limits(options: OptionReader) -> Limits:
    """Return the option `limits`."""
    inner = options.nested("limits")
    if inner is None:
        return Limits()
    found = {name: inner.number(name, 1, NEVER, NEVER) for name in _COUNTED}
    found.update((name, inner.number(name, 1, NEVER, 0)) for name in _TIMED)
    for kind, none in (("byte", NEVER), ("packet", NEVER), ("time", 0), ("time_use", 0)):
        soft, hard = found[f"{kind}_soft"], found[f"{kind}_hard"]
        if soft != none and hard != none and soft > hard:
            inner.error(f"{kind}_soft", f"{soft} is past {kind}_hard, {hard}; the soft limit comes first")
    return Limits(**found)


def selector(options: OptionReader, family: int | None) -> Selector | None:
    """Return the selector among these options; None where it has no family, which is an error."""
    source = options.read("src", parse_prefix, None)
    destination = options.read("dst", parse_prefix, None)
    if source is not None and destination is not None and source.family != destination.family:
        options.error("", f"src {source} and dst {destination} are not of one family")
    known = source or destination
    family = known.family if known is not None else family
    if family is None:
        if options.get("src") is None and options.get("dst") is None:
            options.error("dst", "neither src nor dst is given; write '0.0.0.0/0' or '::/0' for any")
        return None
    protocol = options.read("proto", upper_protocol, 0)
    return Selector(
        family,
        source or any_prefix(family),
        destination or any_prefix(family),
        protocol,
        _port(options, "sport", "type", protocol),
        _port(options, "dport", "code", protocol),
        options.read("dev", interface_index, 0),
    )


def _port(options: OptionReader, port: str, icmp: str, protocol: int) -> Port:
    if options.get(port) is not None:
        if protocol not in WITH_PORTS:
            options.error(port, "only tcp, udp, udplite, dccp and sctp have ports; set proto")
        return Port(options.number(port, 0, 0xFFFF), 0xFFFF)
    if options.get(icmp) is not None:
        if protocol not in WITH_TYPES:
            options.error(icmp, "only icmp, ipv6-icmp and mobility headers have types and codes; set proto")
        return Port(options.number(icmp, 0, 0xFF), 0xFFFF)
    return Port()


def mark(value: Any) -> Mark:
    """Return the mark that `0x3e00/0xff00` or `0x3e00` names; NO_MARK for one without bits. Raises ValueError."""
    found = Mark(*options_mark(value))
    return found if found.mask else NO_MARK


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
