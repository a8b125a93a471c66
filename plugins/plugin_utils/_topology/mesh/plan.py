# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of the full mesh: every member has a tunnel to every other. Runs once for the whole fleet.

`document.py` expands the plan for each host.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..._problems import Problem, format_problems
from ..fleet import mtu as packet_size
from ..fleet import network_rules, outer_rules, rules
from ..fleet.address_claims import allocate_addresses, contested, incomplete
from ..fleet.adoption_rules import lost_by_adoption, lost_without_a_plan, of_a_mesh, unmanaged_interfaces
from ..fleet.device import device_of, forwarding, host_plan, packet_sizes
from ..fleet.former_interfaces import continued, former_interfaces
from ..fleet.former_names import former_names, kept
from ..fleet.identities import identities
from ..fleet.interface_kinds import other_kinds
from ..fleet.left_addresses import left_addresses, noted, withheld
from ..fleet.member import (
    Fleet,
    Member,
    member_of,
    tunnel_kinds,
    unresolved_newcomers,
    unresolved_problems,
    without_refused,
    without_stale_endpoints,
)
from ..fleet.network_routes import network_routes
from ..fleet.newcomers import newcomers
from ..fleet.observation import CachedPeer, Observation, cached_peers, observe
from ..fleet.option_variables import option_variables
from ..fleet.overlay_rules import WHOLE, Scope, left_interface, left_out, taken_interfaces
from ..fleet.port_rules import taken_ports
from ..fleet.put_off import replaced_addresses
from ..fleet.revocation import Revocation, refusals
from ..fleet.routed_families import with_routed_families
from ..fleet.settings import Settings, read_settings
from ..plan_model.fleet import FleetPlan, HostInput, HostPlan, PlanResult
from .document import mesh_interfaces


