# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the part `node` of the fact of `overlay_prepare`.

A fact comes from a host, so its shape is not trusted. This plugin util is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from ...module_utils._ip.prefix import Address, Prefix, parse_address, parse_prefix
from .._untrusted import list_of, mapping_of, text_of

T = TypeVar("T")

AF = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
FAMILY_NAMES = {4: "ipv4", 6: "ipv6"}
PART = "node"
# Bounds on what one node reports: interfaces and routes, entries of smaller lists, characters of an address.
_MOST, _FEW, _ADDRESS_LENGTH = 10000, 100, 64


class Interface(NamedTuple):
    """An interface with its addresses that other hosts can reach. managed: by this collection.

    leased: those of its addresses with a lifetime, of DHCP or a router.
    """

    name: str
    number: int
    kind: str
    managed: bool
    up: bool
    mtu: int | None
    addresses: tuple[Address, ...]
    leased: tuple[Address, ...] = ()


class Route(NamedTuple):
    """A route of the main table without another node as gateway."""

    destination: Prefix
    type: str
    interface: str
    protocol: int


class Subnet(NamedTuple):
    """A subnet of a plugin as written, and first and last address if only a range is assigned."""

    subnet: str
    range_start: str
    range_end: str


class Plugin(NamedTuple):
    """One network plugin of the configuration in use."""

    type: str
    bridge: str
    ipam: str
    subnets: tuple[Subnet, ...]


@dataclass(frozen=True)
class HostFact:
    """The parsed fact.

    can_reach: the kernel's source address by destination and family (4, 6). gateway_interfaces: those by which routes lead
    through other hosts.
    """

    nodename: str = ""
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    cni_file: str = ""
    plugins: tuple[Plugin, ...] = ()
    flannel_subnets: tuple[Address, ...] = ()
    can_reach: Mapping[str, Mapping[int, Prefix]] | None = None
    notes: tuple[str, ...] = ()
    gateway_interfaces: tuple[str, ...] = ()

    def holder_of(self, address: Prefix) -> tuple[Interface, Address] | None:
        """Return the interface with an address, preferably one that is up, and the address with its prefix length."""
        for interface in sorted(self.interfaces, key=lambda entry: (not entry.up, entry.managed, entry.number)):
            for own in interface.addresses:
                if own.host == address:
                    return interface, own
        return None


def read_fact(fact: Mapping[str, Any] | None) -> HostFact | None:
    """Return the part `node` of a host's fact, None if it is missing."""
    part = fact.get(PART) if isinstance(fact, Mapping) else None
    if not isinstance(part, Mapping):
        return None
    configuration, flannel = mapping_of(part.get("cni")), mapping_of(part.get("flannel"))
    return HostFact(
        nodename=text_of(part.get("nodename")),
        interfaces=tuple(_interfaces(part.get("interfaces"))),
        routes=tuple(_routes(part.get("routes"))),
        cni_file=text_of(configuration.get("file")),
        plugins=tuple(_plugins(configuration.get("plugins"))),
        flannel_subnets=tuple(_parsed(flannel.get("subnets"), parse_address)),
        can_reach={str(to): _sources(found) for to, found in islice(mapping_of(part.get("can_reach")).items(), _FEW)},
        notes=tuple(note[:500] for note in list_of(part.get("notes"))[:_FEW] if isinstance(note, str)),
        gateway_interfaces=tuple(
            name for name in list_of(part.get("gateway_interfaces"))[:_MOST] if isinstance(name, str)
        ),
    )


def _interfaces(value: object) -> Iterator[Interface]:
    for entry in map(mapping_of, list_of(value)[:_MOST]):
        mtu, index = entry.get("mtu"), entry.get("index")
        yield Interface(
            text_of(entry.get("name")),
            index if isinstance(index, int) else 0,
            text_of(entry.get("kind")),
            entry.get("managed") is True,
            entry.get("up") is True,
            mtu if isinstance(mtu, int) and mtu > 0 else None,
            tuple(_parsed(entry.get("addresses"), parse_address)),
            tuple(_parsed(entry.get("leased"), parse_address)),
        )


def _routes(value: object) -> Iterator[Route]:
    for entry in map(mapping_of, list_of(value)[:_MOST]):
        protocol = entry.get("protocol")
        for destination in _parsed([entry.get("destination")], parse_prefix):
            yield Route(
                destination,
                text_of(entry.get("type")),
                text_of(entry.get("interface")),
                protocol if isinstance(protocol, int) else 0,
            )


def _plugins(value: object) -> Iterator[Plugin]:
    for entry in map(mapping_of, list_of(value)[:_FEW]):
        subnets = tuple(
            Subnet(*(text_of(subnet.get(name)) for name in Subnet._fields))
            for subnet in map(mapping_of, list_of(entry.get("subnets"))[:_FEW])
        )
        yield Plugin(text_of(entry.get("type")), text_of(entry.get("bridge")), text_of(entry.get("ipam")), subnets)


def _sources(value: object) -> dict[int, Prefix]:
    found = mapping_of(value)
    sources = {
        family: own for family, name in FAMILY_NAMES.items() for own in _parsed([found.get(name)], parse_address)
    }
    return {family: own.host for family, own in sources.items() if own.family == AF[family]}


def _parsed(value: object, parse: Callable[[str], T]) -> Iterator[T]:
    for entry in list_of(value)[:_FEW]:
        if not isinstance(entry, str) or len(entry) > _ADDRESS_LENGTH:
            continue
        try:
            yield parse(entry)
        except ValueError:
            continue
