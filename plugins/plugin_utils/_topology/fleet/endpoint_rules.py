# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on endpoints: the endpoint of a tunnel must not be inside a tunnel.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix
from ....module_utils._wireguard.endpoint import Endpoint
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, agree, host_list, possessive
from .endpoints import BOTH, NAME, address_of, kind_of
from .member import Fleet, Member
from .prefix_rules import static_groups
from .settings import AUTO, any_port, is_loopback, with_port
from .silent_pairs import silent_pairs

_NAMED = 5
_LABELS = {"ipv4": "IPv4", "ipv6": "IPv6", NAME: "a name"}


class _Tunnelled(NamedTuple):
    """A prefix inside a tunnel. variable, hosts: where it is announced; no hosts for addresses of the overlay itself."""

    prefix: Prefix
    owner: str
    variable: str = ""
    hosts: tuple[str, ...] = ()


class _Used(NamedTuple):
    """An endpoint of `owner`, which a host has in a variable. sender: the only host that sends there, None for several."""

    host: str
    variable: str
    endpoint: Endpoint
    owner: str
    sender: Member | None = None


def violations(fleet: Fleet) -> Iterator[Problem]:
    """Yield problems of endpoints."""
    for member in fleet.resolved:
        yield from _family(fleet, member)
    yield from _looped(fleet)
    yield from _own(fleet)
    yield from _overrides(fleet)
    yield from _duplicates(fleet)


def unreached(member: Member, port: int, variable: str) -> Iterator[Problem]:
    """Yield an endpoint of the inventory on a host whose port is 0. port: that of the interface which is reached there."""
    endpoint = member.settings.endpoint
    if isinstance(endpoint, Endpoint) and not port and "port" not in member.settings.refused:
        yield Problem(member.name, variable, any_port(str(endpoint)))


def warnings(fleet: Fleet) -> Iterator[Problem]:
    """Yield one warning for all pairs in which neither end has an endpoint of the other."""
    silent = silent_pairs(fleet, _NAMED)
    if not silent.count:
        return
    shown = ", ".join(f"{one!r} and {other!r}" for one, other in silent.first)
    more = f" and {silent.count - _NAMED} more pairs" if silent.count > _NAMED else ""
    text = f"neither end has an endpoint of the other, so no tunnel comes up between {shown}{more}"
    # Such a host has no endpoint, because nobody knows its port.
    any_ports = [
        m.name for m in fleet.members if m.name in silent.names and not m.settings.port and m.settings.endpoint == AUTO
    ]
    name, variable = (any_ports[0], "port") if any_ports else (silent.first[0][0], "endpoint")
    if any_ports:
        text += f"; the port of {host_list(any_ports)} is 0 (any), so they have no endpoint: set {fleet.prefix}port for them"
    ends = [member for member in fleet.members if member.name in silent.first[0]]
    if not any_ports and any(end.endpoints for end in ends):
        remedy = f"set {fleet.prefix}endpoint of one to an address or name that the other reaches"
        text += f"; {' and '.join(map(_reach, ends))}: {remedy}"
    yield Problem(name, fleet.prefix + variable, text)


def _reach(member: Member) -> str:
    """Return the families in which a member reaches others, and those of its endpoints."""
    reaches = " and ".join(_LABELS[family] for family in member.families) or "neither IPv4 nor IPv6"
    offers = " and ".join(_LABELS[kind_of(endpoint.host)] for endpoint in member.endpoints.known)
    return f"{member.name!r} reaches {reaches} and has {f'an endpoint of {offers}' if offers else 'no endpoint'}"


class _Tunnels:
    """The prefixes inside tunnels."""

    def __init__(self, fleet: Fleet) -> None:
        self._index = PrefixIndex((one.prefix, one) for one in _tunnelled(fleet))

    def around(self, host: str) -> _Tunnelled | None:
        """Return the prefix inside a tunnel that holds an address."""
        address = address_of(host)
        if address is None or "%" in host:
            return None
        around = self._index.around(address)
        return self._index.exact(address) or (around[1] if around else None)


def _tunnelled(fleet: Fleet) -> Iterator[_Tunnelled]:
    routing = [member.name for member in fleet.members if member.settings.routes][:2]
    variable = fleet.prefix + fleet.networks_variable
    for member in fleet.members:
        for address in member.addresses:
            yield _Tunnelled(address.host, f"{possessive(member.name)} overlay address")
        for network in member.settings.network:
            yield _Tunnelled(network, "the overlay's own network")
        if any(name != member.name for name in routing):
            for site in member.settings.networks:
                # Default routes are reported by prefix_rules.
                if site.length:
                    yield _Tunnelled(site, member.name, variable, (member.name,))
    for statics, hosts in static_groups(fleet):
        for peer in statics:
            for prefix in peer.allowed_ips:
                # Default routes are reported by prefix_rules, or routed by the administrator.
                if prefix.length:
                    owner = peer.name or peer.public_key
                    yield _Tunnelled(prefix, owner, fleet.prefix + "static_peers", tuple(hosts))


