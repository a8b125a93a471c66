# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Addresses that can be the endpoint of a peer, and which of a name's addresses becomes it.

Needs nothing but the standard library: roles install this file beside programs that resolve names between runs.

This module is private to the collection.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, NamedTuple

_IPV4_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291
_DISCARD = 9  # RFC 863; no packet is sent


class Choice(NamedTuple):
    """The address chosen for a name, "" for none, and why others of its addresses are not usable."""

    address: str
    refused: tuple[str, ...] = ()


def family_of(address: str) -> str:
    """Return "ipv4" or "ipv6" for an address (a `%scope` is allowed), "" for other text."""
    for name, family, text in (
        ("ipv4", socket.AF_INET, address),
        ("ipv6", socket.AF_INET6, address.partition("%")[0]),
    ):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return name
    return ""


def obstacle(address: str) -> str:
    """Return why no packet to an address reaches a peer, "" where one can. The loopback counts as usable."""
    bare, _percent, scope = address.partition("%")
    if not family_of(address):
        return "no IP address"
    packed = socket.inet_pton(socket.AF_INET6 if ":" in bare else socket.AF_INET, bare)
    if len(packed) == 4:
        if not packed[0]:
            return "unspecified"
        if packed == b"\xff" * 4:
            return "broadcast"
        return "" if packed[0] < 224 else "multicast" if packed[0] < 240 else "reserved"
    if not any(packed):
        return "unspecified"
    if packed[0] == 0xFF:
        return "multicast"
    if packed.startswith(_IPV4_MAPPED):
        return "IPv4-mapped"
    return "link-local without an interface" if is_link_local(packed) and not scope else ""


def is_link_local(packed: bytes) -> bool:
    """Return whether a packed address is a link-local one of IPv6."""
    return len(packed) == 16 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80


def is_loopback(address: str) -> bool:
    """Return whether an IP address is the loopback."""
    bare = address.partition("%")[0]
    packed = socket.inet_pton(socket.AF_INET6 if ":" in bare else socket.AF_INET, bare)
    return packed[0] == 127 if len(packed) == 4 else packed == bytes(15) + b"\1"


def is_own(address: str) -> bool:
    """Return whether an IP address is one of this host: the kernel then sends from it. No packet is sent."""
    bare, _percent, scope = address.partition("%")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        number = socket.if_nametoindex(scope) if scope and not scope.isdigit() else int(scope or 0)
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.connect((bare, _DISCARD, 0, number) if family == socket.AF_INET6 else (bare, _DISCARD))
            source = str(asking.getsockname()[0]).partition("%")[0]
        return socket.inet_pton(family, source) == socket.inet_pton(family, bare)
    except OSError:  # no route, or no such interface
        return False


def choose(
    addresses: Iterable[str], *, family: str = "", current: str = "", refusal: Callable[[str], str] = lambda _: ""
) -> Choice:
    """Return the address of a name that becomes the endpoint of a peer.

    addresses: all of the name, the resolver's favourite first. family: "ipv4" or "ipv6", "" for both. current: the address
    of the present endpoint, which stays if the name still has it, so that nothing changes where the order does; else its
    family is preferred. refusal: why this host cannot use an address, "" where it can.
    """
    usable, refused = [], []
    for address in dict.fromkeys(addresses):
        why = obstacle(address) or ("the loopback" if is_loopback(address) else "")
        if not why and family and family_of(address) != family:
            why = f"not {'IPv4' if family == 'ipv4' else 'IPv6'}"
        why = why or refusal(address)
        if why:
            refused.append(f"{address}: {why}")
        else:
            usable.append(address)
    alike = [address for address in usable if current and family_of(address) == family_of(current)]
    chosen = current if current in usable else next(iter(alike + usable), "")
    return Choice(chosen, tuple(refused))


def look_up(names: Collection[str], timeout: float) -> dict[str, list[str]]:
    """Return all addresses of names, the resolver's favourite first (RFC 6724); none for one that takes too long.

    All are resolved at the same time, within a time in seconds: getaddrinfo(3) has no deadline and may block for minutes,
    so each name has a thread, which is left behind.
    """
    found: dict[str, list[str]] = {}

    def work(name: str) -> None:
        try:
            entries = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):  # the latter for a label that is empty or longer than 63 characters
            return
        found[name] = list(dict.fromkeys(_text(entry[4]) for entry in entries))

    workers = [threading.Thread(target=work, args=(name,), daemon=True) for name in dict.fromkeys(names)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + timeout
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    known = dict(found)  # a late thread may still write
    return {name: known.get(name, []) for name in names}


def _text(address: tuple[Any, ...]) -> str:
    """Return an address of a resolver with its interface, which only a link-local one has."""
    bare = str(address[0]).partition("%")[0]
    try:
        return f"{bare}%{socket.if_indextoname(address[3])}" if len(address) > 3 and address[3] else bare
    except OSError:  # no such interface
        return bare
