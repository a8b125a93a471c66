# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on networks that hosts have by themselves: no route of the overlay takes one.

The kernel prefers the longer prefix, and of equal ones the lower metric. So a route of the overlay to the same network,
or to a part of it, can take a host's LAN, or lose to it, and the destination is then not reached. A network that only
contains a LAN is correct: the LAN has the longer prefix. A path to a network through a gateway is not a LAN: a longer
prefix inside it is the purpose of an overlay, and only a route to the same network conflicts.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from socket import AF_INET6
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, agree, host_list
from .member import Fleet, Member
from .network_routes import NetworkRoute
from .prefix_rules import static_groups

_NAMED = 3

# The kernel's metric for an IPv6 route without one (linux/ipv6_route.h, IP6_RT_PRIO_USER).
_IPV6_METRIC = 1024

Reaches = Callable[[Member, str], bool]
MetricOf = Callable[[Member], int]


class Destination(NamedTuple):
    """A prefix that hosts route into the overlay.

    owner: the member or unmanaged peer that is reached there. hosts: those whose `variable` has it.
    """

    prefix: Prefix
    owner: str
    hosts: tuple[str, ...]
    variable: str
    is_static: bool = False


class _Conflict(NamedTuple):
    destination: Destination
    route: NetworkRoute


def violations(
    fleet: Fleet,
    own_routes: Mapping[str, Sequence[NetworkRoute]],
    metric_of: MetricOf = lambda _member: 0,
    reaches: Reaches = lambda _member, _owner: True,
) -> Iterator[Problem]:
    """Yield the routes of the overlay that conflict with networks that hosts have by themselves.

    own_routes: by host, without those of the plan's own interfaces. metric_of: the metric of a member's routes, 0
    for the kernel's default.
    reaches: whether a member has routes to another one.
    """
    statics = {host: index for index, hosts in _static_indexes(fleet) for host in hosts}
    members = PrefixIndex((one.prefix, one) for one in _member_destinations(fleet))
    conflicts: dict[_Conflict, list[str]] = {}
    for member in fleet.resolved:
        yield from _excepted_networks(fleet, member)
        for route in own_routes.get(member.name, ()):
            taken = _overlay_network(member, route)
            if taken is not None:
                yield Problem(member.name, fleet.prefix + "network", _network_text(taken, route))
                continue
            if member.settings.routes:
                for index in (members, statics.get(member.name)):
                    found = _conflicting(index, route, member, metric_of, reaches) if index else ()
                    for destination in islice(found, _NAMED):
                        conflicts.setdefault(_Conflict(destination, route), []).append(member.name)
    for conflict, names in conflicts.items():
        text = _conflict_text(fleet, conflict, names)
        yield from (Problem(host, conflict.destination.variable, text) for host in conflict.destination.hosts)


def _member_destinations(fleet: Fleet) -> Iterator[Destination]:
    for member in fleet.members:
        for address in member.addresses:
            yield Destination(address.host, member.name, (member.name,), fleet.prefix + "addresses")
        for site in member.settings.networks:
            yield Destination(site, member.name, (member.name,), fleet.prefix + fleet.networks_variable)


def _static_indexes(fleet: Fleet) -> Iterator[tuple[PrefixIndex[Destination], list[str]]]:
    for statics, hosts in static_groups(fleet):
        found = [
            Destination(prefix, peer.name or peer.public_key, tuple(hosts), fleet.prefix + "static_peers", True)
            for peer in statics
            for prefix in peer.allowed_ips
        ]
        if found:
            yield PrefixIndex((one.prefix, one) for one in found), hosts


def _excepted_networks(fleet: Fleet, member: Member) -> Iterator[Problem]:
    for excepted in member.settings.routes_except:
        for network in _overlay_networks(member):
            if excepted.contains(network):
                text = f"{excepted} has the overlay's own network {network}; list networks behind other hosts only"
                yield Problem(member.name, fleet.prefix + "routes_except", text)


def _overlay_networks(member: Member) -> set[Prefix]:
    on_link = (address.network for address in member.addresses if address.length < len(address.packed) * 8)
    return {*member.settings.network, *on_link}


def _overlay_network(member: Member, route: NetworkRoute) -> Prefix | None:
    """Return the overlay's network that conflicts with a host's own route."""
    for network in sorted(_overlay_networks(member)):
        if network == route.destination or (route.is_connected and route.destination.contains(network)):
            return network
    return None


def _conflicting(
    index: PrefixIndex[Destination], route: NetworkRoute, member: Member, metric_of: MetricOf, reaches: Reaches
) -> Iterator[Destination]:
    """Yield the destinations that conflict with a host's own route."""
    same = index.exact(route.destination)
    ours = metric_of(member) or (_IPV6_METRIC if route.destination.family == AF_INET6 else 0)
    if same is not None and not route.is_connected and ours > route.metric:
        same = None  # the host's own path comes first, and the overlay is the second one
    candidates: Iterable[Destination] = [same] if same is not None else []
    if route.is_connected:
        candidates = (*candidates, *_parts(index, route.destination))
    for one in candidates:
        excepted = any(network.contains(one.prefix) for network in member.settings.routes_except)
        is_own = one.owner == member.name and not one.is_static
        if not excepted and not is_own and (one.is_static or reaches(member, one.owner)):
            yield one


def _parts(index: PrefixIndex[Destination], network: Prefix) -> Iterator[Destination]:
    for one in index.inside(network):
        # A single address of an unmanaged peer is no network: a host can be the ARP proxy of a peer in its LAN.
        if not (one.is_static and one.prefix.length == len(one.prefix.packed) * 8):
            yield one


def _network_text(network: Prefix, route: NetworkRoute) -> str:
    what = f"{network} is" if network == route.destination else f"{network} is inside"
    return f"{what} a network that this host has by itself, {route.label}; choose another network for the overlay"


def _conflict_text(fleet: Fleet, conflict: _Conflict, names: Collection[str]) -> str:
    destination, route = conflict
    hosts, by_itself = host_list(names), agree(names, "has by itself", "have by themselves")
    of = f" of {destination.owner!r}" if destination.is_static else ""
    inside = "" if destination.prefix == route.destination else "inside "
    found = f"{destination.prefix}{of} is {inside}a network that {hosts} {by_itself}, {route.label}"
    if destination.variable == fleet.prefix + "addresses":
        return f"{found}; choose an address, or a network for the overlay, outside of it"
    keep = agree(names, "is to keep its own", "are to keep their own")
    return (
        f"{found}; use other addresses for one of them, or, if {hosts} {keep}, "
        f"set {fleet.prefix}routes_except to [{destination.prefix}] there, and no route is added"
    )
