# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Facts of WireGuard interfaces: own public keys, and the peers of their state files.

This module is private to the collection.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import state_file

_DAY = 86400  # seconds


def interface_facts(name: str, own_public_key: str | None) -> dict[str, Any]:
    """Return an interface's public facts: own key, and addresses, peers, revoked keys and notes of its state file.

    Without a given own key, that of the state file is returned; with another one, that of the state file is the replaced
    key, which the interface has until it is applied. Peers are one text of lines (see `peer_lines`): as data
    they would be as many objects on the controller as the square of the fleet's size.
    """
    stored = state_file.load(name)
    return {
        "public_key": own_public_key or stored.public_key or None,
        **(
            {"replaced_key": stored.public_key}
            if own_public_key and stored.public_key not in ("", own_public_key)
            else {}
        ),
        "addresses": list(stored.addresses),
        "peers": peer_lines(stored.peers),
        "revoked": dict(stored.revoked),
        **({"notes": dict(stored.notes)} if stored.notes else {}),
    }


def facts_after_run(interfaces: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the facts of the interfaces of a document that was applied, None for one that was removed."""
    return {
        str(one["name"]): None if one.get("state") == "absent" else interface_facts(str(one["name"]), None)
        for one in interfaces
    }


def bare_addresses(interfaces: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the addresses of each interface without their prefix lengths."""
    return {
        name: [address.partition("/")[0] for address in facts["addresses"]]
        for name, facts in interfaces.items()
        if facts.get("addresses")
    }


def key_age_days(path: str, now: float) -> int | None:
    """Return the age of a private key file in whole days, None where there is none. now: seconds since the epoch."""
    try:
        return max(int(now - os.stat(path).st_mtime), 0) // _DAY
    except FileNotFoundError:
        return None


def peer_lines(peers: Mapping[str, state_file.KnownPeer]) -> str:
    """Return known peers as lines of four fields separated by tabs: public key, name, addresses, endpoint."""
    return "\n".join(
        f"{key}\t{peer.name}\t{','.join(peer.addresses)}\t{peer.endpoint}" for key, peer in sorted(peers.items())
    )
