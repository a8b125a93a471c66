# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keepalives: a host behind NAT sends them, so that the mapping of its NAT stays and peers can reach it.

A port forward leads new packets to a host. But peers roam to the mapping from which the host's own packets come, and that
one ends with the traffic. So an endpoint in the inventory does not show that a host needs no keepalive.
This plugin util is private to the collection.
"""

from __future__ import annotations

from ....module_utils._ip.prefix import parse_prefix
from ..plan_model.fleet import Endpoints
from .endpoints import BOTH, address_of
from .member import Member

# Seconds. Most NAT gateways keep a mapping that long: RFC 4787 requires 120 seconds, but many keep it for 30.
KEEPALIVE = 25

# Addresses that NAT hides (RFC 1918, RFC 6598).
_HIDDEN = tuple(map(parse_prefix, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))


def keepalive_of(member: Member) -> int:
    """Return the interval of keepalives of a member with one device: that of the inventory, else by what is known of NAT."""
    return keepalive_on(member, member.endpoints, member.settings.port)


def keepalive_on(member: Member, endpoints: Endpoints, port: int) -> int:
    """Return the interval of keepalives of one device. endpoints: where it is reached; port: where it listens."""
    wanted = member.settings.persistent_keepalive
    if wanted is not None:
        return wanted
    return KEEPALIVE if _may_be_behind_nat(member, endpoints, port) else 0


def _may_be_behind_nat(member: Member, endpoints: Endpoints, port: int) -> bool:
    """Return whether no packet can reach the host first, or a router changes address or port of those that do.

    Only a name does not show that; it counts where the host itself has a private address.
    """
    if not endpoints or any(endpoint.port != port for endpoint in endpoints.known):
        return True
    own = {family: link.address for family, link in member.observation.underlay.items()} if member.observation else {}
    offered = {family: getattr(endpoints, family) for family in BOTH}
    if any(endpoint and family in own and endpoint.host != own[family] for family, endpoint in offered.items()):
        return True
    address = address_of(own.get("ipv4", "")) if endpoints.name else None
    return address is not None and any(network.contains(address) for network in _HIDDEN)
