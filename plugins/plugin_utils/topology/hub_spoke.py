# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hubs and spokes: every spoke has a tunnel to every hub, and hubs to each other. Planned once, for the whole fleet.

`document.py` expands one host's part, where that host is applied.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils import (
    validation,
    validation_direct,
    validation_hub_spoke,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.addressing import Allocation
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, one_line_each
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.claims import allocate_addresses
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.device import (
    FORWARDING,
    device_of,
    forwarding,
    packet_sizes,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_plan import (
    DirectRun,
    with_direct_tunnels,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_spokes import DirectSources
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import kind_of
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.full_tunnel import with_full_tunnels
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_fleet import (
    NO_HUB,
    HubSpokeFleet,
    Memories,
    addresses_held,
    listen_ports,
    main_interface,
    reached_ports,
    remember,
    settings_on,
    spoke_tunnel_kinds,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_settings import (
    DIRECT_INTERFACE,
    HubSpokeSettings,
    is_hub,
    read_common_settings,
    read_hub_spoke_settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.identity import (
    identify,
    key_problems,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Fleet, Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.membership import (
    member_of,
    unresolved_problems,
    without_stale_endpoints,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    HUB,
    SPOKE,
    Device,
    FleetPlan,
    HostInput,
    HostPlan,
    Hub,
    Outcome,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    observe,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.revocation import Revocation, revoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation_full_tunnel import (
    full_tunnel_advice,
    full_tunnel_violations,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation_overlays import (
    left_behind,
    taken_interfaces,
)

Observations = Mapping[str, dict[str, Observation]]


@dataclass(frozen=True)
class _Known:
    """All that is known before members are put together. hubs, and interfaces by hub: the preferred one first."""

    inputs: Mapping[str, HostInput]
    settings: Mapping[str, Settings]
    extras: Mapping[str, HubSpokeSettings]
    observations: Observations
    memories: Memories
    revocation: Revocation
    hubs: tuple[str, ...]
    interfaces: Mapping[str, str]
    prefix: str


def plan_hub_spoke(
    hosts: Iterable[HostInput], prefix: str = "hub_spoke_", direct: DirectRun | None = None, overlay: str = ""
) -> Outcome:
    """Return the plan for a fleet: a pure function of its input, whatever the order of hosts.

    Every problem of every host is found before anything is said. direct: how far the run is with direct tunnels; by
    default it is about all hosts, and nothing was tried yet. overlay: as in `plan_mesh`.
    """
    problems: list[Problem] = []
    known = _known(hosts, prefix, problems)
    names = [name for name in known.inputs if name not in known.revocation.names]
    allocation = allocate_addresses(
        names,
        {name for name in names if known.inputs[name].unresolved},
        known.settings,
        addresses_held(known.observations),
        {name: known.memories.of(name) for name in names},
        prefix,
    )
    problems.extend(allocation.problems)
    fleet = HubSpokeFleet(
        {hub: _fleet(known, hub, names, allocation, problems) for hub in known.observations},
        known.hubs,
        known.extras,
        prefix,
        tuple(name for name in names if {HUB, SPOKE} <= set(known.inputs[name].parts)),
    )
    warnings = [*known.revocation.warnings, *allocation.warnings]
    members = (known.inputs[name] for name in names)
    warnings.extend(validation_hub_spoke.not_gathered(members, list(known.interfaces.values()), prefix))
    mtus = packet_sizes(fleet.any_fleet.members, spoke_tunnel_kinds(fleet))
    for on_device in fleet.fleets.values():
        problems.extend(validation.violations(on_device, mtus))
        warnings.extend(validation.advice(on_device, mtus))
    problems.extend(validation_hub_spoke.violations(fleet))
    problems.extend(full_tunnel_violations(fleet, known.inputs))
    problems.extend(validation_direct.violations(fleet, known.revocation.names))
    warnings.extend(validation_hub_spoke.advice(fleet))
    warnings.extend(full_tunnel_advice(fleet))
    for hub, interface in known.interfaces.items():
        problems.extend(taken_interfaces(known.observations[hub], known.settings, interface, overlay, prefix))
    facts = {name: known.inputs[name].fact for name in names}
    warnings.extend(left_behind(facts, {name: _devices(known, name) for name in names}, overlay, prefix))
    sizes = {name: choice.mtu for name, choice in mtus.items()}
    plan, directly = None, None
    if not problems:
        plan, directly = _with_direct_tunnels(known, replace(_plan(known, fleet, sizes), overlay=overlay), direct)
    return Outcome(plan, tuple(one_line_each(problems)), tuple(one_line_each(warnings)), directly)


def _known(hosts: Iterable[HostInput], prefix: str, problems: list[Problem]) -> _Known:
    inputs = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    problems.extend(unresolved_problems(inputs.values(), prefix))
    problems.extend(validation_hub_spoke.undecided_hubs(inputs.values(), prefix))
    settings = {name: read_common_settings(host, prefix, problems) for name, host in inputs.items()}
    extras = {
        name: read_hub_spoke_settings(host, settings[name].network, prefix, problems) for name, host in inputs.items()
    }
    hubs = sorted((name for name in inputs if is_hub(inputs[name])), key=lambda name: (extras[name].priority, name))
    interfaces = {name: settings[name].interface for name in hubs} or {NO_HUB: "wg0"}
    observations = {hub: _observe(inputs, settings, interface) for hub, interface in interfaces.items()}
    revocation = _revoke(settings, observations.values(), prefix)
    for seen in observations.values():
        for name in revocation.names:
            # What a revoked host says about itself or others counts for nothing.
            seen.pop(name, None)
    live = tuple(name for name in hubs if name not in revocation.names)
    there = {hub: observations[hub] for hub in live or list(observations)[:1]}
    spokes = [name for name in inputs if name not in hubs and name not in revocation.names]
    return _Known(
        inputs,
        settings,
        extras,
        there,
        remember(there, live, spokes),
        revocation,
        live,
        {name: interfaces[name] for name in there},
        prefix,
    )


def _observe(
    inputs: Mapping[str, HostInput], settings: Mapping[str, Settings], interface: str
) -> dict[str, Observation]:
    """Return what hosts say of the devices that make up one hub's network: each hub's own, and that of spokes to it."""
    return {
        name: observe(host.fact, settings[name].interface if is_hub(host) else interface)
        for name, host in inputs.items()
        if host.fact is not None
    }


def _revoke(
    settings: Mapping[str, Settings], observations: Iterable[Mapping[str, Observation]], prefix: str
) -> Revocation:
    """Return what is revoked on any device, with the warnings that hold for all of them."""
    found = [revoke(settings, seen, prefix) for seen in observations]
    merged = Revocation(found[0].names)
    for one in found:
        merged.said_by.update(one.said_by)
        merged.keys.update({key: name or merged.keys.get(key, "") for key, name in one.keys.items()})
    merged.warnings.extend(warning for warning in found[0].warnings if all(warning in one.warnings for one in found))
    return merged


def _fleet(known: _Known, hub: str, names: Iterable[str], allocation: Allocation, problems: list[Problem]) -> Fleet:
    """Return the network of one hub's device; what is wrong with keys there is appended to the problems."""
    networks = {network for name in names for network in known.settings[name].network}
    main = list(known.interfaces.values())
    members = []
    for name in names:
        settings = known.settings[name]
        memories = known.memories.hubs.get(name, ())
        if name not in known.hubs:
            settings = settings_on(settings, known.extras[name], known.interfaces[hub], main_interface(settings, main))
            memories = known.memories.spokes.get(hub, {}).get(name, ())
        seen = known.observations[hub].get(name)
        about = (settings, seen, memories, known.revocation.keys.keys())
        problems.extend(key_problems(name, *about, known.prefix))
        host = known.inputs[name]
        key = None if host.unresolved else identify(*about)
        members.append(member_of(host, settings, seen, key, allocation.addresses[name], memories, networks))
    return Fleet(
        without_stale_endpoints(members, known.memories.hubs),
        known.prefix,
        known.revocation.keys,
        known.revocation.said_by,
        known.revocation.names,
    )


def _plan(known: _Known, fleet: HubSpokeFleet, mtus: Mapping[str, int]) -> FleetPlan:
    hubs = {name: Hub(known.interfaces[name], known.extras[name].priority) for name in fleet.hubs}
    ports = {member.name: member.settings.port for member in fleet.any_fleet.members}
    devices: dict[str, dict[str, Member]] = {}
    for hub in fleet.hubs:
        for member in fleet.fleets[hub].members:
            devices.setdefault(member.name, {})[known.interfaces[hub]] = member
    hosts = {}
    for member in fleet.any_fleet.members:
        if member.name in hubs:
            hosts[member.name] = _hub_plan(known, member, mtus[member.name], ports, hubs[member.name])
        else:
            hosts[member.name] = _spoke_plan(known, devices[member.name], member, mtus[member.name], ports)
    hosts = with_full_tunnels(fleet, hosts, known.inputs)
    keyless = {m.name for on_device in fleet.fleets.values() for m in on_device.members if m.public_key is None}
    return FleetPlan(
        interface=known.interfaces[fleet.hubs[0]],
        hosts=hosts,
        unknown=tuple(sorted(keyless)),
        revoked=known.revocation.keys,
        excluded=tuple(sorted(known.revocation.names & set(known.inputs))),
        topology="hub_spoke",
        networks=tuple(str(network) for network in known.settings[fleet.hubs[0]].network),
        isolate=bool(known.extras[fleet.hubs[0]].isolate),
        retired=tuple(sorted(_retired(known))),
    )


def _retired(known: _Known) -> set[str]:
    """Return the interfaces that led to revoked hubs alone."""
    revoked = known.revocation.names & set(known.inputs)
    return {known.settings[name].interface for name in revoked if is_hub(known.inputs[name])} - {
        *known.interfaces.values()
    }


def _devices(known: _Known, name: str) -> set[str]:
    """Return the interfaces of a host that the plan makes or removes."""
    if name in known.hubs:
        return {known.interfaces[name]}
    return {*known.interfaces.values(), *_retired(known), known.extras[name].direct_interface}


def _with_direct_tunnels(
    known: _Known, plan: FleetPlan, direct: DirectRun | None
) -> tuple[FleetPlan, Mapping[str, Any] | None]:
    everybody = frozenset(known.inputs)
    run = direct or DirectRun(play=everybody, batch=everybody)
    names = [extras.direct_interface for extras in known.extras.values() if extras.direct]
    sources = DirectSources(
        next(iter(names), DIRECT_INTERFACE),
        known.inputs,
        known.settings,
        known.extras,
        {hub: known.interfaces[hub] for hub in known.hubs},
        known.revocation.names | known.revocation.keys.keys(),
        run.play,
        run.batch,
    )
    return with_direct_tunnels(plan, sources, run.stage, known.revocation.names)


def _hub_plan(known: _Known, member: Member, mtu: int, ports: Mapping[str, int], hub: Hub) -> HostPlan:
    if not member.resolved:
        return HostPlan(None, hub=hub)
    extras = known.extras[member.name]
    device = replace(
        device_of(member, mtu, ports, _hub_forwarding(member)),
        masquerade=tuple(str(prefix) for prefix in extras.masquerade),
        open_firewall=extras.open_firewall,
    )
    return replace(_host_plan(member, device), public_key=member.public_key, hub=hub)


def _spoke_plan(
    known: _Known, there: Mapping[str, Member], member: Member, mtu: int, ports: Mapping[str, int]
) -> HostPlan:
    keys = {interface: on_device.public_key for interface, on_device in there.items()}
    if not member.resolved:
        return HostPlan(None, public_keys=keys)
    extras, settings = known.extras[member.name], known.settings[member.name]
    listen = listen_ports(settings, extras, list(there))
    device = replace(
        device_of(member, mtu, ports, forwarding(member)),
        private_key_files={interface: on_device.settings.private_key_file for interface, on_device in there.items()},
        listen_ports=listen,
        open_firewall=extras.open_firewall,
    )
    return replace(_host_plan(member, device), public_keys=keys, ports=reached_ports(settings, listen))


def _host_plan(member: Member, device: Device) -> HostPlan:
    return HostPlan(
        None,
        addresses=tuple(str(address) for address in member.addresses),
        networks=tuple(str(network) for network in member.settings.networks),
        endpoints=member.endpoints,
        families=member.families,
        device=device,
    )


def _hub_forwarding(member: Member) -> dict[str, str]:
    """Return what makes a hub forward: for the families of the overlay and of the networks behind the hub."""
    if member.settings.forward is False:
        return {}
    texts = [str(address) for address in member.addresses] + [str(site) for site in member.settings.networks]
    kinds = {kind_of(text.partition("/")[0]) for text in texts}
    return {FORWARDING[kind]: "1" for kind in sorted(kinds)}
