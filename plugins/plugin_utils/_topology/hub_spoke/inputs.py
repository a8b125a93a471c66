# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hubs and spokes are planned from: settings, facts and revocations, before members are put together.

A spoke has a device for each hub, so facts are read once for each hub's device.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from ....module_utils._ip.prefix import Address
from ..._problems import Problem
from ..._untrusted import mapping_of
from ..fleet.former_interfaces import DIRECT, continued, former_interfaces
from ..fleet.identity import credible
from ..fleet.observation import CachedPeer, Observation, cached_peers, observe
from ..fleet.put_off import absent_hosts, keys_in_use, replaced_keys, revoked_elsewhere, with_stored_ports
from ..fleet.revocation import Revocation, revoke
from ..fleet.settings import Settings
from ..plan_model.fleet import HostInput
from .settings import HubSpokeSettings, is_hub, main_interface, read_common_settings, read_hub_spoke_settings

# Placeholder for the device of a fleet without a hub, so that all other problems of the fleet are found too.
NO_HUB = ""


@dataclass(frozen=True)
class ReportedPeers:
    """What hosts report of hubs, by hub, and of spokes, by hub and spoke: only a hub knows a spoke's key with it."""

    hubs: Mapping[str, tuple[CachedPeer, ...]]
    spokes: Mapping[str, Mapping[str, tuple[CachedPeer, ...]]]

    def of(self, name: str) -> tuple[CachedPeer, ...]:
        """Return all reports of a host, whatever the device."""
        of_spoke = (reports.get(name, ()) for reports in self.spokes.values())
        return self.hubs.get(name) or tuple(chain.from_iterable(of_spoke))


@dataclass(frozen=True)
class HubSpokeInputs:
    """All input by host. observations: by hub, then by host. hubs, and interfaces by hub: the preferred one first.

    Revoked hosts are among hosts and settings only. former: by host, the interfaces of this overlay that are not planned.
    absent: the hosts that are not changed together with those of this run. warnings: what is put off because of them, or
    ignored. disputed: the hosts whose key is not certain, with the reason. overlay: as in `plan_mesh`.
    """

    hosts: Mapping[str, HostInput]
    settings: Mapping[str, Settings]
    hub_spoke_settings: Mapping[str, HubSpokeSettings]
    observations: Mapping[str, Mapping[str, Observation]]
    reported: ReportedPeers
    revocation: Revocation
    hubs: tuple[str, ...]
    interfaces: Mapping[str, str]
    prefix: str
    former: Mapping[str, tuple[str, ...]]
    absent: frozenset[str]
    warnings: tuple[Problem, ...]
    disputed: Mapping[str, str]
    overlay: str = ""

    @property
    def names(self) -> list[str]:
        """The hosts that are not revoked."""
        return [name for name in self.hosts if name not in self.revocation.names]

    @property
    def in_run(self) -> frozenset[str]:
        """The hosts that this run changes together."""
        return frozenset(self.names) - self.absent

    @property
    def addresses(self) -> dict[str, tuple[Address, ...]]:
        """The addresses that each host reports, on any device."""
        found: dict[str, dict[Address, None]] = {}
        for on_device in self.observations.values():
            for name, seen in on_device.items():
                found.setdefault(name, {}).update(dict.fromkeys(seen.addresses))
        return {name: tuple(addresses) for name, addresses in found.items()}

    @property
    def retired_interfaces(self) -> set[str]:
        """The interfaces that led to revoked hubs only."""
        revoked = {name for name in self.revocation.names if name in self.hosts and is_hub(self.hosts[name])}
        return {self.settings[name].interface for name in revoked} - {*self.interfaces.values()}

    def planned_interfaces(self, name: str) -> set[str]:
        """Return the interfaces of a host that the plan makes or removes."""
        if name in self.hubs:
            return {self.interfaces[name]}
        direct = self.hub_spoke_settings[name].direct_interface
        return {*self.interfaces.values(), *self.retired_interfaces, direct}

    def foreign_interfaces(self, name: str) -> frozenset[str]:
        """Return the interfaces of a host that belong to other overlays."""
        reported = mapping_of((self.hosts[name].fact or {}).get("interfaces"))
        others = (one for one in map(str, reported) if one not in self.planned_interfaces(name))
        owners = {one: observe({"interfaces": reported}, one).overlay.removesuffix(DIRECT) for one in others}
        return frozenset(one for one, owner in owners.items() if self.overlay and owner not in ("", self.overlay))


