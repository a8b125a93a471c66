# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on endpoints: the endpoint of a tunnel must not be inside a tunnel.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

from ....module_utils._ip.prefix import Prefix
from ....module_utils._wireguard.endpoint import Endpoint
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, host_list, possessive
from .endpoints import BOTH, address_of, kind_of
from .member import Fleet, Member, tunnel_kind
from .prefix_rules import static_groups
from .settings import is_loopback, with_port

_NAMED_PAIRS = 5


def violations(fleet: Fleet) -> Iterator[Problem]:
    """Yield problems of endpoints."""
    tunnels = _Tunnels(fleet)
    for member in fleet.resolved:
        yield from _family(fleet, member)
        for endpoint in member.endpoints.known:
            yield from _looped(tunnels, member.name, fleet.prefix + "endpoint", endpoint)
    for statics, hosts in static_groups(fleet):
        for peer in statics:
            if peer.endpoint:
                for host in hosts:
                    yield from _looped(tunnels, host, fleet.prefix + "static_peers", peer.endpoint)
    yield from _overrides(fleet, tunnels)
    yield from _duplicates(fleet)


def unreached(member: Member, port: int, variable: str) -> Iterator[Problem]:
    """Yield an endpoint of the inventory on a host whose port is 0. port: that of the interface which is reached there."""
    endpoint = member.settings.endpoint
    if isinstance(endpoint, Endpoint) and not port:
        text = (
            f"0 is any port, so packets to {endpoint} do not arrive; set the port to which they are sent on this host"
        )
        yield Problem(member.name, variable, text)


def warnings(fleet: Fleet) -> Iterator[Problem]:
    """Yield one warning for all pairs in which neither end has an endpoint of the other."""
    overridden = {
        frozenset((member.name, name))
        for member in fleet.members
        for name, view in member.settings.peer_overrides.items()
        if view.endpoint or view.no_endpoint
    }
    silent = [pair for pair in _silent_pairs(fleet) if frozenset(pair) not in overridden]
    if not silent:
        return
    shown = ", ".join(f"{one!r} and {other!r}" for one, other in sorted(silent)[:_NAMED_PAIRS])
    more = f" and {len(silent) - _NAMED_PAIRS} more pairs" if len(silent) > _NAMED_PAIRS else ""
    text = f"neither end has an endpoint of the other, so no tunnel comes up between {shown}{more}"
    yield Problem(sorted(silent)[0][0], fleet.prefix + "endpoint", text)


class _Tunnels:
    """The prefixes inside tunnels, with their owners."""

    def __init__(self, fleet: Fleet) -> None:
        self._index = PrefixIndex(_tunnelled(fleet))

    def around(self, host: str) -> str:
        """Return the prefix inside a tunnel that holds an address, with its owner; empty if there is none."""
        address = address_of(host)
        if address is None or "%" in host:
            return ""
        owner = self._index.exact(address)
        if owner is not None:
            return f"{address} ({owner})"
        found = self._index.around(address)
        return f"{found[0]} ({found[1]})" if found else ""


def _tunnelled(fleet: Fleet) -> Iterator[tuple[Prefix, str]]:
    routing = [member.name for member in fleet.members if member.settings.routes][:2]
    for member in fleet.members:
        for address in member.addresses:
            yield address.host, f"{possessive(member.name)} overlay address"
        for network in member.settings.network:
            yield network, "the overlay's own network"
        if any(name != member.name for name in routing):
            for site in member.settings.networks:
                yield site, f"behind {member.name!r}"
    for statics, _hosts in static_groups(fleet):
        for peer in statics:
            for prefix in peer.allowed_ips:
                # Default routes are reported by prefix_rules, or routed by the administrator.
                if prefix.length:
                    yield prefix, f"behind {peer.name or peer.public_key!r}"


def _looped(tunnels: _Tunnels, name: str, variable: str, endpoint: Endpoint) -> Iterator[Problem]:
    around = tunnels.around(endpoint.host)
    if around:
        text = f"{endpoint} is inside the tunnel, in {around}; use an address of the underlay"
        yield Problem(name, variable, text)


def _family(fleet: Fleet, member: Member) -> Iterator[Problem]:
    endpoint, family = member.settings.endpoint, member.settings.endpoint_family
    if isinstance(endpoint, Endpoint) and family in BOTH and kind_of(endpoint.host) in set(BOTH) - {family}:
        text = f"{endpoint} contradicts {fleet.prefix}endpoint_family, which is {family}"
        yield Problem(member.name, fleet.prefix + "endpoint", text)


def _overrides(fleet: Fleet, tunnels: _Tunnels) -> Iterator[Problem]:
    ports = {member.name: member.settings.port for member in fleet.members}
    variable = fleet.prefix + "peer_overrides"
    for member in fleet.resolved:
        for name, view in member.settings.peer_overrides.items():
            if view.endpoint is None or name not in ports:
                continue
            try:
                endpoint = with_port(view.endpoint, ports[name])
            except ValueError as error:
                yield Problem(member.name, variable, f"{host_list([name])}: {error}")
                continue
            if is_loopback(endpoint.host):
                yield Problem(member.name, variable, f"{host_list([name])}: {endpoint} is the loopback")
            else:
                yield from _looped(tunnels, member.name, variable, endpoint)


def _duplicates(fleet: Fleet) -> Iterator[Problem]:
    first: dict[Endpoint, str] = {}
    for member in fleet.resolved:
        for endpoint in member.endpoints.known:
            other = first.setdefault(endpoint, member.name)
            if other != member.name:
                remedy = f"set {fleet.prefix}endpoint or {fleet.prefix}port for one of them"
                text = f"{endpoint} is also {possessive(other)} endpoint; {remedy}"
                yield Problem(member.name, fleet.prefix + "endpoint", text)


def _silent_pairs(fleet: Fleet) -> Iterator[tuple[str, str]]:
    classes: dict[object, list[Member]] = {}
    for member in fleet.members:
        # A member with an unknown key has no tunnels, and a warning of its own.
        if member.public_key is not None:
            classes.setdefault(member.reach, []).append(member)
    groups: list[list[Member]] = list(classes.values())
    for one, other in combinations_with_replacement(groups, 2):
        if tunnel_kind(one[0].reach, other[0].reach):
            continue
        for left_index, left in enumerate(one):
            for right in other[left_index + 1 :] if one is other else other:
                yield (left.name, right.name) if left.name < right.name else (right.name, left.name)
