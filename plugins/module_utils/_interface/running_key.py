# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The private key of a running interface whose key file is missing: the file gets it back, because peers know this key.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

from .._wireguard.key_change import HeldKey


def held_key(path: str, interfaces: Iterable[str]) -> HeldKey | None:
    """Return the key of the first running interface of this collection that has one, None where the file exists.

    path: the key file. interfaces: those that use it. Raises OSError.
    """
    if os.path.lexists(path):
        return None
    running = {name for _index, name in socket.if_nameindex()}
    for name in interfaces:
        if name in running:
            private_key = _running_key(name)
            if private_key is not None:
                return HeldKey(name, private_key)
    return None


def _running_key(name: str) -> bytes | None:
    """Return the private key of a running interface of this collection; None for one of others, or without a key."""
    from .._host import links
    from .._netlink.route_lookup import open_connection
    from .read import read_device

    with open_connection() as fib:
        link = links.read(fib, name)
    device = read_device(name) if link is not None and link.is_ours else None
    private_key = device.settings.private_key if device is not None else None
    return private_key if private_key and any(private_key) else None
