# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outer addresses of spokes: where hubs see them, else those that they report.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..._untrusted import mapping_of
from ..fleet.endpoints import address_of
from ..fleet.member import Member
from ..fleet.outer_rules import OuterAddress, is_private, own_addresses
from .direct.pairs import Session
from .direct.spokes import session_lines
from .fleet import HubSpokeFleet
from .inputs import HubSpokeInputs


def outer_addresses(inputs: HubSpokeInputs, fleet: HubSpokeFleet) -> tuple[list[OuterAddress], list[OuterAddress]]:
    """Return the outer addresses of spokes, and those of which nobody knows whether a NAT gateway replaces them.

    A private address is not replaced on the way to a hub with a private address, unless there are several levels of NAT.
    """
    known = list(_seen(inputs, fleet))
    seen = {outer.host for outer in known}
    unknown = []
    private_hubs = tuple(hub.name for hub in fleet.hub_members if _has_private_endpoint(hub))
    for spoke in fleet.spokes:
        if spoke.name in seen or spoke.endpoints:
            continue
        for address in own_addresses(spoke):
            if not is_private(address):
                known.append(OuterAddress(spoke.name, address, fleet.hubs))
            elif private_hubs:
                unknown.append(OuterAddress(spoke.name, address, private_hubs))
    return known, unknown


def _has_private_endpoint(hub: Member) -> bool:
    addresses = (address_of(endpoint.host) for endpoint in hub.endpoints.known)
    return any(address is not None and is_private(address) for address in addresses)


def _seen(inputs: HubSpokeInputs, fleet: HubSpokeFleet) -> Iterator[OuterAddress]:
    """Yield where hubs see the spokes that are alive."""
    for hub in fleet.hubs:
        sessions = _sessions(inputs, hub)
        for spoke in fleet.fleets[hub].members if sessions else ():
            session = sessions.get(spoke.public_key or "")
            address = address_of(session.endpoint.host) if session and session.is_alive and session.endpoint else None
            if address is not None and spoke.name not in fleet.hubs:
                yield OuterAddress(spoke.name, address, (hub,), hub)


def _sessions(inputs: HubSpokeInputs, hub: str) -> Mapping[str, Session]:
    interfaces = mapping_of((inputs.hosts[hub].fact or {}).get("interfaces"))
    return session_lines(mapping_of(interfaces.get(inputs.interfaces[hub])))
