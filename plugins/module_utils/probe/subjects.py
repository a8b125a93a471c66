# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Whom to probe, where, and with which size: what was asked for, the device, and what is remembered, put together.

This module is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..prefix import Prefix, masked, parse_address
from ..wireguard.endpoint import parse_endpoint
from ..wireguard.keys import encode_key
from ..wireguard.memory import Memory, RememberedPeer
from ..wireguard.model import Device, Peer
from .options import Wanted, WantedPeer


@dataclass(frozen=True)
class Subject:
    """A peer to probe. Without addresses there is nothing to ask it; a wanted size of None asks small packets only."""

    public_key: bytes
    name: str
    addresses: tuple[Prefix, ...]
    wanted: int | None
    wanted_endpoint: str = ""  # the endpoint's name as remembered, "" where it was an address

    @property
    def label(self) -> str:
        """The name, or the public key where there is none."""
        return self.name or encode_key(self.public_key)


def subjects(wanted: Wanted, device: Device, remembered: Memory, device_mtu: int) -> list[Subject]:
    """Return the peers to probe, sorted by name and public key."""
    peers = {peer.public_key: peer for peer in device.peers}
    asked = wanted.peers if wanted.peers is not None else tuple(WantedPeer(public_key) for public_key in peers)
    found = []
    for entry in asked:
        known = remembered.peers.get(encode_key(entry.public_key), RememberedPeer())
        addresses = tuple(address.host for address in entry.addresses)
        peer = peers.get(entry.public_key)
        if wanted.handshake:
            addresses = ()
        elif not addresses and peer is not None:
            addresses = own_addresses(peer, known.addresses)
        size = (entry.mtu or wanted.mtu or device_mtu) if wanted.path_mtu else None
        name = entry.name or known.name
        found.append(Subject(entry.public_key, name, addresses, size, _name_in(known.endpoint)))
    return sorted(found, key=lambda subject: (subject.name, subject.public_key, subject.addresses))


def own_addresses(peer: Peer, remembered: Iterable[str] = ()) -> tuple[Prefix, ...]:
    """Return a peer's addresses: those remembered that its allowed IPs hold, else the first host route of each family.

    Behind a host route there may also be another host; the first is the lowest by number.
    """
    allowed = peer.allowed_ips or frozenset()
    known = [_host(text) for text in remembered]
    within = tuple(host for host in known if host is not None and any(prefix.contains(host) for prefix in allowed))
    if within:
        return within
    first: dict[int, Prefix] = {}
    for prefix in sorted(allowed):
        if prefix.length == len(prefix.packed) * 8:
            first.setdefault(prefix.family, prefix)
    return tuple(first.values())


def cryptokey_routing(device: Device) -> Callable[[Prefix], bytes | None]:
    """Return the function that tells to which peer (public key) the device sends packets for an address, if any."""
    tables: dict[tuple[int, int], dict[bytes, bytes]] = {}
    for peer in device.peers:
        for prefix in peer.allowed_ips or ():
            tables.setdefault((prefix.family, prefix.length), {})[prefix.packed] = peer.public_key
    longest_first = sorted(tables, key=lambda key: -key[1])

    def look_up(host: Prefix) -> bytes | None:
        for family, length in longest_first:
            if family == host.family:
                found = tables[family, length].get(masked(host.packed, length))
                if found is not None:
                    return found
        return None

    return look_up


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
