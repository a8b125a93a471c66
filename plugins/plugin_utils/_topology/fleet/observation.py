# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts report about themselves, and have cached of each other: the fact of `overlay_prepare`.

A fact is hostile input: every value is checked, and none is templated.
This plugin util is private to the collection.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from ....module_utils._interface.existing import ExistingInterface, from_fact
from ....module_utils._ip.prefix import Address, parse_address
from ....module_utils._wireguard.endpoint import Endpoint, address_family, parse_endpoint
from ....module_utils._wireguard.keys import decode_public_key
from ..._untrusted import mapping_of, text_of
from .network_routes import network_routes

FAMILIES = {int(socket.AF_INET): "ipv4", int(socket.AF_INET6): "ipv6"}
# The notes of a device that name its overlay, the groups of all members, and its listen port.
OVERLAY_NOTE, GROUPS_NOTE, PORT_NOTE = "overlay", "groups", "port"
# What the host had stored of revoked hosts: a line for each, with name and addresses.
LEFT_NOTE = "revoked_addresses"
# In a fact of check mode: whether the run would generate the key of an interface.
NEW_KEY = "new_key"
PERSISTENCE = ("networkd", "wg_quick", "none")

# Bounds on what one host reports of one interface. What exceeds them is ignored.
_PEERS, _PEER_LENGTH, _PEERS_LENGTH = 20000, 4000, 8_000_000
_ADDRESSES, _ADDRESS_LENGTH = 64, 64
_REVOKED, _KEY_LENGTH = 20000, 44
_LEFT, _LEFT_LENGTH = 20000, 2_000_000
_TEXT_LENGTH = 255
# Lines of one host about another one: a host may have two keys of a peer while one replaces the other.
_LINES_ABOUT_ONE = 4
# So many names are searched for in the text of each host, which is quick. For more of them each line is read.
_FEW_NAMES = 8
# Hosts store the same of a peer, so its text is parsed once for all of them.
_PARSED_TEXTS = 1 << 16
# Of IPv4 (RFC 791), and of a device (IP_MAX_MTU of the kernel).
_SMALLEST_MTU, _LARGEST_MTU = 68, 65535


class Underlay(NamedTuple):
    """Source address and MTU of the route to the controller in one address family."""

    address: str
    mtu: int | None


@dataclass(frozen=True)
class Observation:
    """The fact of one host, for one interface. `peers` stays unparsed text: it is large and rarely needed.

    A host reports these for itself alone. What it has stored of others fills gaps only: see `identity.py`. revoked: the keys
    that it refuses, with the names that they had.
    overlay: the overlay of the interface, "" if unknown. new_key: whether the host will generate its key, so that the old
    one, if any, is not reported. port: the listen port that was applied last, 0 if unknown. replaced_key: the public key
    that the interface has, where the key file has another one; else "". existing: the interface if others made it, None if this
    collection did, or there is none. without_ipv6: whether the host lets it have no IPv6 address. left: the addresses that it
    had stored of revoked hosts, by name. routed: without an underlay, the families in which it has a route to any network.
    groups: those of all members in the last run, "" if unknown.
    """

    underlay: Mapping[str, Underlay]
    persistence: str
    public_key: str
    addresses: tuple[Address, ...]
    peers: str
    revoked: Mapping[str, str]
    overlay: str = ""
    new_key: bool = False
    port: int = 0
    replaced_key: str = ""
    existing: ExistingInterface | None = None
    without_ipv6: bool = False
    left: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    routed: tuple[str, ...] = ()
    groups: str = ""

    @property
    def has_key(self) -> bool:
        """Whether the host has a key, or will have one when this run has generated it."""
        return self.new_key or bool(self.public_key)


class CachedPeer(NamedTuple):
    """What one member has cached of another."""

    reporter: str
    public_key: str
    addresses: tuple[Address, ...]
    endpoint: Endpoint | None


def observe(fact: Mapping[str, Any], interface: str) -> Observation:
    """Return the observation of an interface in a fact."""
    device = mapping_of(mapping_of(fact.get("interfaces")).get(interface))
    persistence = fact.get("persistence")
    revoked = mapping_of(device.get("revoked"))
    notes = mapping_of(device.get("notes"))
    new_key = device.get(NEW_KEY) is True
    replaced = text_of(device.get("replaced_key")).strip()
    made = device.get("existing")
    existing = from_fact(interface, made) if isinstance(made, Mapping) else None
    addresses = _addresses(device.get("addresses"))
    underlay = _underlays(mapping_of(fact.get("underlay")))
    return Observation(
        underlay=underlay,
        persistence=str(persistence) if persistence in PERSISTENCE else "none",
        public_key="" if new_key else text_of(device.get("public_key")).strip(),
        addresses=existing.addresses if existing and not addresses else addresses,
        peers=_first_lines(text_of(device.get("peers"))),
        revoked={
            str(key): _one_line(name)
            for key, name in islice(revoked.items(), _REVOKED)
            if isinstance(key, str) and len(key) == _KEY_LENGTH
        },
        overlay=_one_line(notes.get(OVERLAY_NOTE)),
        new_key=new_key,
        port=_port(text_of(notes.get(PORT_NOTE))),
        replaced_key=replaced if is_public_key(replaced) else "",
        existing=existing,
        without_ipv6=device.get("without_ipv6") is True,
        left=_left(text_of(notes.get(LEFT_NOTE))),
        routed=() if underlay else _routed(fact, interface),
        groups=_one_line(notes.get(GROUPS_NOTE)),
    )


