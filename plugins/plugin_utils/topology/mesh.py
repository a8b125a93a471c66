# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full mesh: every member has a tunnel to every other. Planned once, for the whole fleet.

`document.py` expands one host's part, where that host is applied.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.plugin_utils import mtu as packet_size
from ansible_collections.wirewright.overlay.plugins.plugin_utils import validation
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, one_line_each
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.claims import (
    allocate_addresses,
    contested,
    forgotten,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.device import (
    device_of,
    forwarding,
    packet_sizes,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.identity import (
    identify,
    key_problems,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import (
    Fleet,
    Member,
    tunnel_kinds,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.membership import (
    member_of,
    unresolved_problems,
    without_stale_endpoints,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    FleetPlan,
    HostInput,
    HostPlan,
    Outcome,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import observe, recollect
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.revocation import Revocation, revoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import read_settings
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation_overlays import taken_interfaces


def plan_mesh(hosts: Iterable[HostInput], prefix: str = "mesh_", overlay: str = "") -> Outcome:
    """Return the plan for a fleet: a pure function of its input, whatever the order of hosts.

    Every problem of every host is found before anything is said. overlay: what hosts shall remember their interface to
    belong to; one that belongs to another is refused.
    """
    inputs = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    problems: list[Problem] = []
    unresolved = {name for name, host in inputs.items() if host.unresolved}
    problems.extend(unresolved_problems(inputs.values(), prefix))
    settings = {name: read_settings(host, prefix, problems) for name, host in inputs.items()}
    observations = {
        name: observe(host.fact, settings[name].interface) for name, host in inputs.items() if host.fact is not None
    }
    revocation = revoke(settings, observations, prefix)
    warnings = list(revocation.warnings)
    for name in revocation.names:
        # What a revoked host says about itself or others counts for nothing.
        observations.pop(name, None)
    names = [name for name in inputs if name not in revocation.names]
    own = {name: seen.addresses for name, seen in observations.items()}
    memories = recollect(observations, forgotten(names, settings, observations))
    memories.update(recollect(observations, contested(own, memories) - memories.keys()))
    keys = {}
    for name in names:
        about = (settings[name], observations.get(name), memories.get(name, ()), revocation.keys.keys())
        keys[name] = None if name in unresolved else identify(*about)
        problems.extend(key_problems(name, *about, prefix))
    allocation = allocate_addresses(names, unresolved, settings, own, memories, prefix)
    problems.extend(allocation.problems)
    warnings.extend(allocation.warnings)
    networks = {network for name in names for network in settings[name].network}
    members = [
        member_of(
            inputs[name],
            settings[name],
            observations.get(name),
            keys[name],
            allocation.addresses[name],
            memories.get(name, ()),
            networks,
        )
        for name in names
    ]
    fleet = Fleet(
        without_stale_endpoints(members, memories), prefix, revocation.keys, revocation.said_by, revocation.names
    )
    mtus = packet_sizes(fleet.members, tunnel_kinds(fleet))
    problems.extend(validation.mesh_violations(fleet, mtus))
    warnings.extend(validation.mesh_advice(fleet, mtus))
    interface = next((member.settings.interface for member in members), "")
    problems.extend(taken_interfaces(observations, settings, interface, overlay, prefix))
    plan = None if problems else replace(_plan(fleet, mtus, revocation, set(inputs)), overlay=overlay)
    return Outcome(plan, tuple(one_line_each(problems)), tuple(one_line_each(warnings)))


def _plan(fleet: Fleet, mtus: Mapping[str, packet_size.Choice], revocation: Revocation, names: set[str]) -> FleetPlan:
    ports = {member.name: member.settings.port for member in fleet.members}
    return FleetPlan(
        interface=next((member.settings.interface for member in fleet.members), "wg0"),
        hosts={member.name: _host_plan(member, mtus[member.name].mtu, ports) for member in fleet.members},
        unknown=tuple(member.name for member in fleet.members if member.public_key is None),
        revoked=revocation.keys,
        excluded=tuple(sorted(revocation.names & names)),
    )


def _host_plan(member: Member, mtu: int, ports: Mapping[str, int]) -> HostPlan:
    if not member.resolved:
        return HostPlan(None)
    return HostPlan(
        public_key=member.public_key,
        addresses=tuple(str(address) for address in member.addresses),
        networks=tuple(str(network) for network in member.settings.networks),
        endpoints=member.endpoints,
        families=member.families,
        device=device_of(member, mtu, ports, forwarding(member)),
    )
