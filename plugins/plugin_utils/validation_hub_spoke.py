# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on hubs and spokes.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.prefix_index import PrefixIndex
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_fleet import HubSpokeFleet
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke_settings import is_hub
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member, tunnel_kind
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Endpoints, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import NONE

_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6", "name": "name"}


def undecided_hubs(hosts: Iterable[HostInput], prefix: str) -> Iterator[Problem]:
    """Yield the hubs that were not heard from, and whose place in the fleet depends on their facts."""
    for host in hosts:
        if not is_hub(host) or host.fact is not None:
            continue
        for variable in ("interface", "priority"):
            if variable in host.unresolved:
                text = "every spoke needs it, and it cannot be evaluated without the hub's facts; write it out"
                yield Problem(host.name, prefix + variable, f"{text} ({host.unresolved[variable]})")


def not_gathered(hosts: Iterable[HostInput], interfaces: Collection[str], prefix: str) -> Iterator[Problem]:
    """Yield the spokes that were heard from, but not asked for their keys on all devices."""
    for host in hosts:
        said = (host.fact or {}).get("interfaces")
        if is_hub(host) or not isinstance(said, Mapping):
            continue
        for interface in sorted(set(interfaces) - set(said)):
            cure = "let the hubs' variables alone say this, and gather again"
            yield Problem(
                host.name, prefix + "interface", f"the host was not asked for its key on {interface!r}; {cure}"
            )


