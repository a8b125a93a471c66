# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The full mesh: every member has a tunnel to every other. Planned once, for the whole fleet.

`document.py` expands one host's part, where that host is applied.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Address, Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils import mtu as packet_size
from ansible_collections.wirewright.overlay.plugins.plugin_utils.addressing import Allocation, Claim, allocate
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, one_line_each
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import (
    families,
    kind_of,
    offered,
    override_endpoint,
    recalled,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.identity import (
    identify,
    key_problems,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import (
    Fleet,
    Member,
    tunnel_kinds,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    Device,
    Endpoints,
    FleetPlan,
    HostInput,
    HostPlan,
    PeerOverride,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    Recollection,
    observe,
    recollect,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.revocation import Revocation, revoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import (
    AUTO,
    NONE,
    Settings,
    endpoint_of,
    read_settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation import advice, violations


@dataclass(frozen=True)
class Outcome:
    """A plan, unless there are problems; both problems and warnings are lines ready to be shown."""

    plan: FleetPlan | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def plan_mesh(hosts: Iterable[HostInput], prefix: str = "mesh_") -> Outcome:
    """Return the plan for a fleet: a pure function of its input, whatever the order of hosts.

    Every problem of every host is found before anything is said.
    """
    inputs = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
    problems: list[Problem] = []
    unresolved = {name for name, host in inputs.items() if host.unresolved}
    problems.extend(_unresolved(inputs.values(), prefix))
    settings = {name: read_settings(host, prefix, problems) for name, host in inputs.items()}
    observations = {
        name: observe(host.fact, settings[name].interface) for name, host in inputs.items() if host.fact is not None
    }
    revocation = revoke(settings, observations, prefix)
    warnings = list(revocation.warnings)
    for name in revocation.names:
        # What a revoked host says about itself or others counts for nothing.
        observations.pop(name, None)
    names = [name for name in inputs if name not in revocation.names]
    memories = recollect(observations, _forgotten(names, settings, observations))
    keys = {}
    for name in names:
        about = (settings[name], observations.get(name), memories.get(name, ()), revocation.keys.keys())
        keys[name] = None if name in unresolved else identify(*about)
        problems.extend(key_problems(name, *about, prefix))
    allocation = _allocate(names, unresolved, settings, observations, memories, prefix)
    problems.extend(allocation.problems)
    warnings.extend(allocation.warnings)
    networks = {network for name in names for network in settings[name].network}
    members = [
        _member(
            inputs[name],
            settings[name],
            observations.get(name),
            keys[name],
            allocation.addresses[name],
            memories.get(name, ()),
            networks,
        )
        for name in names
    ]
    fleet = Fleet(
        _without_stale_endpoints(members, memories), prefix, revocation.keys, revocation.said_by, revocation.names
    )
    mtus = _mtus(fleet)
    problems.extend(violations(fleet, mtus))
    warnings.extend(advice(fleet, mtus))
    plan = None if problems else _plan(fleet, mtus, revocation, set(inputs))
    return Outcome(plan, tuple(one_line_each(problems)), tuple(one_line_each(warnings)))


def _unresolved(hosts: Iterable[HostInput], prefix: str) -> Iterable[Problem]:
    for host in hosts:
        if host.fact is not None:
            for variable, reason in host.unresolved.items():
                yield Problem(host.name, prefix + variable, reason)


def _forgotten(
    names: Iterable[str], settings: Mapping[str, Settings], observations: Mapping[str, Observation]
) -> set[str]:
    """Return the members for which their neighbours must be asked, because they do not say all about themselves."""
    found = set()
    for name in names:
        seen, wanted = observations.get(name), settings[name]
        if seen is None or not seen.public_key:
            found.add(name)
        elif not wanted.addresses:
            own = [address.host for address in seen.addresses]
            if not all(any(network.contains(host) for host in own) for network in wanted.network):
                found.add(name)
    return found


def _allocate(
    names: Sequence[str],
    unresolved: set[str],
    settings: Mapping[str, Settings],
    observations: Mapping[str, Observation],
    memories: Mapping[str, Sequence[Recollection]],
    prefix: str,
) -> Allocation:
    claims = []
    for name in names:
        seen, recalled = observations.get(name), memories.get(name, ())
        remembered = [(memory.neighbour, address) for memory in recalled for address in memory.addresses]
        if name in unresolved:
            # Nobody knows what its inventory says, so nobody else gets what it may still have.
            held = tuple(dict.fromkeys(address for _neighbour, address in remembered))
            claims.append(Claim(name, (), explicit=held))
            continue
        claims.append(
            Claim(
                name,
                settings[name].network,
                settings[name].addresses,
                seen.addresses if seen else (),
                tuple(remembered),
            )
        )
    return allocate(claims, _reserved(settings[name] for name in names), prefix)


def _reserved(settings: Iterable[Settings]) -> list[Prefix]:
    """Return what unmanaged peers occupy."""
    texts = {text for wanted in settings for peer in dict.fromkeys(wanted.static_peers) for text in peer.allowed_ips}
    return [prefix for prefix in map(parse_prefix, sorted(texts)) if prefix.length > 0]


def _member(
    host: HostInput,
    settings: Settings,
    observation: Observation | None,
    public_key: str | None,
    addresses: tuple[Address, ...],
    memories: Sequence[Recollection],
    networks: set[Prefix],
) -> Member:
    def in_overlay(text: str) -> bool:
        address = parse_prefix(text.partition("%")[0])
        return any(network.contains(address) for network in networks)

    endpoints = offered(host.name, settings, host.ansible_host, observation, memories, in_overlay)
    return Member(
        host.name,
        settings,
        observation,
        public_key,
        addresses,
        endpoints,
        families(settings, endpoints, observation),
        not host.unresolved,
    )


def _without_stale_endpoints(members: Sequence[Member], memories: Mapping[str, Sequence[Recollection]]) -> list[Member]:
    """Forget a remembered endpoint of a silent member that somebody else has: addresses are given out again.

    Its peers keep the endpoint that they hold.
    """
    uses = Counter(text for member in members for text in member.endpoints.texts)

    def is_stale(member: Member) -> bool:
        texts = member.endpoints.texts
        return (
            member.observation is None
            and any(uses[text] > 1 for text in texts)
            and (member.settings.endpoint == AUTO and member.endpoints == recalled(memories.get(member.name, ())))
        )

    return [replace(member, endpoints=Endpoints()) if is_stale(member) else member for member in members]


def _outer_families(member: Member, kinds: Iterable[str]) -> set[str]:
    """Return what carries the tunnels of a member; where nothing does yet, what it could be reached by."""
    outer = {kind for kind in kinds if kind}
    outer.update(kind_of(_host(peer.endpoint)) for peer in member.settings.static_peers if peer.endpoint)
    for view in member.settings.peer_overrides.values():
        if view.endpoint and view.endpoint != NONE:
            outer.add(kind_of(_host(view.endpoint)))
    return outer or set(member.families if member.observation and member.observation.underlay else ())


def _host(text: str) -> str:
    """Return the host of an endpoint that may have a port, without judging it: that is done elsewhere."""
    try:
        return endpoint_of(text, 1).host
    except ValueError:
        return text


def _mtus(fleet: Fleet) -> dict[str, packet_size.Choice]:
    kinds = tunnel_kinds(fleet)
    found = {}
    for member in fleet.members:
        outer = _outer_families(member, kinds[member.name])
        found[member.name] = packet_size.choose(member.settings.mtu, member.underlay_mtus, outer)
    return found


def _plan(fleet: Fleet, mtus: Mapping[str, packet_size.Choice], revocation: Revocation, names: set[str]) -> FleetPlan:
    ports = {member.name: member.settings.port for member in fleet.members}
    return FleetPlan(
        interface=next((member.settings.interface for member in fleet.members), "wg0"),
        hosts={member.name: _host_plan(member, mtus[member.name].mtu, ports) for member in fleet.members},
        unknown=tuple(member.name for member in fleet.members if member.public_key is None),
        revoked=revocation.keys,
        excluded=tuple(sorted(revocation.names & names)),
    )


def _host_plan(member: Member, mtu: int, ports: Mapping[str, int]) -> HostPlan:
    settings = member.settings
    if not member.resolved:
        return HostPlan(None)
    return HostPlan(
        public_key=member.public_key,
        addresses=tuple(str(address) for address in member.addresses),
        networks=tuple(str(network) for network in settings.networks),
        endpoints=member.endpoints,
        families=member.families,
        device=Device(
            private_key_file=settings.private_key_file,
            listen_port=settings.port,
            fwmark=settings.fwmark,
            mtu=mtu,
            persistent_keepalive=settings.persistent_keepalive,
            persistence=_persistence(member),
            routes=settings.routes,
            purge=settings.purge,
            userspace=settings.userspace,
            adopt=settings.adopt,
            allow_mass_removal=settings.allow_mass_removal,
            sysctls=_sysctls(member),
            static_peers=settings.static_peers,
            overrides=_overrides(settings.peer_overrides, ports),
        ),
    )


def _overrides(views: Mapping[str, PeerOverride], ports: Mapping[str, int]) -> dict[str, PeerOverride]:
    """Return a host's views of the other members, with complete endpoints."""
    return {
        name: view if view.endpoint is None else replace(view, endpoint=override_endpoint(view.endpoint, ports[name]))
        for name, view in views.items()
        if name in ports
    }


def _persistence(member: Member) -> str:
    if member.settings.persistence != AUTO:
        return member.settings.persistence
    return member.observation.persistence if member.observation else NONE


def _sysctls(member: Member) -> dict[str, str]:
    """Return what makes a host forward: for the families of the networks behind it, else of its own addresses.

    IPv6 forwarding is not touched without need, because a host that forwards IPv6 stops listening to router
    advertisements (Linux, ip-sysctl: accept_ra).
    """
    wanted, networks = member.settings.forward, member.settings.networks
    if wanted is False or (wanted is None and not networks):
        return {}
    texts = networks or tuple(address.host for address in member.addresses)
    kinds = {kind_of(str(text).partition("/")[0]) for text in texts}
    names = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}
    return {names[kind]: "1" for kind in sorted(kinds)}
