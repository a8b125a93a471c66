# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which peers can be expected to answer a host, once all that a run speaks to have their part of the plan.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import bare_addresses
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan, HostPlan


def expected_answers(plan: FleetPlan, name: str, reached: Collection[str]) -> list[dict[str, Any]]:
    """Return the peers that should answer a host, as the option `peers` of the module `overlay_probe`.

    In a mesh these are all others, else the hubs: between hub and spoke, the spoke asks. Only those that were reached
    and whose key is known, and only where one of the two knows an endpoint of the other.
    """
    host = plan.hosts.get(name)
    if host is None or host.device is None or not host.device.routes:
        return []
    found = []
    for other_name in sorted(reached):
        other = plan.hosts.get(other_name)
        if other_name == name or other is None or (plan.hubs and other.hub is None):
            continue
        hub = host.hub or other.hub
        interface = hub.interface if hub else plan.interface
        if other.public_key is not None and other.addresses and _can_connect(host, other_name, other):
            found.append(
                {
                    "interface": interface,
                    "public_key": other.public_key,
                    "name": other_name,
                    "addresses": bare_addresses(other),
                }
            )
    return found


def reached_so_far(play_hosts: Sequence[str], batch: Sequence[str], everybody: Sequence[str]) -> frozenset[str]:
    """Return the hosts of a play that have come as far as this batch: those of this one and of those before it.

    everybody: in the order in which batches are made of it. play_hosts, batch: without those that have failed.
    """
    if not batch:
        return frozenset()
    place = {name: number for number, name in enumerate(everybody)}
    last = max(place.get(name, -1) for name in batch)
    return frozenset(name for name in play_hosts if place.get(name, len(place)) <= last) | frozenset(batch)


def _can_connect(host: HostPlan, other_name: str, other: HostPlan) -> bool:
    view = host.device.overrides.get(other_name) if host.device else None
    own_way = choose(host.families, other.endpoints)[1] if view is None or view.endpoint is None else view.endpoint
    return bool(own_way or choose(other.families, host.endpoints)[1])
