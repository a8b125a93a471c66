# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hubs and spokes: every spoke has a tunnel to every hub, and hubs to each other. Planned once, for the whole fleet.

`document.py` expands the document of one host, when that host is applied.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from ....module_utils._ip.prefix import Prefix
from ..._problems import Problem, format_problems
from ..fleet import rules as fleet_rules
from ..fleet.address_claims import allocate_addresses
from ..fleet.adoption_rules import lost_by_adoption, lost_without_a_plan, unmanaged_interfaces
from ..fleet.device import device_of, forwarding, forwarding_of, host_plan, packet_sizes
from ..fleet.endpoints import at_port
from ..fleet.former_names import former_names, kept
from ..fleet.interface_kinds import other_kinds
from ..fleet.keepalive import keepalive_on
from ..fleet.left_addresses import left_addresses, noted, withheld
from ..fleet.member import Member, unresolved_newcomers, unresolved_problems
from ..fleet.newcomers import merged, newcomers
from ..fleet.option_variables import option_variables
from ..fleet.overlay_rules import left_behind, taken_interfaces
from ..fleet.port_rules import taken_ports
from ..fleet.put_off import replaced_addresses
from ..fleet.revocation import refusals
from ..plan_model.fleet import FleetPlan, HostInput, HostPlan, Hub, Newcomers, PlanResult
from . import networks, rules
from .adoption import of_hubs_and_spokes
from .direct import rules as direct_rules
from .direct.plan import DirectRun, duplicate_keys, with_direct_tunnels
from .document import hub_spoke_interfaces
from .fleet import HubSpokeFleet, hub_spoke_fleet, listen_ports, reached_ports, spoke_tunnel_kinds
from .full_tunnel import with_full_tunnels
from .full_tunnel_rules import full_tunnel_violations, full_tunnel_warnings
from .inputs import HubSpokeInputs, read_inputs


def plan_hub_spoke(
    hosts: Iterable[HostInput], prefix: str = "hub_spoke_", direct: DirectRun | None = None, overlay: str = ""
) -> PlanResult:
    """Return the plan for a fleet: a pure function of its input, whatever the order of hosts.

    All problems of all hosts are reported together. direct: the stage of direct tunnels and the hosts of this run; by
    default all hosts, and no pair probed yet. overlay: as in `plan_mesh`.
    """
    problems: list[Problem] = []
    inputs = read_inputs(hosts, prefix, problems, overlay)
    members = [inputs.hosts[name] for name in inputs.names]
    devices = list(inputs.observations.values())
    overlay_networks = {network for name in inputs.names for network in inputs.settings[name].network}
    left = left_addresses(inputs.revocation.names, sorted(overlay_networks), devices)
    allocation = allocate_addresses(
        inputs.names,
        {host.name for host in members if host.unresolved},
        inputs.settings,
        inputs.addresses,
        {name: inputs.reported.of(name) for name in inputs.names},
        prefix,
        withheld(left, inputs.settings, inputs.revocation.names),
    )
    warnings = [*inputs.revocation.warnings, *inputs.warnings, *allocation.warnings]
    stored = {name: inputs.reported.of(name) for name in inputs.absent if name in inputs.names}
    planned_addresses = {name: one for name, one in allocation.addresses.items() if name not in allocation.refused}
    for device in devices:
        moved = replaced_addresses(planned_addresses, device, stored, inputs.absent, inputs.hosts, prefix)
        warnings.extend(one for one in moved if one not in warnings)
    fleet = hub_spoke_fleet(inputs, allocation, problems, warnings)
    mtus = packet_sizes(fleet.any_fleet.members, spoke_tunnel_kinds(fleet))
    problems.extend(unresolved_problems(inputs.hosts.values(), prefix))
    devices = list(inputs.observations.values())
    problems.extend(
        unresolved_newcomers(
            inputs.hosts, devices, inputs.in_run, prefix, lambda one, other: one in inputs.hubs or other in inputs.hubs
        )
    )
    problems.extend(rules.undecided_hubs(inputs.hosts.values(), prefix))
    problems.extend(allocation.problems)
    warnings.extend(rules.not_gathered(members, list(inputs.interfaces.values()), prefix))
    for hub, on_device in fleet.fleets.items():
        problems.extend(fleet_rules.violations(on_device, mtus))
        found = fleet_rules.warnings(on_device, mtus)
        warnings.extend(
            one for one in found if one.variable != prefix + "public_key" or _concerns_run(one.host, hub, fleet)
        )
    own = networks.own_routes(inputs)
    problems.extend(networks.violations(inputs, fleet, own))
    warnings.extend(networks.warnings(inputs, fleet, own))
    problems.extend(rules.violations(fleet))
    problems.extend(full_tunnel_violations(fleet, inputs.hosts))
    problems.extend(direct_rules.violations(fleet, inputs.revocation.names))
    warnings.extend(rules.warnings(fleet))
    warnings.extend(full_tunnel_warnings(fleet))
    for hub, interface in inputs.interfaces.items():
        problems.extend(taken_interfaces(inputs.observations[hub], inputs.settings, interface, overlay, prefix))
        problems.extend(unmanaged_interfaces(inputs.observations[hub], inputs.settings, prefix))
    planned = {
        name: {*inputs.planned_interfaces(name), *(inputs.former[name] if inputs.settings[name].purge else ())}
        for name in inputs.names
    }
    for name in inputs.names:
        problems.extend(taken_ports(name, inputs.hosts[name].fact, _own_ports(inputs, name), planned[name]))
        problems.extend(_other_kinds(inputs, name))
    warnings.extend(left_behind({host.name: host.fact for host in members}, planned, overlay, prefix))
    refused_keys = _refusals(inputs, fleet, warnings)
    on_devices = [member for on_device in fleet.fleets.values() for member in on_device.members]
    former_peers = former_names(on_devices, inputs.observations.values(), inputs.hosts, inputs.revocation.names)
    warnings.extend(kept(former_peers, prefix))
    plan, directly = None, None
    if problems:
        for observations in inputs.observations.values():
            problems.extend(lost_without_a_plan(observations, inputs.settings, prefix, problems, ports=False))
    else:
        sizes = {name: choice.mtu for name, choice in mtus.items()}
        ports = f"port (or {prefix}ports, for one interface)"
        variables = option_variables(prefix, listen_port=ports)
        all_hosts = frozenset(inputs.hosts)
        run = direct or DirectRun(play=all_hosts, batch=all_hosts)
        made = _plan(inputs, fleet, sizes, networks.own_halves(fleet, own))
        made = replace(made, overlay=overlay, variables=variables, absent=inputs.absent)
        refused = {**allocation.refused, **inputs.disputed}
        made = replace(
            made, refused=refused, refusals=refused_keys, left=noted(left), former_names=tuple(sorted(former_peers))
        )
        plan, directly = with_direct_tunnels(made, inputs, run)
        problems.extend(duplicate_keys(plan, prefix))
        if plan is not None:
            for observations in inputs.observations.values():
                lost, allowed = lost_by_adoption(
                    plan, observations, inputs.settings, prefix, hub_spoke_interfaces, of_hubs_and_spokes
                )
                problems.extend(lost)
                warnings.extend(allowed)
    plan, directly = (None, None) if problems else (plan, directly)
    return PlanResult(
        plan,
        tuple(format_problems(problems)),
        tuple(format_problems(warnings)),
        directly,
        _lacking(fleet),
        _newcomers(inputs, fleet),
    )


