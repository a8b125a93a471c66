# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What stun_info is asked for, and the addresses of the servers it names.

This module is private to the collection.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..refusal import InvalidOptions
from ..wireguard.endpoint import Endpoint, address_family, canonical_host, parse_endpoint

DEFAULT_PORT = 3478  # RFC 8489 section 8.1
FAMILIES: dict[str, int] = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

_RESOLVE_SECONDS = 5.0
_TIMEOUTS = (1, 60)
_INTERFACE = re.compile(r"[^\s/:\0]{1,15}\Z")


class Options(NamedTuple):
    """What a call asks for; an interface and a port are never both given, and port 0 stands for any."""

    interface: str
    port: int
    servers: tuple[Endpoint, ...]
    families: tuple[str, ...]
    timeout: float  # seconds for each request


class Target(NamedTuple):
    """An address of a server: index of the server in the options, address and port, index of a link-local scope."""

    server: int
    family: int
    endpoint: Endpoint
    scope: int = 0


def parse(params: Mapping[str, Any]) -> Options:
    """Return what the options of the module ask for. Raises InvalidOptions with all that is wrong."""
    errors: list[str] = []
    interface, port, timeout = params.get("interface"), params.get("port"), params["timeout"]
    if interface is not None and (not _INTERFACE.match(interface) or interface in (".", "..")):
        errors.append(f"interface: {interface!r} is no name of an interface; write one such as wg0")
    if port is not None and not 1 <= port <= 65535:
        errors.append(f"port: {port} is no UDP port; write a number from 1 to 65535, or leave it out for any")
    if not _TIMEOUTS[0] <= timeout <= _TIMEOUTS[1]:
        errors.append(f"timeout: {timeout} is out of range; write seconds from {_TIMEOUTS[0]} to {_TIMEOUTS[1]}")
    servers: list[Endpoint] = []
    for position, text in enumerate(params["servers"]):
        try:
            server = parse_server(text)
        except ValueError as exc:
            errors.append(f"servers[{position}]: {exc}")
            continue
        if server in servers:
            errors.append(f"servers[{position}]: {text!r} stands in the list twice; name another server")
        servers.append(server)
    if not params["servers"]:
        errors.append("servers: the list is empty; name one server, or better two")
    if errors:
        raise InvalidOptions(errors)
    families = tuple(FAMILIES) if params["family"] == "both" else (params["family"],)
    return Options(interface or "", port or 0, tuple(servers), families, float(timeout))


def parse_server(text: str) -> Endpoint:
    """Return the server that `host`, `host:port`, an IPv6 address, or `[IPv6 address]:port` names.

    Raises ValueError with what to write instead.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if address_family(bare) == socket.AF_INET6:
        return Endpoint(canonical_host(bare), DEFAULT_PORT)
    if ":" not in text:
        return Endpoint(canonical_host(text), DEFAULT_PORT)
    return parse_endpoint(text)


def resolve(servers: Sequence[Endpoint], families: Sequence[str], timeout: float = _RESOLVE_SECONDS) -> list[Target]:
    """Return the first address of each server in each family, in the order of the servers, within seconds.

    A server without any is left out. getaddrinfo(3) has no deadline of its own and may block for minutes, so each
    server has a thread that is left behind.
    """
    found: dict[int, list[Target]] = {}
    wanted = [FAMILIES[name] for name in families]

    def look_up(position: int, server: Endpoint) -> None:
        try:
            entries = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):  # the latter for a label that is empty or longer than 63 characters
            return
        targets = [_target(position, entry[0], entry[4]) for entry in entries]
        firsts = [next((one for one in targets if one.family == family), None) for family in wanted]
        found[position] = [target for target in firsts if target is not None]

    threads = [threading.Thread(target=look_up, args=pair, daemon=True) for pair in enumerate(servers)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    known = dict(found)  # a thread that comes late may still write
    return [target for position in range(len(servers)) for target in known.get(position, ())]


def _target(position: int, family: int, address: Any) -> Target:
    host = str(address[0]).partition("%")[0]
    return Target(position, family, Endpoint(host, address[1]), address[3] if family == socket.AF_INET6 else 0)
