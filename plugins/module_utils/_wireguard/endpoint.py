# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Peer endpoints: `192.0.2.1:51820`, `[2001:db8::1]:51820`, `[fe80::1%eth0]:51820`, `vpn.example.org:51820`.

This module is private to the collection.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

# RFC 1123 host names; underscores occur in internal zones.
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){_LABEL}(\.{_LABEL})*\.?\Z")
_SCOPE = re.compile(r"[A-Za-z0-9_=+.-]{1,15}\Z")
# What a resolver takes for an IPv4 address in another notation, such as 0x7f000001 (inet_aton(3)).
_NUMBER = re.compile(r"(^|\.)(0[xX][0-9a-fA-F]*|[0-9]+)\.?\Z")


class Endpoint(NamedTuple):
    """The endpoint of a peer: host (an IP address, with `%scope` for a link-local one, or a name) and UDP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, not a name."""
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
    """Return an IP address as wg(8) prints it, or a name in lower case.

    Raises ValueError if it is neither, or an address that cannot be a destination.
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
        if "/" in host:
            raise ValueError(f"{host!r} has a slash; write the address or name alone: {host.partition('/')[0]!r}")
        if not _NAME.match(host) or _NUMBER.search(host):
            raise ValueError(f"{host!r} is neither an IP address nor a host name")
        return host.lower()
    from .._ip.answers import is_link_local, obstacle

    packed = socket.inet_pton(family, bare)
    if percent and not (is_link_local(packed) and _SCOPE.match(scope)):
        raise ValueError(f"{host!r}: only a link-local IPv6 address takes a scope, written %interface")
    why = obstacle(host)
    if is_link_local(packed) and why:
        raise ValueError(f"{host!r} is link-local: append the interface, as in %eth0")
    if why == "IPv4-mapped":
        raise ValueError(f"{host!r} is an IPv4-mapped address; write the IPv4 address")
    if why:
        raise ValueError(f"{host!r} cannot be the address of a peer: it is {why}")
    return socket.inet_ntop(family, packed) + percent + scope


def refuse_several(text: str) -> None:
    """Raise ValueError where a text lists several endpoints, as some programs accept."""
    if "," in text:
        raise ValueError(f"{text!r} lists several endpoints; write one only, or a name with several addresses")


def parse_endpoint(text: str) -> Endpoint:
    """Return the endpoint of `host:port`. Raises ValueError with a remedy."""
    refuse_several(text)
    if "://" in text:
        shown = re.split(r"[/?#]", text.partition("://")[2])[0].rpartition("@")[2] or "vpn.example.org"
        shown += "" if re.search(r":[0-9]+$", shown) else ":51820"
        raise ValueError(f"{text!r} is a URL; write host or host:port without the scheme, as in {shown}")
    if text.startswith("["):
        host, separator, port = text[1:].rpartition("]:")
        if address_family(host) != socket.AF_INET6:
            raise ValueError(f"{text!r}: only an IPv6 address has brackets, as in '[2001:db8::1]:51820'")
    else:
        host, separator, port = text.rpartition(":")
        if ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 endpoint with brackets, as in '[2001:db8::1]:51820'")
    if not separator:
        raise ValueError(f"{text!r} has no port: write it as 'host:port'")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text!r}: the port is a number from 1 to 65535")
    return Endpoint(canonical_host(host), int(port))
