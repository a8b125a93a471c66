# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hubs and spokes while they are being planned.

Every spoke has a device for each hub. So the fleet is looked at once for each hub: as the network of that hub's
device, in which all hubs and all spokes are members, each with the key that it has there.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_settings import (
    HubSpokeSettings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import (
    Fleet,
    Member,
    Reach,
    tunnel_kind,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    Recollection,
    recollect,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings

# Stands for the device of a fleet without a hub, so that all else that is wrong with it is found too.
NO_HUB = ""


@dataclass(frozen=True)
class HubSpokeFleet:
    """The fleet of each hub's device by the hub's name, and what all of them share.

    hubs: names, the preferred one first. extras: settings that only hubs and spokes have. both: the hosts that are in
    both groups.
    """

    fleets: Mapping[str, Fleet]
    hubs: tuple[str, ...]
    extras: Mapping[str, HubSpokeSettings]
    prefix: str
    both: tuple[str, ...] = ()

    @property
    def any_fleet(self) -> Fleet:
        """The members as on the preferred hub's device: the same but for keys and names of devices."""
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


@dataclass(frozen=True)
class Memories:
    """What is remembered of hubs by name, and of spokes by hub and name: a hub alone knows a spoke's key with it."""

    hubs: Mapping[str, tuple[Recollection, ...]]
    spokes: Mapping[str, Mapping[str, tuple[Recollection, ...]]]

    def of(self, name: str) -> tuple[Recollection, ...]:
        """Return all that is remembered of a host, whatever the device."""
        about = (memories.get(name, ()) for memories in self.spokes.values())
        return self.hubs.get(name) or tuple(chain.from_iterable(about))


def remember(
    observations: Mapping[str, Mapping[str, Observation]], hubs: Collection[str], spokes: Collection[str]
) -> Memories:
    """Return what hubs and spokes remember of each other. observations: by hub, then by host."""
    names = frozenset(spokes)
    return Memories(
        {hub: recollect(observations[hub], {hub})[hub] for hub in hubs},
        {hub: recollect({hub: observations[hub][hub]}, names) if hub in observations[hub] else {} for hub in hubs},
    )


def addresses_held(observations: Mapping[str, Mapping[str, Observation]]) -> dict[str, tuple[Address, ...]]:
    """Return the addresses each host says it has, on any device."""
    found: dict[str, dict[Address, None]] = {}
    for seen_there in observations.values():
        for name, seen in seen_there.items():
            found.setdefault(name, {}).update(dict.fromkeys(seen.addresses))
    return {name: tuple(addresses) for name, addresses in found.items()}


def main_interface(settings: Settings, interfaces: Collection[str]) -> str:
    """Return the device of a spoke that has its own port: the one it names itself, else that of the preferred hub.

    interfaces: those of the hubs, that of the preferred one first.
    """
    return settings.interface if settings.interface in interfaces else next(iter(interfaces), settings.interface)


def settings_on(settings: Settings, extras: HubSpokeSettings, interface: str, main: str) -> Settings:
    """Return a spoke's settings for its device of a name: with a key of its own, unless the inventory names one file."""
    if extras.own_key_file:
        return replace(settings, interface=interface)
    return replace(
        settings,
        interface=interface,
        private_key_file=f"/etc/wireguard/{interface}.key",
        public_key=settings.public_key if interface == main else "",
    )


def listen_ports(settings: Settings, extras: HubSpokeSettings, interfaces: Collection[str]) -> dict[str, int]:
    """Return the ports of a spoke's devices by name, 0 for any."""
    main = main_interface(settings, interfaces)
    return {name: extras.ports.get(name, settings.port if name == main else 0) for name in interfaces}


def reached_ports(settings: Settings, ports: Mapping[str, int]) -> dict[str, int]:
    """Return where the devices of a spoke with an endpoint of its own are reached, by name."""
    if not isinstance(settings.endpoint, Endpoint):
        return {}
    main = main_interface(settings, ports)
    return {name: settings.endpoint.port if name == main else port for name, port in ports.items()}


def spoke_tunnel_kinds(fleet: HubSpokeFleet) -> dict[str, frozenset[str]]:
    """Return for each member what carries its tunnels: a spoke's to hubs, a hub's to all; linear in members."""
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
