# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""From module options to what a probe is to do. All that is wrong is told at once.

This module is private to the collection.
"""

from __future__ import annotations

import math
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..prefix import Address, parse_address
from ..refusal import InvalidOptions
from ..wireguard.keys import decode_public_key
from .echo import FLOOR, LARGEST

LONGEST = 600  # seconds
_INTERFACE = re.compile(r"(?!\.{1,2}\Z)[^\s/:]{1,15}\Z")  # dev_valid_name() of net/core/dev.c


@dataclass(frozen=True)
class WantedPeer:
    """A peer to probe: public key, the name to call it by, its addresses and the size that should pass, as given.

    An interface of "" is that of all.
    """

    public_key: bytes
    name: str = ""
    addresses: tuple[Address, ...] = ()
    mtu: int | None = None
    interface: str = ""


@dataclass(frozen=True)
class Wanted:
    """What to probe. Peers of None are all that the interface has; an MTU of None is that of the interface.

    An interface of "" stands where each peer has its own.
    """

    interface: str
    peers: tuple[WantedPeer, ...] | None = None
    deadline: float = 10.0
    mtu: int | None = None
    path_mtu: bool = True
    wait: bool = False
    handshake: bool = False  # a session is enough, and no answer is asked for

    def by_interface(self) -> list[Wanted]:
        """Return what to probe on each interface, in the order in which the peers name them."""
        found: dict[str, list[WantedPeer]] = {}
        for peer in self.peers or ():
            found.setdefault(peer.interface or self.interface, []).append(peer)
        parts = [replace(self, interface=name, peers=tuple(peers)) for name, peers in found.items()]
        return parts or [self]


def parse(options: Mapping[str, Any]) -> Wanted:
    """Return what the options ask for. Raises InvalidOptions."""
    errors: list[str] = []
    interface, deadline, mtu = options["interface"], options["deadline"], options["mtu"]
    everyone_has_one = bool(options["peers"]) and all(raw.get("interface") for raw in options["peers"])
    if interface is None and not everyone_has_one:
        errors.append("interface: there is none; write one such as wg0, or one with each of peers")
    _check_interface(interface, "interface", errors)
    if not (math.isfinite(deadline) and 1 <= deadline <= LONGEST):
        errors.append(f"deadline: {deadline:g} is not within 1 and {LONGEST} seconds")
    sizes = [mtu, *(raw.get("mtu") for raw in options["peers"] or ())]
    if not options["path_mtu"] and any(size is not None for size in sizes):
        errors.append("path_mtu: false asks for no size, and mtu is given; leave out one of them")
    if options["handshake"] and any(size is not None for size in sizes):
        errors.append("handshake: true asks for no answer, and mtu is given; leave out one of them")
    _check_size(mtu, (), "mtu", errors)
    peers = None
    if options["peers"] is not None:
        peers = tuple(_peer(raw, f"peers[{place}]", errors) for place, raw in enumerate(options["peers"]))
        _refuse_repeated(peers, errors)
    if errors:
        raise InvalidOptions(errors)
    sized = options["path_mtu"] and not options["handshake"]
    return Wanted(interface or "", peers, deadline, mtu, sized, options["wait"], options["handshake"])


def _peer(raw: Mapping[str, Any], where: str, errors: list[str]) -> WantedPeer:
    public_key = b""
    try:
        public_key = decode_public_key(raw["public_key"])
    except ValueError as exc:  # its text does not quote the key, which may be a private one
        errors.append(f"{where}.public_key: {exc}; write what `wg pubkey` prints")
    addresses = []
    for text in raw.get("addresses") or ():
        try:
            addresses.append(parse_address(text))
        except ValueError as exc:
            errors.append(f"{where}.addresses: {exc}; write an address of the peer within the overlay")
    mtu = raw.get("mtu")
    _check_size(mtu, addresses, f"{where}.mtu", errors)
    _check_interface(raw.get("interface"), f"{where}.interface", errors)
    return WantedPeer(public_key, raw.get("name") or "", tuple(addresses), mtu, raw.get("interface") or "")


def _check_interface(name: str | None, where: str, errors: list[str]) -> None:
    if name is not None and not _INTERFACE.match(name):
        errors.append(f"{where}: {name!r} is no name of an interface; write one such as wg0")


def _check_size(mtu: int | None, addresses: list[Address] | tuple[()], where: str, errors: list[str]) -> None:
    if mtu is None:
        return
    least = max((FLOOR[address.family] for address in addresses), default=FLOOR[socket.AF_INET])
    if not least <= mtu <= LARGEST:
        what = "an IPv6 packet" if least == FLOOR[socket.AF_INET6] else "a packet"
        errors.append(f"{where}: {mtu} is not within {least} and {LARGEST}, the sizes of {what} that every host takes")


def _refuse_repeated(peers: tuple[WantedPeer, ...], errors: list[str]) -> None:
    """Note what two entries share: answers could not be told apart."""
    places: dict[bytes, int] = {}
    owners: dict[bytes, int] = {}
    for place, peer in enumerate(peers):
        for address in peer.addresses:
            if address.packed in owners:
                text = socket.inet_ntop(address.family, address.packed)
                first = f"peers[{owners[address.packed]}]"
                errors.append(f"peers[{place}].addresses: {text} stands in {first} already; leave out one of them")
            owners.setdefault(address.packed, place)
        first_place = places.setdefault(peer.public_key, place)
        if peer.public_key and first_place != place and not (peer.addresses and peers[first_place].addresses):
            errors.append(
                f"peers[{place}].public_key: peers[{first_place}] has the same; give addresses to both, or leave out one"
            )
