# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts report about themselves and remember of each other: the fact of `overlay_facts`, read with care.

A fact comes from a host, so nothing in it is trusted to have the right shape, and none of it is ever templated.
This plugin util is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, parse_address
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import address_family
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.keys import decode_public_key

FAMILIES = {int(socket.AF_INET): "ipv4", int(socket.AF_INET6): "ipv6"}
# In a device's notes, the overlay that it belongs to.
OVERLAY_NOTE = "overlay"
PERSISTENCE = ("networkd", "wg_quick", "none")


class Underlay(NamedTuple):
    """How a host reaches the outside in one address family."""

    address: str
    mtu: int | None


@dataclass(frozen=True)
class Observation:
    """One host's fact, for one interface. `peers` stays the text that it came as: it is large and seldom needed.

    overlay: what the interface was made for, "" where that is not known.
    """

    underlay: Mapping[str, Underlay]
    persistence: str
    public_key: str
    addresses: tuple[Address, ...]
    peers: str
    revoked: Mapping[str, str]
    overlay: str = ""


class Recollection(NamedTuple):
    """What one neighbour remembers of a host."""

    neighbour: str
    public_key: str
    addresses: tuple[Address, ...]
    endpoint: str


def observe(fact: Mapping[str, Any], interface: str) -> Observation:
    """Return what a fact says about an interface."""
    device = _mapping(_mapping(fact.get("interfaces")).get(interface))
    persistence = fact.get("persistence")
    revoked = _mapping(device.get("revoked"))
    peers = device.get("peers")
    return Observation(
        underlay=_underlays(_mapping(fact.get("underlay"))),
        persistence=str(persistence) if persistence in PERSISTENCE else "none",
        public_key=_text(device.get("public_key")),
        addresses=_addresses(device.get("addresses")),
        peers=peers if isinstance(peers, str) else "",
        revoked={str(key): _one_line(name) for key, name in revoked.items() if is_public_key(str(key))},
        overlay=_text(_mapping(device.get("notes")).get(OVERLAY_NOTE)),
    )


def recollect(observations: Mapping[str, Observation], names: Set[str]) -> dict[str, tuple[Recollection, ...]]:
    """Return what the observed hosts remember of the named ones, in one pass over all memories."""
    found: dict[str, list[Recollection]] = {name: [] for name in names}
    if not names:
        return {}
    for neighbour in sorted(observations):
        for line in observations[neighbour].peers.split("\n"):
            fields = line.split("\t")
            if len(fields) != 4 or fields[1] not in found or fields[1] == neighbour or not is_public_key(fields[0]):
                continue
            key, name, addresses, endpoint = fields
            found[name].append(Recollection(neighbour, key, _addresses(addresses.split(",")), endpoint))
    return {name: tuple(memories) for name, memories in found.items()}


def remembered_names(observation: Observation | None) -> list[str]:
    """Return the names of the members that an observed host remembers as its peers."""
    lines = observation.peers.split("\n") if observation is not None else []
    return [fields[1] for fields in (line.split("\t") for line in lines) if len(fields) == 4]


def is_public_key(text: str) -> bool:
    """Return whether a text is a public key with which a handshake can succeed."""
    try:
        decode_public_key(text)
    except ValueError:
        return False
    return True


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else ""


def _one_line(value: object) -> str:
    """Return a text that other hosts are to remember, "" for one that could be more than a name there."""
    text = _text(value)
    return text if text.isprintable() else ""


def _addresses(value: object) -> tuple[Address, ...]:
    entries = value if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else ()
    return tuple(_valid_addresses(entries))


def _valid_addresses(entries: Iterable[object]) -> Iterator[Address]:
    for entry in entries:
        try:
            yield parse_address(str(entry))
        except ValueError:
            continue


def _underlays(value: Mapping[str, Any]) -> dict[str, Underlay]:
    found = {}
    for family in FAMILIES.values():
        link = _mapping(value.get(family))
        address, mtu = _text(link.get("address")), link.get("mtu")
        if FAMILIES.get(address_family(address) or 0) == family:
            known = isinstance(mtu, int) and not isinstance(mtu, bool) and mtu > 0
            found[family] = Underlay(address, int(mtu) if known else None)  # type: ignore[arg-type]
    return found
