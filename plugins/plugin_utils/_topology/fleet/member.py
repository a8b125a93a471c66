# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Members of a fleet during planning: settings, observations and what the planner decided for each.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ....module_utils._ip.prefix import Address, Prefix
from ....module_utils._wireguard.endpoint import Endpoint
from ..._problems import Problem
from ..plan_model.fleet import Absence, Endpoints, HostInput
from .endpoints import cached_endpoints, choose, families, offered, only_family
from .observation import CachedPeer, Observation, cached_names
from .settings import AUTO, Settings

_ANY = Endpoint("", 0)
_FACTS_FIRST = "gather its facts in a play before this one, which --limit has too, or write a value without facts"
_LATER = (
    "the host is of a later batch, so only its facts of the overlay are known; gather the others in a play of all hosts "
    "before this one"
)

# Families that a member uses, kinds of endpoint that it offers, and the family of its name. A fleet has few such classes,
# and is planned by class.
Reach = tuple[tuple[str, ...], bool, bool, bool, str]


@dataclass(frozen=True)
class Member:
    """One member. resolved: whether its variables could be evaluated, else unresolved has those that could not, with the reason.

    outside: whether it is not in this run. absence: why it is not changed, if it is not.

    refused: why what it reports, or others report of it, is refused; "" if nothing is. It is not resolved then, so the run
    does not change it, and others keep their state of it.
    """

    name: str
    settings: Settings
    observation: Observation | None
    public_key: str | None
    addresses: tuple[Address, ...]
    endpoints: Endpoints
    families: tuple[str, ...]
    resolved: bool = True
    outside: bool = False
    refused: str = ""
    absence: Absence = Absence.UNREACHABLE
    unresolved: Mapping[str, str] = field(default_factory=dict)

    @property
    def underlay_mtus(self) -> dict[str, int]:
        """Known underlay MTUs by address family."""
        underlay = self.observation.underlay if self.observation else {}
        return {family: link.mtu for family, link in underlay.items() if link.mtu is not None}

    @property
    def reach(self) -> Reach:
        """The member's class of reachability."""
        offers = self.endpoints
        return self.families, bool(offers.ipv4), bool(offers.ipv6), bool(offers.name), offers.name_family


@dataclass(frozen=True)
class Fleet:
    """All members that are not revoked, with the revoked keys and names.

    prefix: that of variables. networks_variable: the variable of networks behind a member, without the prefix.
    """

    members: Sequence[Member]
    prefix: str
    revoked: Mapping[str, str] = field(default_factory=dict)
    revoked_by: Mapping[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    networks_variable: str = "networks"

    @property
    def resolved(self) -> Iterator[Member]:
        """The members whose variables could be evaluated."""
        return (member for member in self.members if member.resolved)


def tunnel_kind(one: Reach, other: Reach) -> str:
    """Return the outer family of tunnels between members of two classes: "ipv4", "ipv6", "name", "" without endpoints."""
    return _uses(one, other) or _uses(other, one)  # pylint: disable=arguments-out-of-order  # both directions


def _uses(one: Reach, other: Reach) -> str:
    families, (_families, *offers, name_family) = one[0], other
    ipv4, ipv6, name = (_ANY if offered else None for offered in offers)
    return choose(families, Endpoints(ipv4, ipv6, name, name_family))[0]


def tunnel_kinds(fleet: Fleet) -> dict[str, frozenset[str]]:
    """Return the outer families of the tunnels of each member, in linear time."""
    sizes = Counter(member.reach for member in fleet.members)
    kinds: dict[Reach, frozenset[str]] = {}
    for one, size in sizes.items():
        others = (other for other in sizes if other != one or size > 1)
        kinds[one] = frozenset(tunnel_kind(one, other) for other in others)
    return {member.name: kinds[member.reach] for member in fleet.members}


def unresolved_problems(hosts: Iterable[HostInput], prefix: str) -> Iterator[Problem]:
    """Yield variables that cannot be evaluated on hosts with facts; on others they may depend on missing facts.

    Of a host outside of the run only the facts of the overlay are known, and it needs no plan of its own.
    """
    for host in hosts:
        if host.fact is not None and not host.outside:
            for variable, reason in host.unresolved.items():
                text = reason if host.reached or host.lost else f"{reason}; {_LATER}"
                yield Problem(host.name, prefix + variable, text)


def unresolved_newcomers(
    inputs: Mapping[str, HostInput],
    observations: Iterable[Mapping[str, Observation]],
    in_run: Collection[str],
    prefix: str,
    are_peers: Callable[[str, str], bool] = lambda _one, _other: True,
) -> Iterator[Problem]:
    """Yield the hosts outside of the run without whose variables a host of it would silently get no tunnel.

    Where a host has such a peer, it keeps it as it is. A host that cannot be reached prevents no other one. observations: of
    each device. are_peers: whether two hosts are to be peers.
    """
    unresolved = {name: host.unresolved for name, host in inputs.items() if host.outside and host.fact is not None}
    for name in sorted(in_run) if unresolved else ():
        stored = {peer for on_device in observations for peer in cached_names(on_device.get(name))}
        for other in unresolved:
            if other != name and other not in stored and are_peers(name, other):
                for variable, reason in unresolved[other].items():
                    text = (
                        f"{reason}; the host is not in this run, and {name!r} has no tunnel to it yet: {_FACTS_FIRST}"
                    )
                    yield Problem(other, prefix + variable, text)


def member_of(
    host: HostInput,
    settings: Settings,
    observation: Observation | None,
    public_key: str | None,
    addresses: tuple[Address, ...],
    cached: Sequence[CachedPeer],
    networks: Collection[Prefix],
) -> Member:
    """Return a member with its endpoints. networks: those of the overlay, which cannot hold endpoints."""

    def in_overlay(address: Prefix) -> bool:
        return any(network.contains(address) for network in networks)

    endpoints = offered(host.name, settings, host.ansible_host, observation, cached, in_overlay)
    return Member(
        host.name,
        settings,
        observation,
        public_key,
        addresses,
        endpoints,
        families(settings, endpoints, observation),
        not host.unresolved,
        host.outside,
        absence=host.absence,
        unresolved=host.unresolved,
    )


def without_refused(members: Iterable[Member], refused: Mapping[str, str]) -> list[Member]:
    """Return members, those that are refused without a key, so that others keep their state of them."""
    return [
        replace(member, public_key=None, resolved=False, refused=refused[member.name])
        if member.name in refused
        else member
        for member in members
    ]


def without_stale_endpoints(members: Sequence[Member], cached: Mapping[str, Sequence[CachedPeer]]) -> list[Member]:
    """Drop a cached endpoint of an unreachable member if another member has it now: addresses are reassigned.

    Its peers keep their current endpoint.
    """
    uses = Counter(endpoint for member in members for endpoint in member.endpoints.known)

    def is_stale(member: Member) -> bool:
        return (
            member.observation is None
            and any(uses[endpoint] > 1 for endpoint in member.endpoints.known)
            and member.settings.endpoint == AUTO
            and member.endpoints == cached_endpoints(cached.get(member.name, ()), only_family(member.settings))
        )

    return [replace(member, endpoints=Endpoints()) if is_stale(member) else member for member in members]
