# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on endpoints: where a tunnel's own packets go must not lie in a tunnel.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import (
    Endpoint,
    address_family,
    parse_endpoint,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.prefix_index import PrefixIndex
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list, possessive
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import (
    BOTH,
    kind_of,
    override_endpoint,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import (
    Fleet,
    Member,
    tunnel_kind,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import is_loopback
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation_prefixes import static_groups

_NAMED_PAIRS = 5


def violations(fleet: Fleet) -> Iterator[Problem]:
    """Yield what is wrong with endpoints."""
    tunnels = _Tunnels(fleet)
    for member in fleet.resolved:
        yield from _family(fleet, member)
        for text in member.endpoints.texts:
            yield from _looped(tunnels, member.name, fleet.prefix + "endpoint", text)
    for statics, hosts in static_groups(fleet):
        for peer in statics:
            for host in hosts if peer.endpoint else ():
                yield from _looped(tunnels, host, fleet.prefix + "static_peers", peer.endpoint)
    yield from _overrides(fleet, tunnels)
    yield from _duplicates(fleet)


def advice(fleet: Fleet) -> Iterator[Problem]:
    """Yield one warning for all pairs of which neither end knows where the other one is."""
    overridden = {
        frozenset((member.name, name))
        for member in fleet.members
        for name, view in member.settings.peer_overrides.items()
        if view.endpoint
    }
    silent = [pair for pair in _silent_pairs(fleet) if frozenset(pair) not in overridden]
    if not silent:
        return
    shown = ", ".join(f"{one!r} and {other!r}" for one, other in sorted(silent)[:_NAMED_PAIRS])
    more = f" and {len(silent) - _NAMED_PAIRS} more pairs" if len(silent) > _NAMED_PAIRS else ""
    text = f"neither end knows an address of the other, so no tunnel comes up between {shown}{more}"
    yield Problem(sorted(silent)[0][0], fleet.prefix + "endpoint", text)


class _Tunnels:
    """What goes into tunnels, and whose it is."""

    def __init__(self, fleet: Fleet) -> None:
        self._index = PrefixIndex(_tunnelled(fleet))

    def around(self, host: str) -> str:
        """Return which tunnel prefix an address lies in and whose it is; empty if none."""
        if address_family(host) is None or "%" in host:
            return ""
        address = parse_prefix(host)
        owner = self._index.exact(address)
        if owner is not None:
            return f"{address} ({owner})"
        found = self._index.around(address)
        return f"{found[0]} ({found[1]})" if found else ""


def _tunnelled(fleet: Fleet) -> Iterator[tuple[Prefix, str]]:
    for member in fleet.members:
        for address in member.addresses:
            yield address.host, f"{possessive(member.name)} overlay address"
        for network in member.settings.network:
            yield network, "the overlay's own network"
        if member.settings.routes:
            for site in member.settings.networks:
                yield site, f"behind {member.name!r}"
    for statics, _hosts in static_groups(fleet):
        for peer in statics:
            for prefix in map(parse_prefix, peer.allowed_ips):
                # All traffic is complained about elsewhere, or is routed by its owner.
                if prefix.length:
                    yield prefix, f"behind {peer.name or peer.public_key!r}"


def _looped(tunnels: _Tunnels, name: str, variable: str, text: str) -> Iterator[Problem]:
    around = tunnels.around(parse_endpoint(text).host)
    if around:
        text = f"{text} lies inside the tunnel, in {around}; give the address on the network outside"
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
                text = override_endpoint(view.endpoint, ports[name])
            except ValueError as error:
                yield Problem(member.name, variable, f"{host_list([name])}: {error}")
                continue
            if text and is_loopback(parse_endpoint(text).host):
                yield Problem(member.name, variable, f"{host_list([name])}: {text} is the loopback")
            elif text:
                yield from _looped(tunnels, member.name, variable, text)


def _duplicates(fleet: Fleet) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for member in fleet.resolved:
        for text in member.endpoints.texts:
            other = first.setdefault(text, member.name)
            if other != member.name:
                cure = f"set {fleet.prefix}endpoint or {fleet.prefix}port for one of them"
                text = f"{text} is also {possessive(other)} endpoint; {cure}"
                yield Problem(member.name, fleet.prefix + "endpoint", text)


def _silent_pairs(fleet: Fleet) -> Iterator[tuple[str, str]]:
    classes: dict[object, list[Member]] = {}
    for member in fleet.members:
        # A member nobody knows the key of has no tunnel anyway, and a warning of its own.
        if member.public_key is not None:
            classes.setdefault(member.reach, []).append(member)
    groups: list[list[Member]] = list(classes.values())
    for one, other in combinations_with_replacement(groups, 2):
        if tunnel_kind(one[0].reach, other[0].reach):
            continue
        for left_index, left in enumerate(one):
            for right in other[left_index + 1 :] if one is other else other:
                yield (left.name, right.name) if left.name < right.name else (right.name, left.name)
