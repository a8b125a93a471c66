# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on hubs and spokes.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ....module_utils._ip.prefix import Prefix
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, host_list
from ..fleet.different_networks import different_networks
from ..fleet.endpoint_rules import unreached
from ..fleet.member import Member, tunnel_kind
from ..fleet.settings import NONE
from ..plan_model.fleet import Endpoints, HostInput
from .fleet import HubSpokeFleet, listen_ports, main_interface
from .settings import is_hub

FAMILY_LABELS = {"ipv4": "IPv4", "ipv6": "IPv6", "name": "name"}


def undecided_hubs(hosts: Iterable[HostInput], prefix: str) -> Iterator[Problem]:
    """Yield hubs without facts with a variable that spokes need and that depends on their facts."""
    for host in hosts:
        if not is_hub(host) or host.fact is not None:
            continue
        for variable in ("interface", "priority", "network", "isolate"):
            if variable in host.unresolved:
                text = f"every spoke needs it, and it depends on facts of the hub, which {host.absence.words}; set a constant"
                yield Problem(host.name, prefix + variable, f"{text} ({host.unresolved[variable]})")


def not_gathered(hosts: Iterable[HostInput], interfaces: Collection[str], prefix: str) -> Iterator[Problem]:
    """Yield the spokes whose facts lack the key of an interface."""
    for host in hosts:
        reported = (host.fact or {}).get("interfaces")
        if is_hub(host) or not isinstance(reported, Mapping):
            continue
        for interface in sorted(set(interfaces) - set(reported)):
            remedy = "set the names of interfaces for hubs only, and gather facts again"
            text = f"the facts of this host have no key for {interface!r}; {remedy}"
            yield Problem(host.name, prefix + "interface", text)


