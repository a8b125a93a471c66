# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Refuse new routes into tunnels that would take the endpoint of a peer, and with it the packets of that peer's tunnel.

The planner knows the endpoints of the inventory. A peer behind NAT, or one that moved, has its endpoint from its packets.

This module is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence

from .._engine.errors import Refused
from .._engine.reconcile import replay
from .._interface.prepare import PreparedInterface
from .._ip.longest_match import networks
from .._ip.prefix import Prefix, host_prefix
from .._netlink.connection import Connection
from .._netlink.longer_route import has_longer_route
from .._wireguard.keys import encode_key
from .._wireguard.model import Peer


def refuse_captured_endpoints(fib: Connection, prepared: Sequence[PreparedInterface]) -> None:
    """Raise Refused where a new route contains the endpoint of a peer, unless the host has a longer route to it.

    Interfaces with a firewall mark are not checked: a rule may route their packets by another table.
    """
    new = {
        operation.after.destination: one.name
        for one in prepared
        for operation in one.plan.routes
        if operation.before is None and operation.after is not None
    }
    routed = networks(new)
    found = [
        f"{peer.endpoint}, the endpoint of {_name(one, peer)} on {one.name}, is inside {destination}, which would be routed "
        f"into {new[destination]}"
        for one in prepared
        if new and one.wanted.present and not _mark(one)
        for peer, address in _endpoints(one)
        for destination in [routed.find(address)]
        if destination is not None and not has_longer_route(fib, address, destination.length)
    ]
    if found:
        raise Refused(
            f"{'; '.join(found)}: packets of the tunnel would be sent into a tunnel; leave the address out of the allowed "
            "IPs, list a network around it in O(routes_except), or use another endpoint"
        )


def _mark(one: PreparedInterface) -> int:
    before = one.plan.device_before
    return one.wanted.fwmark if one.wanted.fwmark is not None else (before.settings.fwmark or 0 if before else 0)


def _endpoints(one: PreparedInterface) -> Iterator[tuple[Peer, Prefix]]:
    before = one.plan.device_before
    peers: Mapping[bytes, Peer] = replay(before.peers if before else (), one.plan.peers)  # type: ignore[assignment]
    for peer in peers.values():
        if peer.endpoint is not None and peer.endpoint.is_address and "%" not in peer.endpoint.host:
            family = socket.AF_INET6 if ":" in peer.endpoint.host else socket.AF_INET
            yield peer, host_prefix(socket.inet_pton(family, peer.endpoint.host))


def _name(one: PreparedInterface, peer: Peer) -> str:
    names = (wanted.name for wanted in one.wanted.peers or () if wanted.peer.public_key == peer.public_key)
    return next(names, "") or f"peer {encode_key(peer.public_key)}"
