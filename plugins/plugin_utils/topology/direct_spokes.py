# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of spokes that want direct tunnels, put together from inventory, facts and what was measured meanwhile.

Facts come from hosts, so nothing in them is trusted to have the right shape.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint, parse_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_document import observed_name
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_model import DirectHost
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_pairs import DirectSpoke, Session
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import BOTH, kind_of
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_settings import HubSpokeSettings
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    is_public_key,
    observe,
    recollect,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import Settings


@dataclass(frozen=True)
class DirectSources:
    """Where the knowledge comes from. interfaces: those of the hubs, by name, the preferred one first.

    revoked: the names and keys that count for nothing. play, batch: the hosts that this run is about, and those that
    are worked on now.
    """

    interface: str
    inputs: Mapping[str, HostInput]
    settings: Mapping[str, Settings]
    extras: Mapping[str, HubSpokeSettings]
    interfaces: Mapping[str, str]
    revoked: Collection[str]
    play: Collection[str]
    batch: Collection[str]


def direct_spokes(sources: DirectSources) -> dict[str, DirectSpoke]:
    """Return what is known of the spokes that want direct tunnels."""
    names = [
        name
        for name in sources.inputs
        if (sources.extras[name].direct or _is_undecided(sources, name))
        and name not in sources.revoked
        and not is_hub_of(sources, name)
    ]
    heard = {name: _observe(sources, name) for name in names if sources.inputs[name].fact is not None}
    seen_by = {hub: _device(sources.inputs[hub], interface) for hub, interface in sources.interfaces.items()}
    hubs = {hub: _sessions(device, sources.inputs[hub]) for hub, device in seen_by.items() if hub in sources.play}
    known = _remembered_keys(sources, names, heard)
    told = {hub: str(seen_by[hub].get("peers", "")) for hub in hubs}
    found = {}
    for name in names:
        said = heard[name].public_key if name in heard else ""
        key = said if is_public_key(said) else known.get(name)
        found[name] = _spoke(sources, name, None if key in sources.revoked else key, hubs, told)
    return found


def _is_undecided(sources: DirectSources, name: str) -> bool:
    """Return whether what a host wants depends on its facts, and it was not heard from: others keep what they hold."""
    return "direct" in sources.inputs[name].unresolved


def is_hub_of(sources: DirectSources, name: str) -> bool:
    """Return whether a host is one of the hubs."""
    return name in sources.interfaces


def direct_host(spoke: DirectSpoke, sources: DirectSources, notes: Mapping[str, str]) -> DirectHost:
    """Return a spoke's device as a plan holds it."""
    return DirectHost(
        spoke.public_key,
        f"/etc/wireguard/{sources.interface}.key",
        sources.extras[spoke.name].ports.get(sources.interface, 0),
        dict(sorted(notes.items())),
    )


def has_device(sources: DirectSources, name: str) -> bool:
    """Return whether a host says that it has a device for direct tunnels."""
    return bool(_device(sources.inputs[name], sources.interface).get("addresses"))


def revoked_keys(sources: DirectSources, names: Collection[str]) -> dict[str, str]:
    """Return the keys of revoked spokes' devices for direct tunnels, as hubs remember them, with their names."""
    by_label = {observed_name(name): name for name in names}
    memories = recollect(_hub_observations(sources), by_label.keys())
    return {memory.public_key: by_label[label] for label, found in memories.items() for memory in found}


def _spoke(
    sources: DirectSources,
    name: str,
    key: str | None,
    hubs: Mapping[str, Mapping[str, Session]],
    told: Mapping[str, str],
) -> DirectSpoke:
    host, extras = sources.inputs[name], sources.extras[name]
    is_heard = host.fact is not None and name in sources.play
    device = _device(host, sources.interface)
    at_hubs = {hub: sessions[key] for hub, sessions in hubs.items() if key and key in sessions}
    underlay = (host.fact or {}).get("underlay")
    links = underlay.values() if isinstance(underlay, Mapping) else ()
    notes = device.get("notes")
    return DirectSpoke(
        name,
        key,
        partners=None if extras.direct is True or _is_undecided(sources, name) else frozenset(extras.direct or ()),
        heard=is_heard,
        batch=name in sources.batch,
        declared=_declared(sources.settings[name], extras, sources.interface),
        own=frozenset(str(link.get("address")) for link in links if isinstance(link, Mapping)),
        seen={hub: session.endpoint for hub, session in at_hubs.items() if session.is_alive and session.endpoint},
        is_new=bool(hubs) and not any(key and key in peers for peers in told.values()),
        nats=dict(_nats(host.heard)),
        peers={peer: (found, where) for found, peer, where in _peer_lines(device)} if is_heard else {},
        sessions=_session_lines(device) if is_heard and "sessions" in device else None,
        tried=dict(_probed(host.heard)),
        notes={str(other): str(text) for other, text in notes.items()} if isinstance(notes, Mapping) else {},
        retry=extras.direct_retry,
    )