def violations(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield what is wrong between hubs and spokes."""
    yield from _groups(fleet)
    yield from _unlike_hubs(fleet)
    yield from _isolation(fleet)
    yield from _networks(fleet)
    yield from _hub_endpoints(fleet)
    yield from _overlapping_sites(fleet)
    yield from _spokes(fleet)


def advice(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield what works, but not as its owner may think."""
    if not fleet.spokes:
        for name in fleet.hubs:
            yield Problem(name, fleet.prefix + "spokes_group", "there is no spoke, so there is nobody to talk to")
    for hub in fleet.hub_members:
        if not hub.endpoints and hub.observation is None and hub.settings.endpoint != NONE:
            text = "the hub was not heard from and no address of it is known; spokes keep the endpoint they hold"
            yield Problem(hub.name, fleet.prefix + "endpoint", text)
    yield from _without_tunnel(fleet)


def _groups(fleet: HubSpokeFleet) -> Iterator[Problem]:
    variable = fleet.prefix + "hubs_group"
    for name in fleet.both:
        text = f"the host is also in {fleet.prefix}spokes_group, and it can be one of both; take it out of one group"
        yield Problem(name, variable, text)
    if not fleet.hubs:
        text = "the fleet has no hub, so nobody would reach anybody; put a host that all can reach into the group"
        for member in fleet.any_fleet.members:
            yield Problem(member.name, variable, text)


def _unlike_hubs(fleet: HubSpokeFleet) -> Iterator[Problem]:
    hubs = fleet.hub_members
    interfaces = ((hub, hub.settings.interface) for hub in hubs)
    reason = "every spoke has a device of that name for each hub"
    yield from _shared(fleet, "interface", interfaces, f"{reason}; set another {fleet.prefix}interface for one of them")
    priorities = ((hub, fleet.extras[hub.name].priority) for hub in hubs)
    reason = "spokes would not know which one to prefer"
    yield from _shared(fleet, "priority", priorities, f"{reason}; set another {fleet.prefix}priority for one of them")


def _shared(fleet: HubSpokeFleet, variable: str, values: Iterable[tuple[Member, Any]], cure: str) -> Iterator[Problem]:
    having: dict[Any, list[str]] = {}
    for hub, value in values:
        having.setdefault(value, []).append(hub.name)
    for value, names in having.items():
        if len(names) > 1:
            text = f"hubs {host_list(names)} all have {value}, but {cure} in host_vars"
            yield from (Problem(name, fleet.prefix + variable, text) for name in names)


def _isolation(fleet: HubSpokeFleet) -> Iterator[Problem]:
    variable = fleet.prefix + "isolate"
    said = {hub.name: bool(fleet.extras[hub.name].isolate) for hub in fleet.hub_members if hub.resolved}
    if len(set(said.values())) > 1:
        isolating = host_list(name for name, value in said.items() if value)
        text = f"{isolating} isolate spokes, and the other hubs do not; say the same for all hubs"
        yield from (Problem(name, variable, text) for name in said)
        return
    wanted = any(said.values())
    for spoke in fleet.spokes:
        own = fleet.extras[spoke.name].isolate
        if own is not None and own != wanted:
            text = (
                f"this says {str(own).lower()}, but on the hubs it is {str(wanted).lower()}; set it once, for the hubs"
            )
            yield Problem(spoke.name, variable, text)


def _networks(fleet: HubSpokeFleet) -> Iterator[Problem]:
    variable = fleet.prefix + "network"
    hosts: dict[tuple[str, ...], list[str]] = {}
    for member in fleet.any_fleet.resolved:
        hosts.setdefault(tuple(sorted(map(str, member.settings.network))), []).append(member.name)
    words = "; ".join(f"{', '.join(networks) or 'none'} on {host_list(hosts[networks])}" for networks in sorted(hosts))
    for networks, names in hosts.items():
        if len(hosts) > 1:
            text = f"the overlay has one set of networks, not several: {words}"
        elif not networks:
            text = "the overlay has no network, and spokes would have nothing to send to the hubs; set it for all"
        else:
            continue
        yield from (Problem(name, variable, text) for name in names)


def _hub_endpoints(fleet: HubSpokeFleet) -> Iterator[Problem]:
    cure = "set it to the address or name where spokes reach this host"
    for hub in fleet.hub_members:
        if hub.endpoints or not hub.resolved:
            continue
        if hub.settings.endpoint == NONE:
            text = f"a hub is called by all others, so it needs one; {cure}"
        elif hub.settings.port == 0:
            text = f"a hub needs a port that others know; set {fleet.prefix}port"
        elif hub.observation is not None:
            text = f"no address is known where spokes could reach this hub; {cure}"
        else:
            continue
        yield Problem(hub.name, fleet.prefix + "endpoint", text)


def _overlapping_sites(fleet: HubSpokeFleet) -> Iterator[Problem]:
    # Equal ones are complained about wherever two peers have one prefix.
    sites = [(site, member) for member in fleet.any_fleet.resolved for site in member.settings.networks]
    index: PrefixIndex[tuple[Prefix, Member]] = PrefixIndex((site, (site, member)) for site, member in sites)
    for site, member in sites:
        around = index.around(site)
        if around and around[1][1].name != member.name:
            text = f"{site} overlaps {around[0]} of {around[1][1].name!r}; sites need networks of their own"
            yield Problem(member.name, fleet.prefix + "networks", text)


def _spokes(fleet: HubSpokeFleet) -> Iterator[Problem]:
    names = {spoke.name for spoke in fleet.spokes}
    interfaces = {hub.settings.interface for hub in fleet.hub_members}
    for spoke in fleet.spokes:
        if spoke.resolved:
            yield from _tunnels_to_hubs_only(
                fleet, spoke, names - {spoke.name} if spoke.settings.peer_overrides else ()
            )
            direct = {fleet.extras[spoke.name].direct_interface} if fleet.extras[spoke.name].direct else set()
            yield from _ports(fleet, spoke, interfaces | direct)


def _tunnels_to_hubs_only(fleet: HubSpokeFleet, spoke: Member, others: Collection[str]) -> Iterator[Problem]:
    if spoke.settings.static_peers:
        text = "a spoke has tunnels to hubs only; set this for a hub"
        yield Problem(spoke.name, fleet.prefix + "static_peers", text)
    for name in spoke.settings.peer_overrides:
        if name in others:
            text = f"{host_list([name])} is a spoke too, and a spoke has tunnels to hubs only"
            yield Problem(spoke.name, fleet.prefix + "peer_overrides", text)


def _ports(fleet: HubSpokeFleet, spoke: Member, interfaces: Collection[str]) -> Iterator[Problem]:
    ports: dict[int, list[str]] = {}
    for interface, port in fleet.extras[spoke.name].ports.items():
        if interface not in interfaces:
            text = f"no hub has the interface {interface!r}; hubs have {', '.join(sorted(interfaces))}"
            yield Problem(spoke.name, fleet.prefix + "ports", text)
        if port:
            ports.setdefault(port, []).append(interface)
    for port, names in ports.items():
        if len(names) > 1:
            text = f"{port} is the port of {' and '.join(sorted(names))}; each device needs one of its own, or 0"
            yield Problem(spoke.name, fleet.prefix + "ports", text)


def _without_tunnel(fleet: HubSpokeFleet) -> Iterator[Problem]:
    """Yield the pairs of which neither end can send to the other, and why."""
    for hub in fleet.hub_members:
        if not hub.endpoints or hub.public_key is None:
            continue
        for other in fleet.fleets[hub.name].members:
            if other.name == hub.name or other.public_key is None or _overridden(hub, other):
                continue
            if not tunnel_kind(other.reach, hub.reach):
                own = " and ".join(_FAMILIES[family] for family in other.families) or "neither IPv4 nor IPv6"
                text = (
                    f"no tunnel comes up with hub {hub.name!r}: this host reaches others by {own}, "
                    f"and the hub is reached by {_offered(hub.endpoints)} only; "
                    f"give the hub a name or an address of that family in {fleet.prefix}endpoint"
                )
                yield Problem(other.name, fleet.prefix + "endpoint_family", text)


def _overridden(one: Member, other: Member) -> bool:
    views = (one.settings.peer_overrides.get(other.name), other.settings.peer_overrides.get(one.name))
    return any(view is not None and view.endpoint for view in views)


def _offered(endpoints: Endpoints) -> str:
    return " and ".join(
        label for label, text in zip(_FAMILIES.values(), (endpoints.ipv4, endpoints.ipv6, endpoints.name)) if text
    )
