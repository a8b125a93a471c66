# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a host knows of its WireGuard interfaces: its own public keys, and what it remembers of its peers.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from . import memory

_DAY = 86400  # seconds


def interface_facts(name: str, own_public_key: str | None) -> dict[str, Any]:
    """Return an interface's public side: own key, and the memory of addresses, peers, revoked keys and notes.

    Without an own key given, the remembered one is said. Peers are one text of lines (see `peer_lines`): as data they
    would make the controller hold, and template, the square of the fleet's size in objects.
    """
    remembered = memory.load(name)
    return {
        "public_key": own_public_key or remembered.public_key or None,
        "addresses": list(remembered.addresses),
        "peers": peer_lines(remembered.peers),
        "revoked": dict(remembered.revoked),
        **({"notes": dict(remembered.notes)} if remembered.notes else {}),
    }


def key_age_days(path: str, now: float) -> int | None:
    """Return the age of a private key file in whole days, None where there is none. now: seconds since the epoch."""
    try:
        return max(int(now - os.stat(path).st_mtime), 0) // _DAY
    except FileNotFoundError:
        return None


def peer_lines(peers: Mapping[str, memory.RememberedPeer]) -> str:
    """Return remembered peers as lines of four fields, parted by tabs: public key, name, addresses, endpoint."""
    return "\n".join(
        f"{key}\t{peer.name}\t{','.join(peer.addresses)}\t{peer.endpoint}" for key, peer in sorted(peers.items())
    )