def _declared(settings: Settings, extras: HubSpokeSettings, interface: str) -> dict[str, str]:
    """Return where the inventory says that the device is reached: the host of the endpoint, with the device's port."""
    port = extras.ports.get(interface, 0)
    if not isinstance(settings.endpoint, Endpoint) or not port:
        return {}
    return {kind_of(settings.endpoint.host): str(settings.endpoint._replace(port=port))}


def _device(host: HostInput, interface: str) -> Mapping[str, Any]:
    interfaces = (host.fact or {}).get("interfaces")
    device = interfaces.get(interface) if isinstance(interfaces, Mapping) else None
    return device if isinstance(device, Mapping) else {}


def _observe(sources: DirectSources, name: str) -> Observation:
    return observe(sources.inputs[name].fact or {}, sources.interface)


def _hub_observations(sources: DirectSources) -> dict[str, Observation]:
    hubs = {hub: sources.inputs[hub].fact for hub in sources.interfaces}
    return {hub: observe(fact, sources.interfaces[hub]) for hub, fact in hubs.items() if fact is not None}


def _remembered_keys(
    sources: DirectSources, names: Collection[str], heard: Mapping[str, Observation]
) -> dict[str, str | None]:
    """Return the keys of those that were not heard from, None where those who remember them do not agree."""
    silent = {name for name in names if name not in heard}
    labels = {observed_name(name): name for name in silent}
    found: dict[str, set[str]] = {name: set() for name in silent}
    for label, memories in recollect(_hub_observations(sources), labels.keys()).items():
        found[labels[label]].update(memory.public_key for memory in memories)
    for name, memories in recollect(heard, silent).items():
        found[name].update(memory.public_key for memory in memories)
    live = {name: keys.difference(sources.revoked) for name, keys in found.items()}
    return {name: next(iter(keys)) if len(keys) == 1 else None for name, keys in live.items()}


def _peer_lines(device: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield key, name and endpoint of the peers that a device remembers."""
    for line in str(device.get("peers", "")).split("\n"):
        fields = line.split("\t")
        if len(fields) == 4 and is_public_key(fields[0]):
            yield fields[0], fields[1], fields[3]


def _session_lines(device: Mapping[str, Any]) -> dict[str, Session]:
    found = {}
    for line in str(device.get("sessions", "")).split("\n"):
        fields = line.split("\t")
        if len(fields) == 3 and fields[2].isdigit():
            found[fields[0]] = Session(_address(fields[1]), int(fields[2]))
    return found


def _sessions(device: Mapping[str, Any], hub: HostInput) -> dict[str, Session]:
    """Return a hub's sessions: what it was probed for since its facts were gathered counts more."""
    return {**_session_lines(device), **dict(_probed(hub.heard))}


def _probed(results: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Session]]:
    """Yield the sessions that results of `overlay_probe` tell of, by public key."""
    for result in results:
        peers = result.get("peers")
        for peer in peers if isinstance(peers, list) else ():
            age = peer.get("handshake_age") if isinstance(peer, Mapping) else None
            if isinstance(age, int):
                yield str(peer.get("public_key")), Session(_address(str(peer.get("endpoint", ""))), age)


def _nats(results: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the kinds of NAT that results of `stun_info` tell of, by address family."""
    for result in results:
        for family in BOTH:
            found = result.get(family)
            if isinstance(found, Mapping) and found.get("nat"):
                yield family, str(found["nat"])


def _address(text: str) -> str:
    """Return an endpoint, empty for what is none."""
    try:
        return str(parse_endpoint(text))
    except ValueError:
        return ""
