# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The spelling of sets and marks in our rules, in which wanted and listed rules are compared. Pure.

nft joins neighbouring networks of an anonymous set and lists them as ranges, so a set is written as the fewest networks
that hold the same addresses.

This module is private to the collection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

ALL_BITS = 0xFFFFFFFF
_VERSIONS = {4: "ip", 6: "ip6"}


def networks(texts: Iterable[str]) -> dict[str, str]:
    """Return, by "ip" and "ip6", the set of some addresses and networks. Raises ValueError."""
    found: dict[str, list[Any]] = {}
    for network in (ipaddress.ip_network(text) for text in texts):
        found.setdefault(_VERSIONS[network.version], []).append(network)
    return {version: of_networks(found[version]) for version in sorted(found)}


def of_networks(members: Iterable[Any]) -> str:
    """Return the set of networks of one family; a single address or network is written without braces."""
    return _braced(_bare(network) for network in ipaddress.collapse_addresses(members))


def of_numbers(numbers: Iterable[int]) -> str:
    """Return a set of numbers, such as ports."""
    return _braced(str(number) for number in sorted(set(numbers)))


def listed_networks(right: object) -> str:
    """Return the set of networks that nft lists (libnftables-json(5)), "" for another expression."""
    members = right["set"] if isinstance(right, Mapping) and list(right) == ["set"] else [right]
    try:
        return of_networks(network for member in members for network in _networks(member))
    except (ValueError, TypeError, KeyError):
        return ""


def listed_numbers(right: object) -> str:
    """Return the set of numbers that nft lists, "" for another expression."""
    members: list[Any] = right["set"] if isinstance(right, Mapping) and list(right) == ["set"] else [right]
    if not all(isinstance(member, int) and not isinstance(member, bool) for member in members):
        return ""
    return of_numbers(members)


def of_names(names: Iterable[str]) -> str:
    """Return a set of symbolic names of nft."""
    return _braced(sorted(names))


def listed_names(right: object) -> str:
    """Return the set of names that nft lists, "" for another expression."""
    members: list[Any] = right["set"] if isinstance(right, Mapping) and list(right) == ["set"] else [right]
    return of_names(members) if all(isinstance(member, str) for member in members) else ""


def mark(value: int, mask: int = ALL_BITS) -> str:
    """Return the statement that sets the bits of a mask in a packet's mark to those of a value and keeps the others."""
    if mask == ALL_BITS:
        return f"meta mark set {value:#x}"
    if mask == value:
        return f"meta mark set meta mark | {value:#x}"
    if not value:
        return f"meta mark set meta mark & {ALL_BITS & ~mask:#x}"
    # Bits of the value are kept in the first step, too: that is how nft lists what the kernel makes of both steps.
    return f"meta mark set meta mark & {ALL_BITS & ~mask | value:#x} | {value:#x}"


def mark_is(value: int, mask: int = ALL_BITS) -> str:
    """Return the expression that matches packets whose mark has a value in the bits of a mask. nft lists none for all bits."""
    return f"meta mark & {mask:#x} == {value:#x}"


def connection_mark(value: int) -> str:
    """Return the statement that sets the mark of a packet's connection."""
    return f"ct mark set {value:#x}"


def connection_mark_is(value: int) -> str:
    """Return the expression that matches packets of connections with a mark."""
    return f"ct mark {value:#x}"


def listed_mark(value: object) -> str:
    """Return the statement of mark() for the value that nft lists, "" for another expression."""
    if isinstance(value, int):
        return mark(value)
    if isinstance(value, Mapping) and list(value) == ["&"] and value["&"][0] == _MARK:
        keep = value["&"][1]
        return mark(0, ALL_BITS & ~keep) if isinstance(keep, int) else ""
    if not isinstance(value, Mapping) or list(value) != ["|"] or len(value["|"]) != 2:
        return ""
    kept, bits = value["|"]
    if kept == _MARK and isinstance(bits, int):
        return mark(bits, bits)
    if isinstance(kept, Mapping) and list(kept) == ["&"] and isinstance(bits, int):
        field, keep = kept["&"]
        if field == _MARK and isinstance(keep, int):
            return mark(bits, ALL_BITS & ~keep | bits)
    return ""


_MARK = {"meta": {"key": "mark"}}


def _networks(member: object) -> Iterable[Network]:
    if isinstance(member, Mapping):
        ((kind, value),) = member.items()
        if kind == "prefix":
            return [ipaddress.ip_network(f"{value['addr']}/{value['len']}")]
        if kind == "range":
            first, last = map(ipaddress.ip_address, value)
            return ipaddress.summarize_address_range(first, last)  # type: ignore[type-var]
    return [ipaddress.ip_network(member)]  # type: ignore[arg-type]


def _bare(network: Network) -> str:
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _braced(members: Iterable[str]) -> str:
    listed = list(members)
    if not listed:
        raise ValueError("a set without members")
    return listed[0] if len(listed) == 1 else "{ " + ", ".join(listed) + " }"
