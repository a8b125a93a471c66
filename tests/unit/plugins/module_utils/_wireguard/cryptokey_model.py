# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the kernel's handling of peers in a set request (drivers/net/wireguard/netlink.c, set_peer)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Peer, PeerChange


@dataclass
class _Peer:
    preshared_key: bytes = ZERO
    endpoint: Endpoint | None = None
    keepalive: int = 0


@dataclass
class CryptokeyModel:
    """A device: peers by key, and the table that maps allowed IPs to peers."""

    peers: dict[bytes, _Peer] = field(default_factory=dict)
    owner: dict[Prefix, bytes] = field(default_factory=dict)

    @classmethod
    def holding(cls, peers: Iterable[Peer]) -> CryptokeyModel:
        """Return a device with these peers."""
        model = cls()
        for peer in peers:
            model.peers[peer.public_key] = _Peer(
                peer.preshared_key or ZERO, peer.endpoint, peer.persistent_keepalive or 0
            )
            model.owner.update(dict.fromkeys(peer.allowed_ips or (), peer.public_key))
        return model

    def apply(self, change: PeerChange) -> None:
        """Apply one peer of a request as the kernel does, in its order."""
        key = change.public_key
        if key not in self.peers:
            if change.remove or change.update_only:
                return
            self.peers[key] = _Peer()
        if change.remove:
            del self.peers[key]
            self._disown(key)
            return
        peer = self.peers[key]
        if change.preshared_key is not None:
            peer.preshared_key = change.preshared_key
        if change.endpoint is not None:
            peer.endpoint = change.endpoint
        if change.replace_allowed_ips:
            self._disown(key)
        # An allowed IP of another peer moves silently.
        self.owner.update(dict.fromkeys(change.allowed_ips, key))
        if change.persistent_keepalive is not None:
            peer.keepalive = change.persistent_keepalive

    def _disown(self, key: bytes) -> None:
        self.owner = {prefix: owner for prefix, owner in self.owner.items() if owner != key}

    def read(self) -> dict[bytes, Peer]:
        """Return the peers by key, as in a dump."""
        return {
            key: Peer(
                key,
                peer.preshared_key,
                peer.endpoint,
                peer.keepalive,
                frozenset(prefix for prefix, owner in self.owner.items() if owner == key),
            )
            for key, peer in self.peers.items()
        }