def _concerns_run(name: str, hub: str, fleet: HubSpokeFleet) -> bool:
    """Return whether a hub's key, or that of a spoke on its device, is that of a host of this run or of a peer of one."""
    return name == hub or bool(fleet.in_run & {name, hub})


def _refusals(inputs: HubSpokeInputs, fleet: HubSpokeFleet, warnings: list[Problem]) -> dict[str, dict[str, str]]:
    """Return by host the keys that it alone refuses, on any device; warnings are appended."""
    found: dict[str, dict[str, str]] = {}
    for hub, on_device in fleet.fleets.items():
        refused, said = refusals(
            on_device.members,
            inputs.observations[hub],
            inputs.revocation,
            inputs.prefix,
            inputs.in_run,
            [name for name, former in inputs.former.items() if former],
        )
        warnings.extend(said)
        for name, keys in refused.items():
            found.setdefault(name, {}).update(keys)
    return found


def _own_ports(inputs: HubSpokeInputs, name: str) -> dict[str, tuple[int, str]]:
    """Return the ports of a host's interfaces, each with its variable."""
    settings, prefix = inputs.settings[name], inputs.prefix
    if name in inputs.hubs:
        return {settings.interface: (settings.port, prefix + "port")}
    own = inputs.hub_spoke_settings[name]
    ports = {**own.ports, **listen_ports(settings, own, inputs.interfaces.values())}
    return {one: (port, prefix + ("ports" if one in own.ports else "port")) for one, port in ports.items()}


def _other_kinds(inputs: HubSpokeInputs, name: str) -> Iterator[Problem]:
    """Yield the interfaces of a host that it has for others; those of a spoke to hubs have the names that the hubs give."""
    host, variable = inputs.hosts[name], inputs.prefix + "interface"
    if name in inputs.hubs:
        yield from other_kinds(host, {inputs.interfaces[name]: variable})
        return
    for hub, interface in inputs.interfaces.items():
        yield from other_kinds(host, {interface: variable}, hub)
    direct = inputs.hub_spoke_settings[name].direct_interface
    yield from other_kinds(host, {direct: inputs.prefix + "direct_interface"})


def _lacking(fleet: HubSpokeFleet) -> tuple[str, ...]:
    """Return the members whose keys this run lacks: of hubs, and of spokes only for a hub that is in this run."""
    found: dict[str, None] = {}
    for hub, on_device in fleet.fleets.items():
        silent = {m.name for m in on_device.members if m.public_key is None and m.observation is None}
        if hub in silent:
            found[hub] = None
        if hub in fleet.in_run:
            found.update(dict.fromkeys(sorted(silent)))
    return tuple(found)


