# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that reach a peer over an address family in which they have no default route, because they have a route to its network.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from ....module_utils._ip.prefix import Prefix
from ..._prefix_index import PrefixIndex
from ..plan_model.fleet import HostInput
from .endpoints import BOTH, address_of
from .member import Member
from .network_routes import network_routes


def with_routed_families(members: Sequence[Member], inputs: Mapping[str, HostInput]) -> list[Member]:
    """Return the members, each also with the families in which it has a route to a peer that offers no other one.

    So a network that leads to no member, such as that of containers on a host, adds no family, and routes are read only where
    a member offers one family alone.
    """
    found = list(members)
    for family in BOTH:
        alone = [(address, member.name) for member in members for address in _only_address(member, family)]
        index = PrefixIndex(alone)
        for place, member in enumerate(found) if alone else ():
            if family in member.families or member.observation is None or member.settings.endpoint_family in BOTH:
                continue
            routes = network_routes(inputs[member.name].fact, {member.settings.interface})
            if any(name != member.name for route in routes for name in index.inside(route.destination)):
                kinds = (*member.families, family)
                found[place] = replace(member, families=tuple(kind for kind in BOTH if kind in kinds))
    return found


def _only_address(member: Member, family: str) -> Iterator[Prefix]:
    """Yield the address of a member's only endpoint, if it is of a family."""
    endpoint = getattr(member.endpoints, family)
    if endpoint is not None and member.endpoints.known == (endpoint,):
        address = address_of(endpoint.host)
        if address is not None and "%" not in endpoint.host:
            yield address
