# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The names of an interface's peers. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable

from .._wireguard.keys import encode_key
from .._wireguard.state_file import KnownPeer, StateFile
from .options import WantedInterface


def peer_names(wanted: WantedInterface, recorded: StateFile) -> Callable[[bytes], str]:
    """Return the function from a public key to a peer's name, "" for none: the desired one, else the recorded one."""
    desired = {item.peer.public_key: item.name for item in wanted.peers or ()}
    return lambda key: desired.get(key) or recorded.peers.get(encode_key(key), KnownPeer()).name