def _newcomers(inputs: HubSpokeInputs, fleet: HubSpokeFleet) -> Newcomers | None:
    """Return the new hosts of this run; on each hub's device, with the hub or as the hub."""
    return merged(
        newcomers(
            inputs.hosts,
            {member.name: member.public_key for member in fleet.fleets[hub].members},
            inputs.absent,
            inputs.observations[hub],
            lambda one, other, hub=hub: hub in (one, other),  # type: ignore[misc]
        )
        for hub in fleet.hubs
    )


def _plan(
    inputs: HubSpokeInputs, fleet: HubSpokeFleet, mtus: Mapping[str, int], own_halves: Mapping[str, tuple[Prefix, ...]]
) -> FleetPlan:
    hubs = {name: Hub(inputs.interfaces[name], inputs.hub_spoke_settings[name].priority) for name in fleet.hubs}
    ports = {member.name: member.settings.port for member in fleet.any_fleet.members}
    devices: dict[str, dict[str, Member]] = {}
    for hub in fleet.hubs:
        for member in fleet.fleets[hub].members:
            devices.setdefault(member.name, {})[inputs.interfaces[hub]] = member
    hosts = {}
    for member in fleet.any_fleet.members:
        if member.name in hubs:
            hosts[member.name] = _hub_plan(inputs, member, mtus[member.name], ports, hubs[member.name])
        else:
            found = _spoke_plan(inputs, devices[member.name], member, mtus[member.name], ports)
            hosts[member.name] = _without_routes(found, own_halves.get(member.name, ()))
    hosts = with_full_tunnels(fleet, hosts, inputs.hosts)
    keyless = {m.name for on_device in fleet.fleets.values() for m in on_device.members if m.public_key is None}
    return FleetPlan(
        interface=inputs.interfaces[fleet.hubs[0]],
        hosts=hosts,
        unknown=tuple(sorted(keyless)),
        revoked=inputs.revocation.keys,
        excluded=tuple(sorted(inputs.revocation.names & set(inputs.hosts))),
        topology="hub_spoke",
        networks=inputs.settings[fleet.hubs[0]].network,
        isolate=bool(inputs.hub_spoke_settings[fleet.hubs[0]].isolate),
        retired=tuple(sorted(inputs.retired_interfaces)),
    )


def _hub_plan(inputs: HubSpokeInputs, member: Member, mtu: int, ports: Mapping[str, int], hub: Hub) -> HostPlan:
    if not member.resolved:
        return HostPlan(None, hub=hub)
    own = inputs.hub_spoke_settings[member.name]
    device = replace(
        device_of(member, mtu, ports, _hub_forwarding(member), inputs.former[member.name]),
        masquerade=own.masquerade,
    )
    return replace(host_plan(member, device), hub=hub, static_prefixes=_static_prefixes(member))


def _static_prefixes(hub: Member) -> tuple[Prefix, ...]:
    """Return the overlay addresses of a hub's unmanaged peers; networks behind these peers are not routed to other hosts."""
    prefixes = (prefix for peer in hub.settings.static_peers for prefix in peer.allowed_ips)
    networks = hub.settings.network
    return tuple(one for one in prefixes if one not in networks and any(network.contains(one) for network in networks))


def _spoke_plan(
    inputs: HubSpokeInputs, there: Mapping[str, Member], member: Member, mtu: int, ports: Mapping[str, int]
) -> HostPlan:
    keys = {interface: on_device.public_key for interface, on_device in there.items()}
    if not member.resolved:
        return HostPlan(None, public_keys=keys)
    own, settings = inputs.hub_spoke_settings[member.name], inputs.settings[member.name]
    listen = listen_ports(settings, own, list(there))
    reached = reached_ports(settings, listen)
    device = replace(
        device_of(member, mtu, ports, forwarding(member), inputs.former[member.name]),
        private_key_files={interface: on_device.settings.private_key_file for interface, on_device in there.items()},
        listen_ports=listen,
        keepalives={
            interface: keepalive_on(on_device, at_port(member.endpoints, reached.get(interface, 0)), listen[interface])
            for interface, on_device in there.items()
        },
    )
    return replace(host_plan(member, device), public_key=None, public_keys=keys, ports=reached)


def _without_routes(host: HostPlan, networks_there: tuple[Prefix, ...]) -> HostPlan:
    """Return a host that gets no routes to some networks."""
    if host.device is None or not networks_there:
        return host
    return replace(host, device=replace(host.device, routes_except=(*host.device.routes_except, *networks_there)))


def _hub_forwarding(member: Member) -> dict[str, str]:
    """Return what makes a hub forward: for the families of the overlay and of the networks behind the hub."""
    if member.settings.forward is False:
        return {}
    return forwarding_of((*member.addresses, *member.settings.networks))
