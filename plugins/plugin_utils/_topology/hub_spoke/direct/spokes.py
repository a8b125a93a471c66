# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collect what is known of spokes with direct tunnels: from the inventory, facts and probe results.

Facts come from hosts, so their shape is not trusted.
This plugin util is private to the collection.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from .....module_utils._wireguard.endpoint import Endpoint
from ...._untrusted import mapping_of, text_of
from ...fleet.endpoints import BOTH, kind_of
from ...fleet.identity import new_key_of
from ...fleet.observation import Observation, cached_peers, endpoint_or_none, is_public_key, observe, peer_fields
from ...fleet.settings import Settings
from ...plan_model.direct import DirectHost, discovery_name
from ...plan_model.fleet import HostInput
from ..fleet import on_interface
from ..inputs import HubSpokeInputs
from ..settings import HubSpokeSettings
from .pairs import DirectSpoke, Session

# Bounds on what a host reports of its sessions and notes.
_LINES, _LINE_LENGTH, _NOTE_LENGTH = 20000, 500, 1000
_AGE = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class DirectSources:
    """Input for direct tunnels: their interface, the hosts of this run, and those of the current batch."""

    inputs: HubSpokeInputs
    interface: str
    play: Collection[str]
    batch: Collection[str]

    def device(self, name: str) -> Mapping[str, Any]:
        """Return what a host reports of its interface for direct tunnels."""
        return _device(self.inputs.hosts[name], self.interface)


def direct_spokes(sources: DirectSources) -> dict[str, DirectSpoke]:
    """Return the spokes that want direct tunnels, by name."""
    inputs = sources.inputs
    revoked = inputs.revocation.keys.keys()
    names = [
        name
        for name in inputs.names
        if name not in inputs.hubs and (inputs.hub_spoke_settings[name].direct or _is_undecided(inputs, name))
    ]
    observed = _observations(inputs, dict.fromkeys(names, sources.interface))
    on_hubs = {hub: _device(inputs.hosts[hub], interface) for hub, interface in inputs.interfaces.items()}
    hubs = {hub: _sessions(device, inputs.hosts[hub]) for hub, device in on_hubs.items() if hub in sources.play}
    reported = _reported_keys(inputs, names, observed)
    known = {key for hub in hubs for key, *_rest in peer_fields(inputs.observations[hub].get(hub))}
    found = {}
    for name in names:
        own = observed[name].public_key if name in observed else ""
        key = own if is_public_key(own) else reported.get(name)
        if name in observed and observed[name].new_key:
            key = new_key_of(on_interface(name, sources.interface))
        found[name] = _spoke(sources, name, None if key in revoked else key, hubs, known, observed.get(name))
    return found


def _is_undecided(inputs: HubSpokeInputs, name: str) -> bool:
    """Return whether `direct` depends on facts of an unreachable host; then the other spokes keep it as a peer."""
    return "direct" in inputs.hosts[name].unresolved


def direct_host(spoke: DirectSpoke, sources: DirectSources, notes: Mapping[str, str]) -> DirectHost:
    """Return a spoke as the plan holds it."""
    return DirectHost(
        spoke.public_key,
        f"/etc/wireguard/{sources.interface}.key",
        sources.inputs.hub_spoke_settings[spoke.name].ports.get(sources.interface, 0),
        dict(sorted(notes.items())),
    )


def retired_spokes(sources: DirectSources, wanting: Collection[str]) -> list[str]:
    """Return the hosts that report an interface for direct tunnels, and are not among those that want it.

    A hub that was a spoke before may have one too.
    """
    inputs = sources.inputs
    others = (name for name in inputs.names if name not in wanting and inputs.interfaces.get(name) != sources.interface)
    return [name for name in others if sources.device(name).get("addresses")]


def refused_keys(
    sources: DirectSources, spokes: Mapping[str, DirectSpoke], refusals: Mapping[str, Mapping[str, str]]
) -> dict[str, Mapping[str, str]]:
    """Return what each host refuses, with the keys of interfaces for direct tunnels that it has stored as revoked.

    refusals: those of other keys, by host.
    """
    inputs = sources.inputs
    owners = {spoke.public_key: name for name, spoke in spokes.items() if spoke.public_key}
    found = dict(refusals)
    for interfaces in (inputs.interfaces, dict.fromkeys(spokes, sources.interface)):
        for name, seen in _observations(inputs, interfaces).items():
            stored = seen.revoked.keys() & owners.keys()
            refused = {key: discovery_name(owners[key]) for key in sorted(stored) if owners[key] != name}
            if refused:
                found[name] = {**found.get(name, {}), **refused}
    return found


