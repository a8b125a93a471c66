# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Endpoints that only the host can tell to be wrong: its own, those inside the tunnel, and those of a missing interface.

Only endpoints that a run sets are checked. What a name resolves to is chosen by the same criteria, in names.py.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from .._engine.errors import Refused
from .._ip.answers import is_loopback
from .._ip.prefix import Prefix, host_prefix
from .._netlink import link as codec
from .._netlink.connection import Connection
from .._netlink.longer_route import has_longer_route
from .._wireguard.endpoint import Endpoint
from .._wireguard.keys import encode_key
from .._wireguard.model import Peer
from .options import WantedInterface
from .plan import Current, Plan

# By packed address, the indexes of the interfaces that have it.
OwnAddresses = Mapping[bytes, Collection[int]]


class _Planned(NamedTuple):
    """An interface with its current state and its plan."""

    wanted: WantedInterface
    current: Current
    plan: Plan


def check_endpoints(
    fib: Connection, interfaces: Iterable[tuple[WantedInterface, Current, Plan]]
) -> dict[str, list[str]]:
    """Return warnings by interface. Raises Refused with all endpoints that cannot be those of another host.

    interfaces: those of one call, each with its current state and its plan.
    """
    planned = [_Planned(*one) for one in interfaces]
    found = [
        (one, operation.after, operation.after.endpoint)
        for one in planned
        for operation in one.plan.peers
        if operation.after is not None and operation.after.endpoint is not None
        if operation.before is None or operation.before.endpoint != operation.after.endpoint
    ]
    if not found:
        return {}
    own = _own_addresses(fib)
    made = {one.wanted.name for one in planned if one.wanted.present}
    refused: list[str] = []
    said: dict[str, list[str]] = {}
    for one, peer, endpoint in found:
        label = f"{one.wanted.name}: {endpoint}, the endpoint of {_name(one, peer)}, "
        refused += [label + text for text in _obstacles(fib, one, endpoint, own, made)]
        if not refused and _is_own(one, endpoint, own) and not is_loopback(endpoint.host):
            text = "has an address of this host; that is right only if another program on this host has the port"
            said.setdefault(one.wanted.name, []).append(label + text)
    if refused:
        raise Refused(f"{'; '.join(refused)}: correct O(endpoint) of the peer")
    return said


def _own_addresses(connection: Connection) -> OwnAddresses:
    """Return all addresses of this host, each with the indexes of the interfaces that have it."""
    found: dict[bytes, set[int]] = {}
    for payload in connection.dump(codec.RTM_GETADDR, codec.encode_dump_addresses(0)):
        message = codec.decode_address(payload)
        if message is not None:
            found.setdefault(message.address.packed, set()).add(message.interface_index)
    return found


def _obstacles(
    fib: Connection, one: _Planned, endpoint: Endpoint, own: OwnAddresses, made: Collection[str]
) -> Iterator[str]:
    """Yield why an endpoint cannot be that of another host. made: the interfaces that exist after the run."""
    scope = endpoint.host.partition("%")[2]
    if scope and scope == one.wanted.name:
        yield "is reached through the tunnel itself"
    elif scope and scope not in made and _index(scope) == 0:
        yield f"names the interface {scope}, which this host does not have"
    elif _is_own(one, endpoint, own) and endpoint.port == _port(one):
        yield f"is the port of {one.wanted.name} on this host itself"
    elif not scope:
        address = host_prefix(_packed(endpoint))
        around = next((network for network in _networks(one) if network.contains(address)), None)
        if around is not None and not _mark(one) and not has_longer_route(fib, address, around.length):
            yield f"is inside {around}, a network of the tunnel itself"


def _is_own(one: _Planned, endpoint: Endpoint, own: OwnAddresses) -> bool:
    """Return whether packets to an endpoint stay on this host. A link-local address counts on its interface only."""
    packed, scope = _packed(endpoint), endpoint.host.partition("%")[2]
    if scope:
        return _index(scope) in own.get(packed, ())
    wanted = (address.packed for address in one.wanted.addresses or ())
    return packed in own or is_loopback(endpoint.host) or packed in wanted


def _networks(one: _Planned) -> list[Prefix]:
    """Return the networks that the interface is connected to after the run."""
    held = one.current.addresses if one.wanted.addresses is None else ()
    return [address.network for address in (*(one.wanted.addresses or ()), *(entry.address for entry in held))]


def _port(one: _Planned) -> int:
    before = one.plan.device_before
    asked = one.wanted.listen_port
    return asked if asked is not None else (before.settings.listen_port or 0 if before else 0)


def _mark(one: _Planned) -> int:
    """Return the mark of the packets of the tunnel: a rule may route them by another table."""
    before = one.plan.device_before
    return one.wanted.fwmark if one.wanted.fwmark is not None else (before.settings.fwmark or 0 if before else 0)


def _index(scope: str) -> int:
    """Return the index of the interface in a scope, 0 without one."""
    try:
        if scope.isdigit():
            socket.if_indextoname(int(scope))
            return int(scope)
        return socket.if_nametoindex(scope)
    except (OSError, OverflowError):
        return 0


def _packed(endpoint: Endpoint) -> bytes:
    bare = endpoint.host.partition("%")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in bare else socket.AF_INET, bare)


def _name(one: _Planned, peer: Peer) -> str:
    names = (wanted.name for wanted in one.wanted.peers or () if wanted.peer.public_key == peer.public_key)
    return next(names, "") or f"peer {encode_key(peer.public_key)}"
