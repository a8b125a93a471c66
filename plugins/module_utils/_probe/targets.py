# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The peers to probe, their addresses and packet sizes, from the options, the device and its state file.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .._ip.longest_match import LongestMatch
from .._ip.prefix import Prefix, parse_address
from .._wireguard.endpoint import parse_endpoint
from .._wireguard.keys import encode_key
from .._wireguard.model import Device, Peer
from .._wireguard.state_file import KnownPeer, StateFile
from .options import Wanted, WantedPeer


@dataclass(frozen=True)
class Target:
    """A peer to probe. Without addresses it gets no echo request; a wanted size of None sends small packets only."""

    public_key: bytes
    name: str
    addresses: tuple[Prefix, ...]
    wanted: int | None
    wanted_endpoint: str = ""  # name:port of the state file, "" where the endpoint is an address

    @property
    def label(self) -> str:
        """The name, or the public key where there is none."""
        return self.name or encode_key(self.public_key)


def targets(wanted: Wanted, device: Device, state: StateFile, device_mtu: int) -> list[Target]:
    """Return the peers to probe, sorted by name and public key."""
    peers = {peer.public_key: peer for peer in device.peers}
    asked = wanted.peers if wanted.peers is not None else tuple(WantedPeer(public_key) for public_key in peers)
    found = []
    for entry in asked:
        known = state.peers.get(encode_key(entry.public_key), KnownPeer())
        addresses = tuple(address.host for address in entry.addresses)
        peer = peers.get(entry.public_key)
        if wanted.handshake:
            addresses = ()
        elif not addresses and peer is not None:
            addresses = own_addresses(peer, known.addresses)
        size = (entry.mtu or wanted.mtu or device_mtu) if wanted.path_mtu else None
        name = entry.name or known.name
        found.append(Target(entry.public_key, name, addresses, size, _name_in(known.endpoint)))
    return sorted(found, key=lambda target: (target.name, target.public_key, target.addresses))


def own_addresses(peer: Peer, known: Iterable[str] = ()) -> tuple[Prefix, ...]:
    """Return a peer's addresses: the known ones within its allowed IPs, else the lowest /32 and /128 of these.

    Another /32 or /128 may belong to a host behind the peer.
    """
    allowed = peer.allowed_ips or frozenset()
    hosts = [_host(text) for text in known]
    within = tuple(host for host in hosts if host is not None and any(prefix.contains(host) for prefix in allowed))
    if within:
        return within
    first: dict[int, Prefix] = {}
    for prefix in sorted(allowed):
        if prefix.length == len(prefix.packed) * 8:
            first.setdefault(prefix.family, prefix)
    return tuple(first.values())


def cryptokey_routing(device: Device) -> Callable[[Prefix], bytes | None]:
    """Return a lookup from an address to the public key of the peer with the longest matching allowed IP, or None."""
    return LongestMatch((prefix, one.public_key) for one in device.peers for prefix in one.allowed_ips or ()).find


def _host(text: str) -> Prefix | None:
    try:
        return parse_address(text).host
    except ValueError:
        return None


def _name_in(endpoint: str) -> str:
    try:
        return "" if not endpoint or parse_endpoint(endpoint).is_address else endpoint
    except ValueError:
        return ""