def _spoke(
    sources: DirectSources,
    name: str,
    key: str | None,
    hubs: Mapping[str, Mapping[str, Session]],
    known_to_hubs: Collection[str],
    seen: Observation | None,
) -> DirectSpoke:
    inputs = sources.inputs
    host, own = inputs.hosts[name], inputs.hub_spoke_settings[name]
    has_reported = host.fact is not None and name in sources.play
    device = sources.device(name)
    at_hubs = {hub: sessions[key] for hub, sessions in hubs.items() if key and key in sessions}
    links = mapping_of((host.fact or {}).get("underlay")).values()
    return DirectSpoke(
        name,
        key,
        partners=None if own.direct is True or _is_undecided(inputs, name) else frozenset(own.direct or ()),
        reported=has_reported,
        in_batch=name in sources.batch,
        declared=_declared(inputs.settings[name], own, sources.interface),
        own=frozenset(str(link.get("address")) for link in links if isinstance(link, Mapping)),
        seen={hub: session.endpoint for hub, session in at_hubs.items() if session.is_alive and session.endpoint},
        is_new=bool(hubs) and key not in known_to_hubs,
        nats=dict(_nats(host.probe_results)),
        peers=dict(_peers(seen)) if has_reported else {},
        sessions=session_lines(device) if has_reported and "sessions" in device else None,
        probed=dict(_probed(host.probe_results)),
        notes=dict(_notes(device)),
        retry=own.direct_retry,
    )


def _declared(settings: Settings, own: HubSpokeSettings, interface: str) -> dict[str, Endpoint]:
    """Return the endpoint from the inventory, if any: its host, with the port of the interface for direct tunnels."""
    port = own.ports.get(interface, 0)
    if not isinstance(settings.endpoint, Endpoint) or not port:
        return {}
    return {kind_of(settings.endpoint.host): settings.endpoint._replace(port=port)}


def _device(host: HostInput, interface: str) -> Mapping[str, Any]:
    return mapping_of(mapping_of((host.fact or {}).get("interfaces")).get(interface))


def _observations(inputs: HubSpokeInputs, interfaces: Mapping[str, str]) -> dict[str, Observation]:
    """Return what hosts report of one interface each, by host. interfaces: by host."""
    facts = {name: inputs.hosts[name].fact for name in interfaces}
    return {name: observe(fact, interfaces[name]) for name, fact in facts.items() if fact is not None}


def _reported_keys(
    inputs: HubSpokeInputs, names: Collection[str], observed: Mapping[str, Observation]
) -> dict[str, str | None]:
    """Return the keys of spokes without facts, None where the hosts that report them disagree."""
    silent = {name for name in names if name not in observed}
    labels = {discovery_name(name): name for name in silent}
    found: dict[str, set[str]] = {name: set() for name in silent}
    for label, reports in cached_peers(_observations(inputs, inputs.interfaces), labels.keys()).items():
        found[labels[label]].update(report.public_key for report in reports)
    for name, reports in cached_peers(observed, silent).items():
        found[name].update(report.public_key for report in reports)
    live = {name: keys.difference(inputs.revocation.keys) for name, keys in found.items()}
    return {name: next(iter(keys)) if len(keys) == 1 else None for name, keys in live.items()}


def _peers(seen: Observation | None) -> Iterator[tuple[str, tuple[str, Endpoint | None]]]:
    """Yield key and endpoint of the peers that a host has stored, by name."""
    for key, name, _addresses, endpoint in peer_fields(seen):
        if is_public_key(key):
            yield name, (key, endpoint_or_none(endpoint))


def _notes(device: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a host has stored of failed pairs, by the other spoke. It is shown, and stored again."""
    for other, text in islice(mapping_of(device.get("notes")).items(), _LINES):
        if isinstance(text, str) and len(text) <= _NOTE_LENGTH and text.isprintable():
            yield str(other), str(text)


def session_lines(device: Mapping[str, Any]) -> dict[str, Session]:
    """Return the sessions that a host reports of an interface, by public key."""
    found = {}
    for line in text_of(device.get("sessions")).split("\n", _LINES)[:_LINES]:
        fields = line.split("\t", 3)
        if len(fields) == 3 and _AGE.fullmatch(fields[2]) and len(line) <= _LINE_LENGTH:
            found[fields[0]] = Session(endpoint_or_none(fields[1]), int(fields[2]))
    return found


def _sessions(device: Mapping[str, Any], hub: HostInput) -> dict[str, Session]:
    """Return a hub's sessions; probe results replace those of its facts, which are older."""
    return {**session_lines(device), **dict(_probed(hub.probe_results))}


def _probed(results: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Session]]:
    """Yield the sessions in results of `probe_info`, by public key."""
    for result in results:
        peers = result.get("peers")
        for peer in peers if isinstance(peers, list) else ():
            age = peer.get("handshake_age") if isinstance(peer, Mapping) else None
            if isinstance(age, int):
                yield str(peer.get("public_key")), Session(endpoint_or_none(str(peer.get("endpoint", ""))), age)


def _nats(results: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the kinds of NAT in results of `stun_info`, by address family."""
    for result in results:
        for family in BOTH:
            found = result.get(family)
            if isinstance(found, Mapping) and found.get("nat"):
                yield family, str(found["nat"])
