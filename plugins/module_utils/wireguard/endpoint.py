# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Peer endpoints: `192.0.2.1:51820`, `[2001:db8::1]:51820`, `[fe80::1%eth0]:51820`, `vpn.example.org:51820`.

This module is private to the collection.
"""

from __future__ import annotations

import re
import socket
import threading
from typing import NamedTuple

# RFC 1123 host names; underscores occur in internal zones.
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}\.)*[A-Za-z0-9_-]{0,62}[A-Za-z0-9]?\.?\Z")
_SCOPE = re.compile(r"[^\s/%\]]{1,15}\Z")


class Endpoint(NamedTuple):
    """Where a peer is reached: host (an IP address, with `%scope` for a link-local one, or a name) and UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, so that nothing has to be resolved."""
        return address_family(self.host) is not None


def address_family(host: str) -> int | None:
    """Return AF_INET or AF_INET6 for an IP address (a `%scope` is allowed), None for a name."""
    for family, text in ((socket.AF_INET, host), (socket.AF_INET6, host.partition("%")[0])):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return int(family)
    return None


def canonical_host(host: str) -> str:
    """Return an IP address the way the kernel's tools print it, a name in lower case.

    Raises ValueError where it is neither, or where it is an address nobody can send to.
    """
    try:
        packed = socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        pass
    else:
        if 0 < packed[0] < 224:
            return host
    bare, percent, scope = host.partition("%")
    family = address_family(host)
    if family is None:
        if not _NAME.match(host) or re.match(r"[0-9.]+$", host):
            raise ValueError(f"{host!r} is neither an IP address nor a host name")
        return host.lower()
    packed = socket.inet_pton(family, bare)
    if not any(packed) or (family == socket.AF_INET and packed[0] >= 224) or packed[0] == 255:
        raise ValueError(f"{host!r} cannot be the address of a peer (unspecified, multicast or broadcast)")
    link_local = family == socket.AF_INET6 and packed[0] == 0xFE and packed[1] & 0xC0 == 0x80
    if percent and not (link_local and _SCOPE.match(scope)):
        raise ValueError(f"{host!r}: only a link-local IPv6 address takes a scope, written %interface")
    if link_local and not percent:
        raise ValueError(f"{host!r} is link-local: append the interface it is reached by, as in %eth0")
    return socket.inet_ntop(family, packed) + percent + scope


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint a `host:port` text names. Raises ValueError with what to write instead."""
    if text.startswith("["):
        host, separator, port = text[1:].rpartition("]:")
        if address_family(host) != socket.AF_INET6:
            raise ValueError(f"{text!r}: only an IPv6 address stands in brackets, as in '[2001:db8::1]:51820'")
    else:
        host, separator, port = text.rpartition(":")
        if ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 endpoint with brackets, as in '[2001:db8::1]:51820'")
    if not separator:
        raise ValueError(f"{text!r} has no port: write it as 'host:port'")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r}: the port is a number from 1 to 65535")
    return Endpoint(canonical_host(host), int(port))


def resolve(endpoint: Endpoint, timeout: float = 3.0) -> Endpoint | None:
    """Return the endpoint with an address for its name, or None when the name does not resolve in time (seconds).

    getaddrinfo(3) has no deadline of its own and may block for minutes, so it runs on a thread that is left behind.
    """
    if endpoint.is_address:
        return endpoint
    found: list[str] = []

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):  # the latter for a label that is empty or longer than 63 characters
            return
        found.extend(str(entry[4][0]) for entry in entries)

    worker = threading.Thread(target=look_up, daemon=True)
    worker.start()
    worker.join(timeout)
    # The resolver's order is RFC 6724's choice for this host; it must not flap between runs, and it does not
    # matter if it does: a name is only resolved when the endpoint is set.
    return Endpoint(canonical_host(found[0]), endpoint.port) if found else None
