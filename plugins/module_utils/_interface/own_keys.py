# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Peers with a key of the interface itself.

This module is private to the collection.
"""

from __future__ import annotations

from .._engine.errors import Refused
from .._wireguard.keys import clamp
from .options import WantedInterface


def refuse_own_keys(wanted: WantedInterface, own_key: bytes, private_key: bytes) -> None:
    """Raise Refused where a peer has the public key of the interface, or its private key as public key."""
    listed = {item.peer.public_key for item in wanted.peers or ()}
    if own_key in listed:
        raise Refused(
            f"{wanted.name}: one of the peers has this host's own public key, so two hosts share one private key. If one was "
            "cloned from the other, remove the key file there and run again"
        )
    if any(private_key) and listed & {private_key, clamp(private_key)}:
        raise Refused(
            f"{wanted.name}: the public key of one of the peers is the private key of this host, so it is not secret any more. "
            "Correct the peer, and replace the key here (module wg_key with regenerate=true)"
        )
