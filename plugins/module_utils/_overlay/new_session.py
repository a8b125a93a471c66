# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""End the session of a tunnel that carries the management connection, where its preshared key changes.

A session outlives a change of the preshared key, for up to 180 seconds (REJECT_AFTER_TIME of the WireGuard paper, section
6.1). So a confirmation could pass through it, and the host would be cut off afterwards if the other end has another key.
Without the session, the new connection of the confirmation needs a handshake with the new key.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._engine.reconcile import Operation
from .._interface.prepare import PreparedInterface
from .._netlink.connection import Connection
from .._wireguard.model import Peer
from .tunnel_path import TunnelPath, carrier, find


def ending_sessions(fib: Connection, prepared: Sequence[PreparedInterface]) -> Sequence[PreparedInterface]:
    """Return the interfaces; a peer that carries the management connection and gets another preshared key is replaced."""
    if not any(_has_new_key(operation) for one in prepared for operation in one.plan.peers):
        return prepared
    return with_new_session(prepared, find(fib))


def with_new_session(prepared: Sequence[PreparedInterface], path: TunnelPath) -> list[PreparedInterface]:
    """Return the interfaces with such peers removed and added again, in place of an update. Pure."""
    return [_of_interface(one, path) for one in prepared]


def _of_interface(one: PreparedInterface, path: TunnelPath) -> PreparedInterface:
    flow, device = path.through.get(one.name), one.plan.device_before
    peer = carrier(device.peers, flow) if flow is not None and device is not None else None
    if peer is None:
        return one
    peers: list[Operation[Peer]] = []
    for operation in one.plan.peers:
        if operation.key() == peer.public_key and _has_new_key(operation):
            peers += [Operation(operation.before, None), Operation(None, operation.after)]
        else:
            peers.append(operation)
    return replace(one, plan=replace(one.plan, peers=tuple(peers)))


def _has_new_key(operation: Operation[Peer]) -> bool:
    before, after = operation.before, operation.after
    return before is not None and after is not None and before.preshared_key != after.preshared_key
