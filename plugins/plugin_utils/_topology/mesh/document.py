# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of a mesh member: one interface, with every other member as a peer.

This plugin util is private to the collection.
"""

from __future__ import annotations

from ..fleet.interface_document import (
    InterfaceDocument,
    absent_interfaces,
    host_prefixes,
    only_interface,
    peer_entry,
)
from ..plan_model.fleet import Device, FleetPlan, HostPlan
from ..plan_model.host_document import HostDocument


def mesh_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device) -> list[InterfaceDocument]:
    """Return the one interface of a member of a mesh."""
    peers = [
        peer_entry(
            other_name,
            other,
            host,
            device,
            other.public_key,
            other.endpoints,
            [*host_prefixes(other), *other.networks],
        )
        for other_name, other in plan.hosts.items()
        if other_name != name and other.public_key is not None
    ]
    return [only_interface(plan, name, host, device, peers, purge=device.purge)]


def mesh_sections(device: Device) -> HostDocument:
    """Return the sections of a member's document other than its interface: the ones that it no longer has in this mesh."""
    return {"interfaces": absent_interfaces(device.retired)} if device.retired else {}
