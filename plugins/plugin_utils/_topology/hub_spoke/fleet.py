# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hubs and spokes as members of a fleet.

Every spoke has a device for each hub. So there is one fleet for each hub: the network of that hub's device, with all hubs
and all spokes as members, each with its key on that device.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from ....module_utils._wireguard.endpoint import Endpoint
from ..._problems import Problem
from ..fleet.addressing import Allocation
from ..fleet.identity import identify, key_problems, key_warnings
from ..fleet.member import Fleet, Member, Reach, member_of, tunnel_kind, without_refused, without_stale_endpoints
from ..fleet.routed_families import with_routed_families
from ..fleet.settings import Settings
from ..plan_model.fleet import HUB, SPOKE
from .inputs import HubSpokeInputs
from .settings import HubSpokeSettings, main_interface


@dataclass(frozen=True)
class HubSpokeFleet:
    """The fleet on each hub's device, by hub, and what they have in common.

    hubs: names, the preferred one first. both: the hosts that are in both groups. in_run: the hosts that this run changes.
    foreign: by host, its interfaces of other overlays.
    """

    fleets: Mapping[str, Fleet]
    hubs: tuple[str, ...]
    hub_spoke_settings: Mapping[str, HubSpokeSettings]
    prefix: str
    both: tuple[str, ...] = ()
    in_run: frozenset[str] = frozenset()
    foreign: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def any_fleet(self) -> Fleet:
        """The members on the preferred hub's device; the others differ in keys and names of devices only."""
        return next(iter(self.fleets.values()))

    @property
    def hub_members(self) -> list[Member]:
        """The hubs, the preferred one first."""
        members = {member.name: member for member in self.any_fleet.members}
        return [members[name] for name in self.hubs]

    @property
    def spokes(self) -> list[Member]:
        """The spokes."""
        return [member for member in self.any_fleet.members if member.name not in self.hubs]


def hub_spoke_fleet(
    inputs: HubSpokeInputs, allocation: Allocation, problems: list[Problem], warnings: list[Problem]
) -> HubSpokeFleet:
    """Return the fleet on each hub's device; problems and warnings about keys are appended."""
    hosts = inputs.hosts
    return HubSpokeFleet(
        {hub: _fleet_on(inputs, hub, allocation, problems, warnings) for hub in inputs.observations},
        inputs.hubs,
        inputs.hub_spoke_settings,
        inputs.prefix,
        tuple(name for name in inputs.names if {HUB, SPOKE} <= set(hosts[name].parts)),
        inputs.in_run,
        {name: inputs.foreign_interfaces(name) for name in inputs.names if name not in inputs.hubs},
    )


def _fleet_on(
    inputs: HubSpokeInputs, hub: str, allocation: Allocation, problems: list[Problem], warnings: list[Problem]
) -> Fleet:
    networks = {network for name in inputs.names for network in inputs.settings[name].network}
    main = list(inputs.interfaces.values())
    members = []
    for name in inputs.names:
        settings, owner = inputs.settings[name], name
        reports = inputs.reported.hubs.get(name, ())
        if name not in inputs.hubs:
            interface, own, first = (
                inputs.interfaces[hub],
                inputs.hub_spoke_settings[name],
                main_interface(settings, main),
            )
            owner = name if interface == first or own.own_key_file else on_interface(name, interface)
            settings = _settings_on(settings, own, interface, first)
            reports = inputs.reported.spokes.get(hub, {}).get(name, ())
        seen = inputs.observations[hub].get(name)
        about = (settings, seen, reports, inputs.revocation.keys.keys())
        problems.extend(key_problems(name, *about[:2], inputs.prefix))
        host = inputs.hosts[name]
        # A spoke is a peer of the hub only, and a hub of all.
        getting = inputs.in_run if name == hub else inputs.in_run & {hub}
        warnings.extend(key_warnings(host, settings, *about[2:], getting, inputs.prefix))
        key = None if host.unresolved else identify(owner, *about)
        members.append(member_of(host, settings, seen, key, allocation.addresses[name], reports, networks))
    members = with_routed_families(without_stale_endpoints(members, inputs.reported.hubs), inputs.hosts)
    return Fleet(
        without_refused(members, {**allocation.refused, **inputs.disputed}),
        inputs.prefix,
        inputs.revocation.keys,
        inputs.revocation.said_by,
        inputs.revocation.names,
    )


def on_interface(name: str, interface: str) -> str:
    """Return the name of a spoke's interface that has a key of its own."""
    return f"{name} on {interface}"


def _settings_on(settings: Settings, own: HubSpokeSettings, interface: str, main: str) -> Settings:
    """Return a spoke's settings for one device: with a key of its own, unless the inventory names one file."""
    if own.own_key_file:
        return replace(settings, interface=interface)
    return replace(
        settings,
        interface=interface,
        private_key_file=f"/etc/wireguard/{interface}.key",
        public_key=settings.public_key if interface == main else "",
    )


def listen_ports(settings: Settings, own: HubSpokeSettings, interfaces: Collection[str]) -> dict[str, int]:
    """Return the ports of a spoke's devices by name, 0 for any."""
    main = main_interface(settings, interfaces)
    return {name: own.ports.get(name, settings.port if name == main else 0) for name in interfaces}


def reached_ports(settings: Settings, ports: Mapping[str, int]) -> dict[str, int]:
    """Return the ports at which the devices of a spoke with an endpoint are reached, by name."""
    if not isinstance(settings.endpoint, Endpoint):
        return {}
    main = main_interface(settings, ports)
    return {name: settings.endpoint.port if name == main else port for name, port in ports.items()}


def spoke_tunnel_kinds(fleet: HubSpokeFleet) -> dict[str, frozenset[str]]:
    """Return the address families of each member's tunnels: of a spoke to hubs, of a hub to all. Linear in members."""
    hubs = fleet.hub_members
    sizes = Counter(member.reach for member in fleet.any_fleet.members)
    kinds: dict[tuple[Reach, bool], frozenset[str]] = {}
    for member in fleet.any_fleet.members:
        entry = (member.reach, member.name in fleet.hubs)
        if entry in kinds:
            continue
        if entry[1]:
            others = [reach for reach, size in sizes.items() if reach != member.reach or size > 1]
        else:
            others = [hub.reach for hub in hubs]
        kinds[entry] = frozenset(tunnel_kind(member.reach, other) for other in others)
    return {member.name: kinds[member.reach, member.name in fleet.hubs] for member in fleet.any_fleet.members}
