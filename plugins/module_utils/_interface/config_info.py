# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The result of wg_config_info: interfaces with what their files say, and as variables of a role. No secrets.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._host import links
from .._netlink.connection import Connection
from .._wireguard.devices import wireguard_interfaces
from .._wireguard.keys import encode_key
from . import config_files, read_existing
from .existing import ExistingInterface, ExistingPeer
from .losses import profile_text

ROLES = ("mesh", "hub_spoke")


def read(fib: Connection, name: str | None, role: str) -> list[dict[str, Any]]:
    """Return the interfaces that run or are in files, of one name or of all, sorted. Raises OSError."""
    configured = config_files.read_all(None if name is None else [name])
    names = {one.name for one in configured} | set(wireguard_interfaces() if name is None else [name])
    found = []
    for each in sorted(names):
        link, files = links.read(fib, each), [one for one in configured if one.name == each]
        managed = link is not None and link.is_ours
        existing = read_existing.read_any(fib, each, read_existing.without_left_profiles(files) if managed else files)
        if existing is not None:
            found.append(describe(existing, managed=managed, role=role))
    return found


def describe(existing: ExistingInterface, *, managed: bool, role: str) -> dict[str, Any]:
    """Return an interface as the module does."""
    return {
        "name": existing.name,
        "runs": existing.runs,
        "managed": managed,
        "method": existing.method or None,
        "files": list(existing.paths),
        "public_key": encode_key(existing.public_key) if any(existing.public_key) else None,
        "listen_port": existing.listen_port,
        "fwmark": existing.fwmark,
        "mtu": existing.mtu,
        "addresses": list(map(str, existing.addresses)),
        "routes": existing.routes,
        "peers": [_peer(peer) for peer in existing.peers],
        "unsupported": [*map(str, existing.findings), *([profile_text(existing)] if existing.profile else [])],
        "variables": variables(existing, role + "_"),
    }


def variables(existing: ExistingInterface, prefix: str) -> dict[str, Any]:
    """Return an interface as the variables of a host. All peers are static: a host knows no other by its name."""
    found: dict[str, Any] = {
        "interface": existing.name,
        "addresses": list(map(str, existing.addresses)),
        **({"port": existing.listen_port} if existing.listen_port else {}),
        **({"mtu": existing.mtu} if existing.mtu else {}),
        **({"fwmark": existing.fwmark} if existing.fwmark else {}),
        **({"routes": False} if existing.routes is False else {}),
        "static_peers": list(_static(existing.peers)),
    }
    return {prefix + name: value for name, value in found.items()}


def _peer(peer: ExistingPeer) -> dict[str, Any]:
    return {
        "public_key": encode_key(peer.public_key),
        "name": peer.name,
        "endpoint": str(peer.endpoint or ""),
        "allowed_ips": [str(prefix) for prefix in sorted(peer.allowed_ips)],
        "persistent_keepalive": peer.persistent_keepalive,
        "preshared_key": peer.has_preshared_key,
        "runs": peer.runs,
    }


def _static(peers: Iterable[ExistingPeer]) -> Iterable[dict[str, Any]]:
    taken: set[str] = set()
    for position, peer in enumerate(peers):
        name = peer.name if peer.name and peer.name not in taken else f"peer{position + 1}"
        taken.add(name)
        yield {
            "name": name,
            "public_key": encode_key(peer.public_key),
            **({"endpoint": str(peer.endpoint)} if peer.endpoint else {}),
            "allowed_ips": [str(prefix) for prefix in sorted(peer.allowed_ips)],
            **({"persistent_keepalive": peer.persistent_keepalive} if peer.persistent_keepalive else {}),
        }
