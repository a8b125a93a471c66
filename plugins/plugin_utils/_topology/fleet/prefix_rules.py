# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on addresses, networks and allowed IPs: on one interface, every prefix belongs to one peer.

WireGuard silently moves a prefix to the last peer that is configured with it (wg(8), allowed-ips).
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ....module_utils._ip.prefix import Address, Prefix
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, host_list, possessive
from ..plan_model.fleet import StaticPeer
from .addressing import is_host_address
from .member import Fleet, Member
from .settings import Settings


class Route(NamedTuple):
    """An allowed IP: the prefix, its owner (the name of a member or of an unmanaged peer), and the variable."""

    prefix: Prefix
    owner: str
    variable: str


def violations(fleet: Fleet) -> Iterator[Problem]:
    """Yield problems of prefixes."""
    for member in fleet.resolved:
        yield from _own_networks(fleet, member)
        yield from _explicit(fleet, member)
        yield from _sites(fleet, member)
        yield from _default_routes(fleet, member)
    yield from _duplicate_addresses(fleet)
    yield from _identical(fleet)


def warnings(fleet: Fleet) -> Iterator[Problem]:
    """Yield prefixes inside those of another peer. The longer one wins, which can be intended."""
    members = _member_routes(fleet)
    index = PrefixIndex((route.prefix, route) for route in members)
    inner: dict[Route, set[str]] = {}
    for route in members:
        _note_around(inner, index, route)
    for outer, owners in inner.items():
        yield Problem(outer.owner, outer.variable, _containing(outer, owners))
    for statics, hosts in static_groups(fleet):
        for text in _nested_statics(_static_routes(fleet, statics), index, hosts):
            yield from (Problem(host, fleet.prefix + "static_peers", text) for host in hosts)


def _nested_statics(statics: list[Route], members: PrefixIndex[Route], hosts: list[str]) -> Iterator[str]:
    """Yield warnings about unmanaged peers whose prefixes contain, or are inside, those of others.

    hosts: those that have the peers. A host that is the only one announces networks of its peers to the other members.
    """
    own = PrefixIndex((route.prefix, route) for route in statics)
    inner: dict[Route, set[str]] = {}
    for route in statics:
        _note_around(inner, members, route)
        _note_around(inner, own, route)
        owners = {found.owner for found in members.inside(route.prefix)}
        if owners:
            inner.setdefault(route, set()).update(owners)
    for outer, owners in inner.items():
        if [outer.owner] != hosts and owners != set(hosts):
            yield _containing(outer, owners)


def _note_around(inner: dict[Route, set[str]], index: PrefixIndex[Route], route: Route) -> None:
    found = index.around(route.prefix)
    if found and found[1].owner != route.owner:
        inner.setdefault(found[1], set()).add(route.owner)


def _containing(outer: Route, owners: set[str]) -> str:
    return f"{outer.prefix} of {outer.owner!r} contains allowed IPs of {host_list(owners)}; the longer prefix wins"


def static_groups(fleet: Fleet) -> list[tuple[tuple[StaticPeer, ...], list[str]]]:
    """Return the different lists of unmanaged peers, each with its hosts; usually there is one."""
    groups: dict[tuple[StaticPeer, ...], list[str]] = {}
    for member in fleet.resolved:
        groups.setdefault(member.settings.static_peers, []).append(member.name)
    return list(groups.items())


def _own_networks(fleet: Fleet, member: Member) -> Iterator[Problem]:
    networks = member.settings.network
    for index, one in enumerate(networks):
        for other in networks[index + 1 :]:
            if one.contains(other) or other.contains(one):
                yield Problem(member.name, fleet.prefix + "network", f"{one} and {other} overlap")
    # A topology with another variable for networks has no overlay addresses.
    has_overlay = fleet.networks_variable == "networks" and not member.settings.refused & {"network", "addresses"}
    if has_overlay and not member.addresses and not networks and not member.settings.networks:
        remedy = f"set {fleet.prefix}network, or {fleet.prefix}addresses for each host"
        yield Problem(member.name, fleet.prefix + "network", f"the host has no overlay address; {remedy}")


def _explicit(fleet: Fleet, member: Member) -> Iterator[Problem]:
    for address in member.settings.addresses:
        reason = _misplaced(address, member.settings, fleet.prefix)
        if reason:
            yield Problem(member.name, fleet.prefix + "addresses", reason)


