# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Options of stun_info, and the addresses of its servers.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .._engine.options import OptionReader
from .._ip.answers import choose, family_of, look_up
from .._netlink.link import link_name
from .._wireguard.endpoint import Endpoint, address_family, canonical_host, parse_endpoint

DEFAULT_PORT = 3478  # RFC 8489 section 8.1
FAMILIES: dict[str, int] = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

_RESOLVE_SECONDS = 5.0
_TIMEOUTS = (1, 60)


class Options(NamedTuple):
    """Options of a call. Interface and port exclude each other; port 0 stands for any."""

    interface: str
    port: int
    servers: tuple[Endpoint, ...]
    families: tuple[str, ...]
    timeout: float  # seconds for each request


class Target(NamedTuple):
    """An address of a server: index of the server in the options, address and port, scope of a link-local address."""

    server: int
    family: int
    endpoint: Endpoint
    scope: int = 0


def parse(params: Mapping[str, Any]) -> Options:
    """Return the options of the module. Raises InvalidOptions with all errors."""
    call = OptionReader(params)
    interface = call.read("interface", link_name, "")
    port = call.read("port", _port, 0)
    timeout = call.number("timeout", *_TIMEOUTS, _TIMEOUTS[0])
    servers: list[Endpoint] = []
    for position, text in enumerate(params["servers"]):
        server = call.convert(f"servers[{position}]", parse_server, text, None)
        if server is not None and server in servers:
            call.error(f"servers[{position}]", f"{text!r} is in the list twice; name another server")
        elif server is not None:
            servers.append(server)
    if not params["servers"]:
        call.error("servers", "the list is empty; name one server, or better two")
    call.raise_errors()
    families = tuple(FAMILIES) if params["family"] == "both" else (params["family"],)
    return Options(interface, port, tuple(servers), families, float(timeout))


def _port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise ValueError(f"{value} is not a UDP port; write a number from 1 to 65535, or leave it out for any")
    return value


def parse_server(text: str) -> Endpoint:
    """Return the server named by `host`, `host:port`, an IPv6 address, or `[IPv6 address]:port`.

    Raises ValueError with the remedy.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if address_family(bare) == socket.AF_INET6:
        return Endpoint(canonical_host(bare), DEFAULT_PORT)
    if ":" not in text:
        return Endpoint(canonical_host(text), DEFAULT_PORT)
    return parse_endpoint(text)


def resolve(servers: Sequence[Endpoint], families: Sequence[str], timeout: float = _RESOLVE_SECONDS) -> list[Target]:
    """Return the first usable address of each server in each family, in the order of the servers, within a time in seconds.

    Servers without such an address are left out.
    """
    answers = look_up([server.host for server in servers if not server.is_address], timeout)
    found = []
    for position, server in enumerate(servers):
        for family in families:
            host = choose(answers.get(server.host, ()), family=family).address
            if server.is_address:
                host = server.host if family_of(server.host) == family else ""
            if host:
                bare, _percent, scope = host.partition("%")
                index = socket.if_nametoindex(scope) if scope else 0
                found.append(Target(position, FAMILIES[family], Endpoint(bare, server.port), index))
    return found
