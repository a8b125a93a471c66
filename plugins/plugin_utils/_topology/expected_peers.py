# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peers that are expected to answer a host after a run has applied the plan to all hosts it reaches.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .fleet.endpoints import choose
from .fleet.interface_document import endpoint_for
from .plan_model.fleet import FleetPlan, HostPlan


def expected_answers(plan: FleetPlan, name: str, reached: Collection[str]) -> list[dict[str, Any]]:
    """Return the peers that should answer a host, as the option `peers` of the module `probe_info`.

    In a mesh these are all other members, else the hubs: spokes probe hubs. Only peers that were reached and have a known
    key, and only if one end has an endpoint of the other. Of a peer's addresses those of families that this host has too:
    without an address of its own, no reply comes back.
    """
    host = plan.hosts.get(name)
    if host is None or host.device is None or not host.device.routes:
        return []
    found = []
    families = {address.family for address in host.addresses}
    hubs = {hub for hub, _as_hub in plan.hubs}
    for other_name in sorted(hubs.intersection(reached) if hubs else reached):
        other = plan.hosts.get(other_name)
        if other_name == name or other is None:
            continue
        hub = host.hub or other.hub
        interface = hub.interface if hub else plan.interface
        if plan.refuses(name, other.public_key) or plan.refuses(other_name, host.key_on(interface)):
            continue
        common = [address.bare for address in other.addresses if address.family in families]
        if other.public_key is not None and common and _can_connect(host, other_name, other):
            found.append(
                {
                    "interface": interface,
                    "public_key": other.public_key,
                    "name": other_name,
                    "addresses": common,
                }
            )
    return found


def reached_so_far(play_hosts: Sequence[str], batch: Sequence[str], all_hosts: Sequence[str]) -> frozenset[str]:
    """Return the hosts of a play up to the current batch: those of this batch and of earlier ones.

    all_hosts: in the order of batches. play_hosts, batch: without failed hosts.
    """
    if not batch:
        return frozenset()
    place = {name: number for number, name in enumerate(all_hosts)}
    last = max(place.get(name, -1) for name in batch)
    return frozenset(name for name in play_hosts if place.get(name, len(place)) <= last) | frozenset(batch)


def _can_connect(host: HostPlan, other_name: str, other: HostPlan) -> bool:
    own = endpoint_for(host, host.device, other_name, other.endpoints) if host.device else None
    return bool(own or choose(other.families, host.endpoints)[1])
