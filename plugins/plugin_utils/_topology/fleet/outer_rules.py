# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on outer addresses: a host that sends packets of a tunnel to an address must not route it into a tunnel.

endpoint_rules.py has the rules on endpoints that are configured or offered. A host without an endpoint has an outer address
too: its own, or the one of its NAT, which its peers see.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix, parse_prefix
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, agree, host_list
from .endpoints import address_of
from .member import Fleet, Member
from .network_routes import NetworkRoute
from .prefix_rules import static_groups

# Addresses that a NAT gateway replaces (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291).
_PRIVATE = [
    parse_prefix(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
]
# Of the other members of a mesh, this many are checked as senders: they have the same routes, but not the same networks.
_SENDERS = 20


class OuterAddress(NamedTuple):
    """An address to which others send the packets of a host's tunnels.

    senders: those others. seen_by: the member that sees the host there, "" for an address that the host reports itself.
    """

    host: str
    address: Prefix
    senders: tuple[str, ...]
    seen_by: str = ""


class _Routed(NamedTuple):
    """A network that is routed into a tunnel: its owner, the variable, and the hosts with routes to it, None for all."""

    prefix: Prefix
    owner: str
    variable: str
    hosts: tuple[str, ...] | None = None


def is_private(address: Prefix) -> bool:
    """Return whether an address is one that a NAT gateway replaces."""
    return any(network.contains(address) for network in _PRIVATE)


def own_addresses(member: Member) -> Iterator[Prefix]:
    """Yield the underlay addresses that a member reports, without its endpoints, which have rules of their own."""
    endpoints = {address_of(endpoint.host) for endpoint in member.endpoints.known}
    for link in member.observation.underlay.values() if member.observation else ():
        address = address_of(link.address)
        if address is not None and address not in endpoints:
            yield address


def mesh_addresses(fleet: Fleet) -> Iterator[OuterAddress]:
    """Yield the outer addresses of the members of a mesh, without those that a NAT gateway may replace."""
    names = tuple(member.name for member in fleet.resolved)[: _SENDERS + 1]
    for member in fleet.resolved:
        for address in own_addresses(member):
            if not is_private(address):
                yield OuterAddress(member.name, address, tuple(name for name in names if name != member.name))


def violations(
    fleet: Fleet, addresses: Iterable[OuterAddress], own_routes: Mapping[str, Sequence[NetworkRoute]]
) -> Iterator[Problem]:
    """Yield the networks with an outer address that its senders route into a tunnel. own_routes: as in network_rules."""
    for outer, routed, senders in _captured(fleet, addresses, own_routes):
        seen = f"as {outer.seen_by!r} sees it" if outer.seen_by else "which it reports"
        itself = " itself" if routed.owner == outer.host else ""
        text = (
            f"{routed.prefix} contains the outer address {outer.address.bare} of {outer.host!r}, {seen}; {host_list(senders)} "
            f"would route the packets of the tunnel to {outer.host!r} into the tunnel{itself}; list longer networks, without "
            "this address"
        )
        yield from (Problem(host, routed.variable, text) for host in routed.hosts or (routed.owner,))


def warnings(
    fleet: Fleet, addresses: Iterable[OuterAddress], own_routes: Mapping[str, Sequence[NetworkRoute]]
) -> Iterator[Problem]:
    """Yield the same for addresses of which nobody knows whether a NAT gateway replaces them."""
    for outer, routed, senders in _captured(fleet, addresses, own_routes):
        those = f"{host_list(senders)} {agree(senders, 'sees', 'see')}"
        text = (
            f"{routed.prefix} contains the address {outer.address.bare} of {outer.host!r}; if {those} it "
            "there, and not behind NAT, the tunnel is routed into itself; then list longer networks, without this address"
        )
        yield from (Problem(host, routed.variable, text) for host in routed.hosts or (routed.owner,))


def _captured(
    fleet: Fleet, addresses: Iterable[OuterAddress], own_routes: Mapping[str, Sequence[NetworkRoute]]
) -> Iterator[tuple[OuterAddress, _Routed, list[str]]]:
    index = PrefixIndex((one.prefix, one) for one in _routed(fleet))
    members = {member.name: member for member in fleet.resolved}
    for outer in addresses:
        exact, around = index.exact(outer.address), index.around(outer.address)
        routed = exact or (around[1] if around else None)
        if routed is None:
            continue
        senders = [
            name
            for name in outer.senders
            if name in members and _is_sent_into_it(members[name], routed, outer.address, own_routes.get(name, ()))
        ]
        if senders:
            yield outer, routed, senders


def _routed(fleet: Fleet) -> Iterator[_Routed]:
    for member in fleet.members:
        for site in member.settings.networks:
            yield _Routed(site, member.name, fleet.prefix + fleet.networks_variable)
    for statics, hosts in static_groups(fleet):
        for peer in statics:
            for prefix in peer.allowed_ips:
                if prefix.length:  # default routes are routed by the administrator
                    yield _Routed(prefix, peer.name or peer.public_key, fleet.prefix + "static_peers", tuple(hosts))


def _is_sent_into_it(sender: Member, routed: _Routed, address: Prefix, own_routes: Sequence[NetworkRoute]) -> bool:
    """Return whether a sender has the route to a network, and none of its own with a longer prefix."""
    settings = sender.settings
    if not settings.routes or sender.name == routed.owner or sender.name not in (routed.hosts or (sender.name,)):
        return False
    if any(network.contains(routed.prefix) for network in settings.routes_except):
        return False
    return not any(
        one.destination.length > routed.prefix.length and one.destination.contains(address) for one in own_routes
    )