def violations(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield the problems between hubs and spokes."""
    yield from _groups(fleet)
    yield from _unlike_hubs(fleet)
    yield from _isolation(fleet)
    yield from _networks(fleet)
    yield from _hub_endpoints(fleet)
    yield from _overlapping_sites(fleet)
    yield from _spokes(fleet)


def warnings(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield what works, but perhaps not as intended."""
    if not fleet.spokes:
        for name in fleet.hubs:
            yield Problem(name, fleet.prefix + "spokes_group", "the fleet has no spoke; add hosts to this group")
    for hub in fleet.hub_members:
        if not hub.endpoints and hub.observation is None and hub.settings.endpoint != NONE:
            text = f"the hub {hub.absence.words} and has no known address; spokes keep its last endpoint"
            yield Problem(hub.name, fleet.prefix + "endpoint", text)
    yield from _without_tunnel(fleet)


def _groups(fleet: HubSpokeFleet) -> Iterator[Problem]:
    variable = fleet.prefix + "hubs_group"
    for name in fleet.both:
        text = f"the host is also in {fleet.prefix}spokes_group; remove it from one of the groups"
        yield Problem(name, variable, text)
    if not fleet.hubs:
        text = "the fleet has no hub, so spokes cannot reach each other; add a host that all can reach to this group"
        for member in fleet.any_fleet.members:
            yield Problem(member.name, variable, text)


def _unlike_hubs(fleet: HubSpokeFleet) -> Iterator[Problem]:
    hubs = fleet.hub_members
    interfaces = ((hub, hub.settings.interface) for hub in hubs)
    yield from _shared(fleet, "interface", interfaces, "a spoke needs a different interface for each hub")
    priorities = ((hub, fleet.hub_spoke_settings[hub.name].priority) for hub in hubs)
    yield from _shared(fleet, "priority", priorities, "spokes prefer the hub with the lowest")


def _shared(
    fleet: HubSpokeFleet, variable: str, values: Iterable[tuple[Member, Any]], reason: str
) -> Iterator[Problem]:
    having: dict[Any, list[str]] = {}
    for hub, value in values:
        having.setdefault(value, []).append(hub.name)
    for value, names in having.items():
        if len(names) > 1:
            text = f"hubs {host_list(names)} all have {value}, but {reason}; set a different one for each in host_vars"
            yield from (Problem(name, fleet.prefix + variable, text) for name in names)


def _isolation(fleet: HubSpokeFleet) -> Iterator[Problem]:
    variable = fleet.prefix + "isolate"
    on_hubs = {hub.name: bool(fleet.hub_spoke_settings[hub.name].isolate) for hub in fleet.hub_members if hub.resolved}
    if len(set(on_hubs.values())) > 1:
        isolating = host_list(name for name, value in on_hubs.items() if value)
        text = f"this is true for {isolating} and false for the other hubs; set the same for all hubs"
        yield from (Problem(name, variable, text) for name in on_hubs)
        return
    wanted = any(on_hubs.values())
    for spoke in fleet.spokes:
        own = fleet.hub_spoke_settings[spoke.name].isolate
        if own is not None and own != wanted:
            text = f"{str(own).lower()} here, but {str(wanted).lower()} on the hubs; set it for the hubs only"
            yield Problem(spoke.name, variable, text)


def _networks(fleet: HubSpokeFleet) -> Iterator[Problem]:
    members = list(fleet.any_fleet.resolved)
    yield from different_networks(fleet.any_fleet, members)
    if not any(member.settings.network or "network" in member.settings.refused for member in members):
        text = "the overlay has no network, so spokes would have no route to the hubs; set it for all"
        yield from (Problem(member.name, fleet.prefix + "network", text) for member in members)


def _hub_endpoints(fleet: HubSpokeFleet) -> Iterator[Problem]:
    remedy = "set the address or name at which spokes reach this host"
    for hub in fleet.hub_members:
        if hub.endpoints or not hub.resolved:
            continue
        if hub.settings.endpoint == NONE:
            text = f"spokes initiate the tunnels, so a hub needs an endpoint; {remedy}"
        elif hub.observation is not None:
            text = f"the hub has no reachable endpoint; {remedy}"
        else:
            continue
        yield Problem(hub.name, fleet.prefix + "endpoint", text)


def _overlapping_sites(fleet: HubSpokeFleet) -> Iterator[Problem]:
    # Equal ones are reported by the rules for all topologies.
    sites = [(site, member) for member in fleet.any_fleet.resolved for site in member.settings.networks]
    index: PrefixIndex[tuple[Prefix, Member]] = PrefixIndex((site, (site, member)) for site, member in sites)
    for site, member in sites:
        if any(network.contains(site) for network in member.settings.network if network != site) and any(
            site in peer.allowed_ips for peer in member.settings.static_peers
        ):
            text = f"{site} of a static peer is reached through this hub without it; remove it"
            yield Problem(member.name, fleet.prefix + "networks", text)
        around = index.around(site)
        if around and around[1][1].name != member.name:
            text = f"{site} overlaps {around[0]} of {around[1][1].name!r}; each site needs its own networks"
            yield Problem(member.name, fleet.prefix + "networks", text)


def _spokes(fleet: HubSpokeFleet) -> Iterator[Problem]:
    names = {spoke.name for spoke in fleet.spokes}
    interfaces = {hub.settings.interface for hub in fleet.hub_members}
    for spoke in fleet.spokes:
        if spoke.resolved:
            yield from _tunnels_to_hubs_only(
                fleet, spoke, names - {spoke.name} if spoke.settings.peer_overrides else ()
            )
            direct = (
                {fleet.hub_spoke_settings[spoke.name].direct_interface}
                if fleet.hub_spoke_settings[spoke.name].direct
                else set()
            )
            yield from _ports(fleet, spoke, interfaces | direct)


def _tunnels_to_hubs_only(fleet: HubSpokeFleet, spoke: Member, others: Collection[str]) -> Iterator[Problem]:
    if spoke.settings.static_peers:
        text = "a spoke has tunnels to hubs only; set this for a hub"
        yield Problem(spoke.name, fleet.prefix + "static_peers", text)
    for name in spoke.settings.peer_overrides:
        if name in others:
            text = f"{host_list([name])} is a spoke too, and a spoke has tunnels to hubs only; remove it"
            yield Problem(spoke.name, fleet.prefix + "peer_overrides", text)


def _ports(fleet: HubSpokeFleet, spoke: Member, interfaces: Collection[str]) -> Iterator[Problem]:
    ports: dict[int, list[str]] = {}
    own = fleet.hub_spoke_settings[spoke.name]
    for interface in own.ports:
        if interface not in interfaces:
            text = f"no hub has the interface {interface!r}; use {', '.join(sorted(interfaces))}"
            yield Problem(spoke.name, fleet.prefix + "ports", text)
    to_hubs = listen_ports(spoke.settings, own, [hub.settings.interface for hub in fleet.hub_members])
    if to_hubs:
        main = main_interface(spoke.settings, to_hubs)
        yield from unreached(spoke, to_hubs[main], fleet.prefix + ("ports" if main in own.ports else "port"))
    for interface, port in {**own.ports, **to_hubs}.items():
        if port:
            ports.setdefault(port, []).append(interface)
    for port, names in ports.items():
        if len(names) > 1:
            text = f"{port} is the port of {' and '.join(sorted(names))}; set a different one for each, or 0 for any"
            yield Problem(spoke.name, fleet.prefix + "ports", text)


def _without_tunnel(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield the members without a common address family with a hub."""
    for hub in fleet.hub_members:
        if not hub.endpoints or hub.public_key is None:
            continue
        for other in fleet.fleets[hub.name].members:
            if other.name == hub.name or other.public_key is None or _overridden(hub, other):
                continue
            if not tunnel_kind(other.reach, hub.reach):
                own = " and ".join(FAMILY_LABELS[family] for family in other.families) or "neither IPv4 nor IPv6"
                text = (
                    f"no tunnel to hub {hub.name!r} comes up: this host uses {own}, but the hub's endpoint is "
                    f"{_offered(hub.endpoints)} only; set a name or an address of that family as {fleet.prefix}endpoint "
                    "of the hub"
                )
                yield Problem(other.name, fleet.prefix + "endpoint_family", text)


def _overridden(one: Member, other: Member) -> bool:
    views = (one.settings.peer_overrides.get(other.name), other.settings.peer_overrides.get(one.name))
    return any(view is not None and (view.endpoint or view.no_endpoint) for view in views)


def _offered(endpoints: Endpoints) -> str:
    return " and ".join(
        label for label, text in zip(FAMILY_LABELS.values(), (endpoints.ipv4, endpoints.ipv6, endpoints.name)) if text
    )