def _routed(fact: Mapping[str, Any], interface: str) -> tuple[str, ...]:
    found = {route.destination.family for route in network_routes(fact, {interface})}
    return tuple(name for family, name in FAMILIES.items() if family in found)


def without_predictions(fact: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a fact without keys that only a run in check mode predicts; a fact cache may hold those of an earlier one."""
    interfaces = mapping_of(fact.get("interfaces"))
    predicted = {name: device for name, device in interfaces.items() if NEW_KEY in mapping_of(device)}
    if not predicted:
        return fact
    known = {name: {**device, NEW_KEY: False} for name, device in predicted.items()}
    return {**fact, "interfaces": {**interfaces, **known}}


def cached_peers(observations: Mapping[str, Observation], names: Set[str]) -> dict[str, tuple[CachedPeer, ...]]:
    """Return what the observed hosts have cached of the named ones."""
    found: dict[str, list[CachedPeer]] = {name: [] for name in names}
    for reporter in sorted(observations) if names else ():
        lines: Counter[str] = Counter()
        for key, name, addresses, endpoint in _fields_about(observations[reporter], names):
            if name == reporter or not is_public_key(key):
                continue
            lines[name] += 1
            if lines[name] <= _LINES_ABOUT_ONE:
                found[name].append(CachedPeer(reporter, key, _listed_addresses(addresses), endpoint_or_none(endpoint)))
    return {name: tuple(cached) for name, cached in found.items()}


def _fields_about(observation: Observation, names: Set[str]) -> Iterator[list[str]]:
    """Yield what `peer_fields` does, of the named peers."""
    if len(names) > _FEW_NAMES:
        yield from (fields for fields in peer_fields(observation) if fields[1] in names)
        return
    for name in names:
        lines = _lines_with(observation.peers, f"\t{name}\t")
        yield from (fields for fields in _fields(lines) if fields[1] == name)


def _lines_with(text: str, part: str) -> Iterator[str]:
    at = text.find(part)
    while at >= 0:
        end = text.find("\n", at)
        end = end if end >= 0 else len(text)
        yield text[text.rfind("\n", 0, at) + 1 : end]
        at = text.find(part, end)


def peer_fields(observation: Observation | None) -> Iterator[list[str]]:
    """Yield public key, name, addresses and endpoint of the peers that an observed host has cached, all unparsed."""
    return _fields(observation.peers.split("\n") if observation is not None else ())


def _fields(lines: Iterable[str]) -> Iterator[list[str]]:
    parsed = (line.split("\t", 4) for line in lines if len(line) <= _PEER_LENGTH)
    return (fields for fields in parsed if len(fields) == 4)


def cached_names(observation: Observation | None) -> list[str]:
    """Return the names of the peers that an observed host has cached."""
    return [fields[1] for fields in peer_fields(observation)]


def names_of_key(observation: Observation, key: str) -> Iterator[str]:
    """Yield the names under which an observed host has cached a public key."""
    return (name for known, name, *_rest in _fields(_lines_with(observation.peers, f"{key}\t")) if known == key)


@lru_cache(_PARSED_TEXTS)
def endpoint_or_none(text: str) -> Endpoint | None:
    """Return the endpoint that a text names, None where it names none."""
    try:
        return parse_endpoint(text)
    except ValueError:
        return None


@lru_cache(_PARSED_TEXTS)
def is_public_key(text: str) -> bool:
    """Return whether a text is a valid public key, not one of low order."""
    try:
        decode_public_key(text)
    except ValueError:
        return False
    return True


def _left(text: str) -> dict[str, tuple[Address, ...]]:
    lines = (line.split("\t") for line in text[:_LEFT_LENGTH].split("\n", _LEFT)[:_LEFT])
    named = (fields for fields in lines if len(fields) == 2)
    return {name: _addresses(addresses.split(",", _ADDRESSES)) for name, addresses in named}


def _port(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536 else 0


def _first_lines(text: str) -> str:
    """Return a text within the bounds of known peers."""
    bounded = text[:_PEERS_LENGTH]
    return bounded if bounded.count("\n") < _PEERS else "\n".join(bounded.split("\n", _PEERS)[:_PEERS])


def _one_line(value: object) -> str:
    """Return a text for a message or a file, "" if it is long or has control characters."""
    text = text_of(value)
    return text if len(text) <= _TEXT_LENGTH and text.isprintable() else ""


def _addresses(value: object) -> tuple[Address, ...]:
    entries = value if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else ()
    return tuple(_valid_addresses(islice(entries, _ADDRESSES)))


@lru_cache(_PARSED_TEXTS)
def _listed_addresses(text: str) -> tuple[Address, ...]:
    return _addresses(text.split(",", _ADDRESSES))


def _valid_addresses(entries: Iterable[object]) -> Iterator[Address]:
    for entry in entries:
        if not isinstance(entry, (str, Address)) or len(entry) > _ADDRESS_LENGTH:
            continue
        try:
            yield parse_address(str(entry))
        except ValueError:
            continue


def _underlays(value: Mapping[str, Any]) -> dict[str, Underlay]:
    found = {}
    for family in FAMILIES.values():
        link = mapping_of(value.get(family))
        address, mtu = text_of(link.get("address")), link.get("mtu")
        if FAMILIES.get(address_family(address) or 0) == family:
            known = isinstance(mtu, int) and not isinstance(mtu, bool) and _SMALLEST_MTU <= mtu <= _LARGEST_MTU
            found[family] = Underlay(address, int(mtu) if known else None)  # type: ignore[arg-type]
    return found