def _misplaced(address: Address, settings: Settings, prefix: str) -> str:
    networks = settings.network
    around = [network for network in networks if network.contains(address.host)]
    if networks and not around and "network" not in settings.refused:
        return f"{address} is outside {prefix}network ({', '.join(map(str, networks))})"
    for network in around or [address.network]:
        if not is_host_address(network, address):
            return f"{address} is the network or broadcast address of {network}; choose a host address"
        if address.length < network.length:
            return f"{address} has a shorter prefix than {network}; write it with /{network.length}"
    return ""


def _sites(fleet: Fleet, member: Member) -> Iterator[Problem]:
    for site in member.settings.networks:
        # A default route is reported as one, and an address of a static peer may be announced.
        is_checked = site.length and all(site not in peer.allowed_ips for peer in member.settings.static_peers)
        for network in member.settings.network if is_checked or site in member.settings.network else ():
            if site.contains(network) or network.contains(site):
                yield Problem(
                    member.name,
                    fleet.prefix + fleet.networks_variable,
                    f"{site} overlaps the overlay's own network {network}; list only networks behind the host",
                )


def _default_routes(fleet: Fleet, member: Member) -> Iterator[Problem]:
    for site in member.settings.networks:
        if not site.length:
            text = (
                f"{site} would send all traffic of other hosts into one tunnel; list only the networks behind this host"
            )
            yield Problem(member.name, fleet.prefix + fleet.networks_variable, text)
    for peer in member.settings.static_peers if member.settings.routes else ():
        for prefix in peer.allowed_ips:
            if not prefix.length:
                text = (
                    f"{prefix} would send all traffic into one tunnel; list only the networks behind the peer, or set "
                    f"{fleet.prefix}routes to false and add the routes yourself"
                )
                yield Problem(member.name, fleet.prefix + "static_peers", text)


def _duplicate_addresses(fleet: Fleet) -> Iterator[Problem]:
    # Allocated addresses cannot collide. The allocation reports collisions with explicit ones.
    first: dict[bytes, str] = {}
    for member in fleet.resolved:
        for address in member.settings.addresses:
            other = first.setdefault(address.packed, member.name)
            if other != member.name:
                text = f"{address.bare} is also {possessive(other)}; give one of them another address"
                yield Problem(member.name, fleet.prefix + "addresses", text)


def _member_routes(fleet: Fleet) -> list[Route]:
    routes = []
    for member in fleet.members:
        routes += [Route(address.host, member.name, fleet.prefix + "addresses") for address in member.addresses]
        routes += [
            Route(site, member.name, fleet.prefix + fleet.networks_variable) for site in member.settings.networks
        ]
    return routes


def _static_routes(fleet: Fleet, peers: Iterable[StaticPeer]) -> list[Route]:
    return [
        Route(prefix, peer.name or peer.public_key, fleet.prefix + "static_peers")
        for peer in peers
        for prefix in peer.allowed_ips
    ]


def _identical(fleet: Fleet) -> Iterator[Problem]:
    owners: dict[Prefix, Route] = {}
    addresses = fleet.prefix + "addresses"
    for route in sorted(_member_routes(fleet), key=lambda route: route[1:]):
        other = owners.setdefault(route.prefix, route)
        if other.owner != route.owner and not other.variable == route.variable == addresses:
            text = _shared(str(route.prefix), other.owner)
            if (
                route.variable == other.variable == fleet.prefix + "networks"
                and fleet.members[0].settings.network == ()
            ):
                text += f"; the network of the overlay itself is {fleet.prefix}network, which is not set"
            yield Problem(route.owner, route.variable, text)
    for statics, hosts in static_groups(fleet):
        own: dict[Prefix, Route] = {}
        for route in _static_routes(fleet, statics):
            other = owners.get(route.prefix) or own.setdefault(route.prefix, route)
            if other != route:
                text = _shared(f"{route.prefix} of {route.owner!r}", other.owner)
                # A member is no peer of itself, so it can announce what its static peer has.
                announcer = other.owner if other.variable == fleet.prefix + fleet.networks_variable else ""
                yield from (Problem(host, route.variable, text) for host in hosts if host != announcer)


def _shared(what: str, owner: str) -> str:
    return f"{what} is also {possessive(owner)}; a prefix can belong to one peer only"