def read_inputs(hosts: Iterable[HostInput], prefix: str, problems: list[Problem], overlay: str = "") -> HubSpokeInputs:
    """Return the input for a fleet; problems of single variables are appended to `problems`."""
    by_name = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    settings = {name: read_common_settings(host, prefix, problems) for name, host in by_name.items()}
    own = {
        name: read_hub_spoke_settings(host, settings[name].network, prefix, problems) for name, host in by_name.items()
    }
    hubs = sorted((name for name, host in by_name.items() if is_hub(host)), key=lambda name: (own[name].priority, name))
    interfaces = {name: settings[name].interface for name in hubs} or {NO_HUB: "wg0"}
    planned = {
        name: {settings[name].interface} if is_hub(host) else {*interfaces.values(), own[name].direct_interface}
        for name, host in by_name.items()
    }
    # What a former interface for direct tunnels has stored is not continued: its pairs are probed again.
    to_hubs, for_direct = (
        {
            name: former_interfaces(host.fact, planned[name], of, settings[name]) if overlay else ()
            for name, host in by_name.items()
        }
        for of in (overlay, overlay + DIRECT)
    )
    former = {name: (*to_hubs[name], *for_direct[name]) for name in by_name}
    by_name = {
        name: host._replace(fact=continued(host.fact, planned[name] - {own[name].direct_interface}, to_hubs[name]))
        for name, host in by_name.items()
    }
    observations = {hub: _observe(by_name, settings, interface) for hub, interface in interfaces.items()}
    direct = {
        name: observe(host.fact, own[name].direct_interface)
        for name, host in by_name.items()
        if host.fact is not None and not is_hub(host)
    }
    revocation = revoke(settings, [*observations.values(), direct], prefix)
    for on_device in observations.values():
        for name in revocation.names:
            # Facts reported by a revoked host are ignored.
            on_device.pop(name, None)
    live = tuple(name for name in hubs if name not in revocation.names)
    absent = absent_hosts(by_name, revocation.names)
    kept, warnings = {}, list[Problem]()
    for hub in live or list(observations)[:1]:
        replaced = replaced_keys(by_name, observations[hub], absent, revocation.keys, prefix)
        problems.extend(replaced.problems)
        warnings.extend(replaced.warnings)
        kept[hub] = keys_in_use(observations[hub], absent, revocation.keys)
    spokes = {name for name in by_name if name not in hubs and name not in revocation.names}
    reported, disputed, false = _credible(_reported(kept, live, spokes), settings, kept, prefix)
    warnings.extend(false)
    used = {name: interfaces[name] for name in kept}
    if absent:
        ports = _main_devices(settings, kept, reported, used)
        unresolved = {name for name, host in by_name.items() if host.unresolved}
        settings, put_off = with_stored_ports(by_name, settings, *ports, absent, unresolved, prefix)
        warnings.extend(put_off)
        for device in kept.values():
            going_on = revoked_elsewhere(revocation.names, device, absent, by_name, prefix)
            warnings.extend(one for one in going_on if one not in warnings)
    return HubSpokeInputs(
        by_name,
        settings,
        own,
        kept,
        reported,
        revocation,
        live,
        used,
        prefix,
        former,
        absent,
        tuple(warnings),
        disputed,
        overlay,
    )


def _main_devices(
    settings: Mapping[str, Settings],
    observations: Mapping[str, Mapping[str, Observation]],
    reported: ReportedPeers,
    interfaces: Mapping[str, str],
) -> tuple[dict[str, Observation], dict[str, tuple[CachedPeer, ...]]]:
    """Return what each host reports, and others have stored, of its device with the port of the inventory."""
    by_interface = {interface: hub for hub, interface in interfaces.items()}
    seen, cached = {}, {}
    for name, own in settings.items():
        hub = name if name in interfaces else by_interface[main_interface(own, list(by_interface))]
        if name in observations[hub]:
            seen[name] = observations[hub][name]
        cached[name] = reported.hubs.get(name, ()) if name == hub else reported.spokes.get(hub, {}).get(name, ())
    return seen, cached


def _observe(
    hosts: Mapping[str, HostInput], settings: Mapping[str, Settings], interface: str
) -> dict[str, Observation]:
    """Return what hosts report of the devices of one hub's network: each hub's own, and the spokes' device to it."""
    return {
        name: observe(host.fact, settings[name].interface if is_hub(host) else interface)
        for name, host in hosts.items()
        if host.fact is not None
    }


def _credible(
    reported: ReportedPeers,
    settings: Mapping[str, Settings],
    observations: Mapping[str, Mapping[str, Observation]],
    prefix: str,
) -> tuple[ReportedPeers, dict[str, str], list[Problem]]:
    """Return what hosts report of each other on each hub's device and may be true, the hosts with disputed keys, and warnings."""
    hubs, spokes, refused, warnings = {}, {}, {}, []
    for hub, of_hub in reported.hubs.items():
        found = credible({**reported.spokes.get(hub, {}), hub: of_hub}, settings, observations[hub], prefix)
        hubs[hub] = found.cached.pop(hub)
        spokes[hub] = found.cached
        refused.update(found.refused)
        warnings.extend(found.warnings)
    return ReportedPeers(hubs, spokes), refused, warnings


def _reported(
    observations: Mapping[str, Mapping[str, Observation]], hubs: Collection[str], spokes: Collection[str]
) -> ReportedPeers:
    names = frozenset(spokes)
    return ReportedPeers(
        {hub: cached_peers(observations[hub], {hub})[hub] for hub in hubs},
        {hub: cached_peers({hub: observations[hub][hub]}, names) if hub in observations[hub] else {} for hub in hubs},
    )
