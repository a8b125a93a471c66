# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Kubernetes node says of itself: the part `node` of the fact of `overlay_facts`, read with care.

A fact comes from a host, so nothing in it is trusted to have the right shape. This plugin util is private to the
collection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import (
    Address,
    Prefix,
    parse_address,
    parse_prefix,
)

T = TypeVar("T")

AF = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
FAMILY_NAMES = {4: "ipv4", 6: "ipv6"}
PART = "node"
# Off, strict, loose (networking/ip-sysctl.rst).
RP_FILTERS = ("0", "1", "2")


class Interface(NamedTuple):
    """An interface with the addresses that others can reach. ours: it belongs to an overlay of this collection."""

    name: str
    number: int
    kind: str
    ours: bool
    up: bool
    mtu: int | None
    addresses: tuple[Address, ...]


class Route(NamedTuple):
    """A route of the main table that no other node takes part in."""

    destination: Prefix
    type: str
    interface: str
    protocol: int


class Subnet(NamedTuple):
    """What a plugin gives out: a subnet as it was written, and the first and last address where it is not all of it."""

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
    """All of it.

    can_reach: by destination and family (4, 6) the source address that the kernel chose. rp_filter: by interface, and
    of "all", the value of that sysctl.
    """

    nodename: str = ""
    interfaces: tuple[Interface, ...] = ()
    routes: tuple[Route, ...] = ()
    cni_file: str = ""
    plugins: tuple[Plugin, ...] = ()
    flannel_subnets: tuple[Address, ...] = ()
    can_reach: Mapping[str, Mapping[int, str]] | None = None
    rp_filter: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def holder_of(self, address: Prefix) -> tuple[Interface, Address] | None:
        """Return the interface that has an address, preferably one that is up, and the address with its length."""
        for interface in sorted(self.interfaces, key=lambda entry: (not entry.up, entry.ours, entry.number)):
            for own in interface.addresses:
                if own.host == address:
                    return interface, own
        return None


def read_fact(fact: Mapping[str, Any] | None) -> HostFact | None:
    """Return what a host's fact says of it as a node, None where it was not asked."""
    part = fact.get(PART) if isinstance(fact, Mapping) else None
    if not isinstance(part, Mapping):
        return None
    configuration, flannel = _mapping(part.get("cni")), _mapping(part.get("flannel"))
    return HostFact(
        nodename=_text(part.get("nodename")),
        interfaces=tuple(_interfaces(part.get("interfaces"))),
        routes=tuple(_routes(part.get("routes"))),
        cni_file=_text(configuration.get("file")),
        plugins=tuple(_plugins(configuration.get("plugins"))),
        flannel_subnets=tuple(_parsed(flannel.get("subnets"), parse_address)),
        can_reach={str(to): _sources(found) for to, found in _mapping(part.get("can_reach")).items()},
        rp_filter={
            str(name): int(value) for name, value in _mapping(part.get("rp_filter")).items() if value in RP_FILTERS
        },
        notes=tuple(note for note in _listed(part.get("notes")) if isinstance(note, str)),
    )


def _interfaces(value: object) -> Iterator[Interface]:
    for entry in map(_mapping, _listed(value)):
        mtu, index = entry.get("mtu"), entry.get("index")
        yield Interface(
            _text(entry.get("name")),
            index if isinstance(index, int) else 0,
            _text(entry.get("kind")),
            entry.get("ours") is True,
            entry.get("up") is True,
            mtu if isinstance(mtu, int) and mtu > 0 else None,
            tuple(_parsed(entry.get("addresses"), parse_address)),
        )


def _routes(value: object) -> Iterator[Route]:
    for entry in map(_mapping, _listed(value)):
        protocol = entry.get("protocol")
        for destination in _parsed([entry.get("destination")], parse_prefix):
            yield Route(
                destination,
                _text(entry.get("type")),
                _text(entry.get("interface")),
                protocol if isinstance(protocol, int) else 0,
            )


def _plugins(value: object) -> Iterator[Plugin]:
    for entry in map(_mapping, _listed(value)):
        subnets = tuple(
            Subnet(*(_text(subnet.get(name)) for name in Subnet._fields))
            for subnet in map(_mapping, _listed(entry.get("subnets")))
        )
        yield Plugin(_text(entry.get("type")), _text(entry.get("bridge")), _text(entry.get("ipam")), subnets)


def _sources(value: object) -> dict[int, str]:
    found = _mapping(value)
    sources = {
        family: own for family, name in FAMILY_NAMES.items() for own in _parsed([found.get(name)], parse_address)
    }
    return {family: str(own).partition("/")[0] for family, own in sources.items() if own.family == AF[family]}


def _parsed(value: object, parse: Callable[[str], T]) -> Iterator[T]:
    for entry in _listed(value):
        try:
            yield parse(str(entry))
        except ValueError:
            continue


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else ""