def _used(fleet: Fleet) -> Iterator[_Used]:
    """Yield the endpoints of members and static peers, and those of overrides that can be used."""
    for member in fleet.resolved:
        for endpoint in member.endpoints.known:
            yield _Used(member.name, fleet.prefix + "endpoint", endpoint, member.name)
    for statics, hosts in static_groups(fleet):
        for peer in statics:
            if peer.endpoint is not None:
                for host in hosts:
                    yield _Used(host, fleet.prefix + "static_peers", peer.endpoint, peer.name or peer.public_key)
    ports = {member.name: member.settings.port for member in fleet.members}
    for member in fleet.resolved:
        for name, view in member.settings.peer_overrides.items():
            if view.endpoint is not None and (view.endpoint.port or ports.get(name)):
                endpoint = with_port(view.endpoint, ports.get(name, 0))
                yield _Used(member.name, fleet.prefix + "peer_overrides", endpoint, name, member)


def _looped(fleet: Fleet) -> Iterator[Problem]:
    """Yield the endpoints inside of the overlay, and the announced networks with endpoints: once each, where it is announced."""
    tunnels = _Tunnels(fleet)
    announced: dict[_Tunnelled, list[_Used]] = {}
    for used in _used(fleet):
        around = tunnels.around(used.endpoint.host)
        if around is None:
            continue
        if around.hosts:
            if used.sender is None or _is_routed(used.sender, around):
                announced.setdefault(around, []).append(used)
            continue
        inside = f"{used.endpoint} is inside the tunnel, in {around.prefix} ({around.owner})"
        yield Problem(used.host, used.variable, f"{inside}; use an address of the underlay")
    for network, inner in announced.items():
        yield from (Problem(host, network.variable, _containing(network, inner)) for host in network.hosts)


def _own(fleet: Fleet) -> Iterator[Problem]:
    """Yield the endpoints of peers on a host that are its own: it would send the packets of the tunnel to itself."""
    own = {member.name: _own_endpoints(member) for member in fleet.resolved}
    for used in _used(fleet):
        if used.owner != used.host and used.endpoint in own[used.host]:
            text = f"{used.endpoint} of {used.owner!r} is the endpoint of this host itself; write that of the peer"
            yield Problem(used.host, used.variable, text)


def _own_endpoints(member: Member) -> set[Endpoint]:
    links = member.observation.underlay.values() if member.observation else ()
    own = {Endpoint(link.address, member.settings.port) for link in links if member.settings.port}
    return {*own, *member.endpoints.known}


def _is_routed(sender: Member, network: _Tunnelled) -> bool:
    """Return whether a host routes an announced network into a tunnel."""
    settings = sender.settings
    if not settings.routes or any(one.contains(network.prefix) for one in settings.routes_except):
        return False
    return sender.name != network.owner if network.hosts == (network.owner,) else sender.name in network.hosts


def _containing(network: _Tunnelled, inner: Iterable[_Used]) -> str:
    endpoints = sorted({f"{used.endpoint} of {used.owner!r}" for used in inner})
    shown = ", ".join(endpoints[:_NAMED])
    more = f" and {len(endpoints) - _NAMED} more" if len(endpoints) > _NAMED else ""
    variables = " or ".join(sorted({used.variable for used in inner}))
    whose = "" if network.hosts == (network.owner,) else f" of {network.owner!r}"
    return (
        f"{network.prefix}{whose} contains the {agree(endpoints, 'endpoint', 'endpoints')} {shown}{more}, so packets to "
        f"{agree(endpoints, 'it', 'them')} would be routed into the tunnel to {network.owner!r}; list smaller networks without "
        f"{agree(endpoints, 'this address', 'these addresses')}, or set another address in {variables}"
    )


def _family(fleet: Fleet, member: Member) -> Iterator[Problem]:
    endpoint, family = member.settings.endpoint, member.settings.endpoint_family
    if isinstance(endpoint, Endpoint) and family in BOTH and kind_of(endpoint.host) in set(BOTH) - {family}:
        text = f"{endpoint} contradicts {fleet.prefix}endpoint_family, which is {family}"
        yield Problem(member.name, fleet.prefix + "endpoint", text)


def _overrides(fleet: Fleet) -> Iterator[Problem]:
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
                text = f"{host_list([name])}: {endpoint} is loopback; write the address or name at which this host reaches it"
                yield Problem(member.name, variable, text)


def _duplicates(fleet: Fleet) -> Iterator[Problem]:
    first: dict[Endpoint, str] = {}
    for member in fleet.resolved:
        for endpoint in member.endpoints.known:
            other = first.setdefault(endpoint, member.name)
            if other != member.name:
                remedy = f"set {fleet.prefix}endpoint or {fleet.prefix}port for one of them"
                text = f"{endpoint} is also {possessive(other)} endpoint; {remedy}"
                yield Problem(member.name, fleet.prefix + "endpoint", text)
