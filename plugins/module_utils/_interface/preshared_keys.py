# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Peers whose preshared key a run removes, or leaves although another one is desired. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .._wireguard.keys import ZERO, encode_key
from .._wireguard.model import Peer
from .options import WantedInterface
from .plan import Current, Plan

PUT_OFF, REMOVED = "preshared_keys_put_off", "preshared_keys_removed"
_MOST = 100  # names, of each kind; there can be thousands


def remarks(
    before: Current, wanted: WantedInterface, found: Plan, name_of: Callable[[bytes], str]
) -> dict[str, list[str]]:
    """Return the names of these peers, of each kind at most 100; a kind without a peer is missing.

    name_of: as in diff.describe().
    """
    present = {peer.public_key: peer for peer in (before.device.peers if before.device else ())}
    put_off = [item.peer.public_key for item in wanted.peers or () if item.puts_off(present.get(item.peer.public_key))]
    removed = [
        operation.key()
        for operation in found.peers
        if _has_preshared_key(operation.before)
        and operation.after is not None
        and operation.after.preshared_key == ZERO
    ]
    listed = {PUT_OFF: _names(put_off, name_of), REMOVED: _names(removed, name_of)}
    return {kind: names for kind, names in listed.items() if names}


def _has_preshared_key(peer: Peer | None) -> bool:
    return peer is not None and peer.preshared_key not in (None, ZERO)


def _names(keys: Iterable[bytes], name_of: Callable[[bytes], str]) -> list[str]:
    return sorted(name_of(key) or encode_key(key) for key in keys)[:_MOST]
