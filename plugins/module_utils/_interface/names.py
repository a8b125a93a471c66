# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Endpoints with a name: which address of the name a peer gets.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from .._ip.answers import choose, family_of, is_own, look_up
from .._ip.longest_match import networks
from .._ip.prefix import Prefix, host_prefix, parse_address
from .._netlink.connection import Connection
from .._netlink.route_lookup import output_interface
from .._netlink.route_obstacle import route_obstacle
from .._wireguard.endpoint import Endpoint
from .._wireguard.keys import encode_key
from .options import WantedInterface, WantedPeer
from .plan import Current

_TIMEOUT = 3.0  # seconds for all names of an interface

Resolved = dict[bytes, "Endpoint | None"]


def resolve(
    fib: Connection, current: Current, wanted: WantedInterface, named: Sequence[WantedPeer]
) -> tuple[Resolved, list[str]]:
    """Return the endpoint of each named peer by public key, None for a name without a usable address, and warnings."""
    answers = look_up([item.endpoint.host for item in named if item.endpoint], _TIMEOUT)
    around = networks(tunnelled(current, wanted))
    mark = wanted.fwmark or (current.device.settings.fwmark if current.device else 0) or 0

    def refusal(address: str) -> str:
        packed = _packed(address)
        # A scope names another link.
        if "%" not in address and around.find(host_prefix(packed)) is not None:
            return "inside the tunnel"
        if is_own(address):
            return "an address of this host"
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        if "%" in address:
            return ""
        routed = output_interface(fib, family, packed, mark) == wanted.name
        return "routed into the tunnel" if routed else route_obstacle(fib, family, packed, mark)

    return decide(current, wanted.name, named, answers, refusal)


def decide(
    current: Current,
    interface: str,
    named: Iterable[WantedPeer],
    answers: Mapping[str, Sequence[str]],
    refusal: Callable[[str], str],
) -> tuple[Resolved, list[str]]:
    """Return what resolve() does, from the addresses of the names. Pure.

    refusal: why this host cannot use an address as an endpoint, "" where it can.
    """
    held = {peer.public_key: peer.endpoint for peer in (current.device.peers if current.device else ())}
    resolved: Resolved = {}
    warnings = []
    for item in named:
        if item.endpoint is None:
            continue
        key, (name, port) = item.peer.public_key, item.endpoint
        now = held.get(key)
        # Another port needs another endpoint, even at the same address.
        present = now.host if now is not None else ""
        choice = choose(answers.get(name, ()), family=item.endpoint_family, current=present, refusal=refusal)
        resolved[key] = Endpoint(choice.address, port) if choice.address else None
        if not choice.address:
            why = f"has no usable address ({'; '.join(choice.refused)})" if choice.refused else "does not resolve"
            then = f"its endpoint stays {now}" if now is not None else "it has no endpoint until a later run"
            remedy = "; set O(endpoint) of this peer to an address that this host reaches" if choice.refused else ""
            warnings.append(f"{interface}: peer {item.name or encode_key(key)}: {name} {why}; {then}{remedy}")
    return resolved, warnings


def tunnelled(current: Current, wanted: WantedInterface) -> list[Prefix]:
    """Return the prefixes that are inside the tunnels of an interface: no endpoint of its peers can be there."""
    own = [entry.address for entry in current.addresses] if wanted.addresses is None else wanted.addresses
    found = [address.network for address in own]
    for item in wanted.peers or ():
        found += [parse_address(text).host for text in item.addresses]
        if wanted.routes and item.routed:
            found += [prefix for prefix in item.peer.allowed_ips or () if prefix.length]
    return found


def _packed(address: str) -> bytes:
    family = socket.AF_INET if family_of(address) == "ipv4" else socket.AF_INET6
    return socket.inet_pton(family, address.partition("%")[0])