def plan_mesh(
    hosts: Iterable[HostInput], prefix: str = "mesh_", overlay: str = "", *, scope: Scope = WHOLE
) -> PlanResult:
    """Return the plan of a fleet, whatever the order of hosts. All problems of all hosts are reported together.

    overlay: the overlay that hosts record for their interface; an interface of another one is a problem. scope: which
    hosts of the inventory these are, because others perhaps are members too.
    """
    inputs = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    problems: list[Problem] = []
    problems.extend(unresolved_problems(inputs.values(), prefix))
    settings: Mapping[str, Settings] = {name: read_settings(host, prefix, problems) for name, host in inputs.items()}
    former = {
        name: former_interfaces(host.fact, {settings[name].interface}, overlay, settings[name])
        for name, host in inputs.items()
    }
    observations: Mapping[str, Observation] = {
        name: observe(fact, settings[name].interface)
        for name, host in inputs.items()
        if (fact := continued(host.fact, {settings[name].interface}, former[name])) is not None
    }
    found = identities(inputs, settings, observations, prefix, partial(_cached_of, settings))
    problems.extend(found.problems)
    warnings = list(found.warnings)
    names, settings, observations, cached = found.names, found.settings, found.observations, found.cached
    problems.extend(unresolved_newcomers(inputs, [observations], found.in_run, prefix))
    revocation, absent, keys = found.revocation, found.absent, found.keys
    networks = {network for name in names for network in settings[name].network}
    left = left_addresses(revocation.names, sorted(networks), [observations])
    out = withheld(left, settings, revocation.names)
    own = {name: seen.addresses for name, seen in observations.items()}
    allocation = allocate_addresses(names, found.unresolved, settings, own, cached, prefix, out)
    problems.extend(allocation.problems)
    warnings.extend(allocation.warnings)
    members = [
        member_of(
            inputs[name],
            settings[name],
            observations.get(name),
            keys[name],
            allocation.addresses[name],
            cached.get(name, ()),
            networks,
        )
        for name in names
    ]
    refused = {**allocation.refused, **found.disputed}
    planned_addresses = {name: allocation.addresses[name] for name in names if name not in refused}
    warnings.extend(replaced_addresses(planned_addresses, observations, cached, absent, inputs, prefix))
    members = with_routed_families(without_stale_endpoints(members, cached), inputs)
    members = without_refused(members, refused)
    fleet = Fleet(members, prefix, revocation.keys, revocation.said_by, revocation.names)
    refused_keys, refusing = refusals(
        members, observations, revocation, prefix, found.in_run, [name for name, one in former.items() if one]
    )
    warnings.extend(refusing)
    mtus = packet_sizes(fleet.members, tunnel_kinds(fleet))
    problems.extend(rules.mesh_violations(fleet, mtus))
    going = {name: former[name] if settings[name].purge else () for name in names}
    own_routes = {name: network_routes(inputs[name].fact, {settings[name].interface, *going[name]}) for name in names}
    problems.extend(network_rules.violations(fleet, own_routes))
    problems.extend(outer_rules.violations(fleet, outer_rules.mesh_addresses(fleet), own_routes))
    warnings.extend(rules.mesh_warnings(fleet, mtus))
    interface = next((member.settings.interface for member in members), "")
    problems.extend(left_out(names, observations, scope, revocation.names, prefix))
    problems.extend(taken_interfaces(observations, settings, interface, overlay, prefix))
    warnings.extend(
        left_interface(name, one, prefix) for name in names for one in former[name] if one not in going[name]
    )
    problems.extend(unmanaged_interfaces(observations, settings, prefix))
    for name in names:
        own_ports = {settings[name].interface: (settings[name].port, prefix + "port")}
        problems.extend(taken_ports(name, inputs[name].fact, own_ports, going[name]))
        problems.extend(other_kinds(inputs[name], {settings[name].interface: prefix + "interface"}))
    former_peers = former_names(fleet.members, [observations], inputs, revocation.names)
    warnings.extend(kept(former_peers, prefix))
    plan = None
    if problems:
        problems.extend(lost_without_a_plan(observations, settings, prefix, problems, ports=True))
    else:
        planned = _plan(fleet, mtus, revocation, set(inputs), former)
        plan = replace(
            planned,
            overlay=overlay,
            groups=scope.groups,
            former_names=tuple(sorted(former_peers)),
            variables=option_variables(prefix),
            absent=absent,
            refused=refused,
            refusals=refused_keys,
            left=noted(left),
        )
        lost, allowed = lost_by_adoption(plan, observations, settings, prefix, mesh_interfaces, of_a_mesh)
        problems.extend(lost)
        warnings.extend(allowed)
        plan = None if problems else plan
    uncertain = {name for name in names if keys[name] is None or name in refused}
    lacking = tuple(name for name in names if name in uncertain and name not in observations)
    known = {name: None if name in uncertain else keys[name] for name in names}
    new = newcomers(inputs, known, absent, observations)
    return PlanResult(
        plan, tuple(format_problems(problems)), tuple(format_problems(warnings)), lacking=lacking, newcomers=new
    )


def _cached_of(
    settings: Mapping[str, Settings], names: Sequence[str], observations: Mapping[str, Observation]
) -> dict[str, tuple[CachedPeer, ...]]:
    """Return what members have cached of those whose key or addresses are not known, or are reported by others too."""
    own = {name: seen.addresses for name, seen in observations.items()}
    cached = cached_peers(observations, incomplete(names, settings, observations))
    cached.update(cached_peers(observations, contested(own, cached) - cached.keys()))
    return cached


def _plan(
    fleet: Fleet,
    mtus: Mapping[str, packet_size.Choice],
    revocation: Revocation,
    names: set[str],
    former: Mapping[str, tuple[str, ...]],
) -> FleetPlan:
    ports = {member.name: member.settings.port for member in fleet.members}
    return FleetPlan(
        interface=next((member.settings.interface for member in fleet.members), "wg0"),
        hosts={
            member.name: _host_plan(member, mtus[member.name].mtu, ports, former[member.name])
            for member in fleet.members
        },
        unknown=tuple(member.name for member in fleet.members if member.public_key is None),
        revoked=revocation.keys,
        excluded=tuple(sorted(revocation.names & names)),
    )


def _host_plan(member: Member, mtu: int, ports: Mapping[str, int], former: tuple[str, ...]) -> HostPlan:
    if not member.resolved:
        return HostPlan(None)
    return host_plan(member, device_of(member, mtu, ports, forwarding(member), former))
