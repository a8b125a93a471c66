# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Refuse to remove many peers at once.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._engine.errors import Refused
from .._engine.reconcile import DELETE, Operation
from .._wireguard.keys import encode_key
from .._wireguard.model import Peer
from .._wireguard.state_file import KnownPeer, StateFile
from .options import WantedInterface

# Removing at least this many peers in one run, and more than this share of all, is refused as a probable mistake.
_MASS_REMOVAL_COUNT, _MASS_REMOVAL_SHARE = 3, 0.3


def refuse_mass_removal(
    operations: Iterable[Operation[Peer]], recorded: StateFile, wanted: WantedInterface, present: Iterable[Peer]
) -> None:
    """Raise Refused where a plan removes a large part of the peers, unless the option allows it."""
    # A peer without allowed IPs and addresses carries no traffic, and does not count.
    carrying = {
        peer.public_key
        for peer in present
        if peer.allowed_ips or recorded.peers.get(encode_key(peer.public_key), KnownPeer("", ("",))).addresses
    }
    staying = {item.name for item in wanted.peers or () if item.name}
    named_one_by_one = frozenset(wanted.absent_peers)
    lost = []
    for operation in operations:
        if operation.action != DELETE or operation.key() not in carrying or operation.key() in named_one_by_one:
            continue
        key = encode_key(operation.key())
        known = recorded.peers.get(key, KnownPeer())
        if known.name not in staying and key not in wanted.revoked:
            lost.append(known.name or key)
    if len(lost) >= _MASS_REMOVAL_COUNT and len(lost) > len(carrying) * _MASS_REMOVAL_SHARE:
        named = ", ".join(sorted(lost)[:5]) + (", ..." if len(lost) > 5 else "")
        raise Refused(
            f"{wanted.name}: {len(lost)} of {len(carrying)} peers would be removed ({named}): "
            "if that is intended, set O(allow_mass_removal=true)"
        )
