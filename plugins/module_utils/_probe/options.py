# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Options of probe_info. All errors are reported at once.

This module is private to the collection.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._engine.options import OptionReader
from .._ip.prefix import Address, parse_address
from .._netlink.link import link_name
from .._wireguard.keys import decode_public_key
from .echo import FLOOR, LARGEST

LONGEST = 600  # seconds


@dataclass(frozen=True)
class WantedPeer:
    """A peer to probe as given: public key, display name, addresses, packet size that should pass (bytes).

    An interface of "" stands for `Wanted.interface`.
    """

    public_key: bytes
    name: str = ""
    addresses: tuple[Address, ...] = ()
    mtu: int | None = None
    interface: str = ""


@dataclass(frozen=True)
class Wanted:
    """What to probe. Peers of None stand for all peers of the interface, an MTU of None for that of the interface.

    The interface is "" if each peer has its own.
    """

    interface: str
    peers: tuple[WantedPeer, ...] | None = None
    deadline: float = 10.0
    mtu: int | None = None
    path_mtu: bool = True
    wait: bool = False
    handshake: bool = False  # a handshake is enough, no echo request is sent

    def by_interface(self) -> list[Wanted]:
        """Return one probe per interface, in the order in which the peers name them."""
        found: dict[str, list[WantedPeer]] = {}
        for peer in self.peers or ():
            found.setdefault(peer.interface or self.interface, []).append(peer)
        parts = [replace(self, interface=name, peers=tuple(peers)) for name, peers in found.items()]
        return parts or [self]


def parse(options: Mapping[str, Any]) -> Wanted:
    """Return the parsed options. Raises InvalidOptions."""
    call = OptionReader(options)
    entries = list(call.entries("peers"))
    if call.get("interface") is None and not (entries and all(entry.get("interface") for entry in entries)):
        call.error("interface", "missing; write one such as wg0, or one with each entry of peers")
    interface = call.read("interface", link_name, "")
    deadline = call.read("deadline", lambda value: seconds(value, LONGEST), 1.0)
    sized = any(entry.get("mtu") is not None for entry in (call, *entries))
    if not options["path_mtu"] and sized:
        call.error("path_mtu", "false excludes mtu; leave out one of them")
    if options["handshake"] and sized:
        call.error("handshake", "true excludes mtu; leave out one of them")
    mtu = _size(call, ())
    peers = None if call.get("peers") is None else tuple(_peer(entry) for entry in entries)
    _refuse_repeated(peers or (), call.errors)
    call.raise_errors()
    path_mtu = options["path_mtu"] and not options["handshake"]
    return Wanted(interface, peers, deadline, mtu, path_mtu, options["wait"], options["handshake"])


def seconds(value: float, longest: int) -> float:
    """Return a time of at least one second. Raises ValueError."""
    if not (math.isfinite(value) and 1 <= value <= longest):
        raise ValueError(f"{value:g} is not within 1 and {longest} seconds")
    return value


def _peer(entry: OptionReader) -> WantedPeer:
    public_key = entry.read("public_key", _public_key, b"")
    addresses = tuple(entry.each("addresses", _address))
    mtu = _size(entry, addresses)
    return WantedPeer(public_key, entry.get("name") or "", addresses, mtu, entry.read("interface", link_name, ""))


def _public_key(text: str) -> bytes:
    try:
        return decode_public_key(text)
    except ValueError as exc:  # its text does not quote the key, which may be a private one
        raise ValueError(f"{exc}; write the output of `wg pubkey`") from None


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as exc:
        raise ValueError(f"{exc}; write an address of the peer within the overlay") from None


def _size(entry: OptionReader, addresses: Sequence[Address]) -> int | None:
    least = max((FLOOR[address.family] for address in addresses), default=FLOOR[socket.AF_INET])
    mtu = entry.get("mtu")
    if mtu is not None and not least <= mtu <= LARGEST:
        what = "an IPv6 packet" if least == FLOOR[socket.AF_INET6] else "a packet"
        entry.error("mtu", f"{mtu} is not within {least} and {LARGEST}, the sizes of {what} that every host takes")
    return mtu


def _refuse_repeated(peers: tuple[WantedPeer, ...], errors: list[str]) -> None:
    """Report addresses and keys shared by two entries: their answers could not be distinguished."""
    places: dict[bytes, int] = {}
    owners: dict[bytes, int] = {}
    for place, peer in enumerate(peers):
        for address in peer.addresses:
            if address.packed in owners:
                text = socket.inet_ntop(address.family, address.packed)
                first = f"peers[{owners[address.packed]}]"
                errors.append(f"peers[{place}].addresses: {text} is in {first} already; leave out one of them")
            owners.setdefault(address.packed, place)
        first_place = places.setdefault(peer.public_key, place)
        if peer.public_key and first_place != place and not (peer.addresses and peers[first_place].addresses):
            errors.append(
                f"peers[{place}].public_key: peers[{first_place}] has the same; give addresses to both, or leave out one"
            )
