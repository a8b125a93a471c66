# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan WireGuard between Kubernetes nodes, once for all of them: each has a tunnel to every other, for its pods.

`document.py` expands the document of one node, when that node is applied.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .....module_utils._ip.prefix import Address, Prefix
from .....module_utils._wireguard.endpoint import Endpoint
from ...._kubernetes.discovery import Discovery
from ...._kubernetes.host_fact import read_fact
from ...._problems import Problem, format_problems
from ...fleet import mtu as packet_size
from ...fleet import rules as fleet_rules
from ...fleet.adoption_rules import unmanaged_interfaces
from ...fleet.device import device_of, packet_sizes
from ...fleet.former_names import former_names, kept
from ...fleet.identities import identities
from ...fleet.interface_kinds import other_kinds
from ...fleet.member import (
    Fleet,
    Member,
    member_of,
    tunnel_kinds,
    unresolved_problems,
    without_refused,
    without_stale_endpoints,
)
from ...fleet.network_routes import network_routes
from ...fleet.observation import FAMILIES, CachedPeer, Observation, Underlay, cached_names, cached_peers, observe
from ...fleet.option_variables import option_variables
from ...fleet.overlay_rules import WHOLE, Scope, left_out, taken_interfaces
from ...fleet.revocation import Revocation, refusals
from ...fleet.settings import AUTO, Settings
from ...plan_model.fleet import Endpoints, FleetPlan, HostInput, HostPlan, PlanResult
from ...plan_model.nodes import Encryption, NodePlan
from .. import further_addresses, locations, node_fact
from ..claims import check_claims
from ..coverage import coverage, unlisted_nodes
from ..discovery import discover_all, without_opted_out
from ..inputs import is_reached
from ..locations import LocatedNode
from ..rules import one_sided_ends, run_problems
from ..settings import LOCATION, UNUSED, NodeSettings, read_common_settings, read_node_settings
from . import exclusion_rules, key_rotation, location_rules, network_rules, rules
from .fleet import NodeFleet
from .key_rotation import Devices, on_device
from .steering_plan import steering, sysctls

_ALIGNMENT = 16


def plan_node_wireguard(inputs: Mapping[str, HostInput], prefix: str, overlay: str, scope: Scope = WHOLE) -> PlanResult:
    """Return the plan for all nodes, or every problem of every node. overlay, scope: as in `plan_mesh`."""
    result, refused = _plan_without(inputs, prefix, overlay, scope, {})
    if refused:
        # What a refused node claims is no part of the plan of the others.
        result, _refused = _plan_without(inputs, prefix, overlay, scope, refused)
    return result


def _plan_without(
    inputs: Mapping[str, HostInput],
    prefix: str,
    overlay: str,
    scope: Scope,
    known: Mapping[str, str],
) -> tuple[PlanResult, dict[str, str]]:
    """Return the plan without refused nodes, and further nodes to refuse, with the reason. known: those refused so far."""
    problems: list[Problem] = []
    problems.extend(unresolved_problems(inputs.values(), prefix))
    primary = {name: read_common_settings(host, prefix, problems) for name, host in inputs.items()}
    node_settings = {name: read_node_settings(host, prefix, problems) for name, host in inputs.items()}
    discovered = discover_all(inputs, node_settings, prefix, problems)
    discoveries = discovered.by_name
    node_settings = without_opted_out(node_settings, discovered.labels)
    devices = key_rotation.choose_devices(inputs, primary, node_settings)
    settings: Mapping[str, Settings] = {name: on_device(primary[name], node_settings[name], devices) for name in inputs}
    observations: Mapping[str, Observation] = {
        name: observe(host.fact, settings[name].interface) for name, host in inputs.items() if host.fact is not None
    }
    found = identities(inputs, settings, observations, prefix, _cached_of)
    problems.extend(found.problems)
    names, settings, observations, cached = found.names, found.settings, found.observations, found.cached
    revocation, absent = found.revocation, found.absent
    live = {name: found for name, found in discoveries.items() if name not in revocation.names}
    ansible_hosts = {name: host.ansible_host for name, host in inputs.items()}
    claims = check_claims(live, node_settings, ansible_hosts, observations, prefix, known)
    problems.extend(claims.problems)
    discoveries = {**discoveries, **claims.discoveries}
    members = [
        _member(
            inputs[name],
            settings[name],
            node_settings[name],
            discoveries[name],
            observations.get(name),
            found.keys[name],
            cached,
        )
        for name in names
    ]
    not_planned = {**claims.refused, **found.disputed}
    members = without_refused(without_stale_endpoints(members, cached), not_planned)
    refused_keys, refusing = refusals(members, observations, revocation, prefix, found.in_run)
    fleet = Fleet(
        members,
        prefix,
        revocation.keys,
        revocation.said_by,
        revocation.names,
        networks_variable="pod_cidrs",
    )
    located = [_located(member, inputs[member.name], node_settings, discoveries, devices) for member in fleet.members]
    encryption = _encryption(names, node_settings, devices)
    leaders = locations.choose_leaders(located)
    forwarding = frozenset(leader for name, leader in leaders.items() if leader != name)
    own_routes = {
        name: network_routes(inputs[name].fact, {primary[name].interface, node_settings[name].alternate_interface})
        for name in names
    }
    further = further_addresses.place(discoveries, node_settings, prefix, ansible_hosts, discovered.unlisted)
    on_links = network_rules.pods_on_links(discoveries, own_routes)
    nodes = NodeFleet(
        fleet, inputs, node_settings, discoveries, encryption, leaders, forwarding, on_links, further.by_name
    )
    mtus = _packet_sizes(fleet, node_settings)
    problems.extend(fleet_rules.violations(fleet, mtus))
    problems.extend(rules.violations(nodes))
    taken, refused = network_rules.violations(nodes, own_routes, observations)
    problems.extend(taken)
    problems.extend(exclusion_rules.violations(nodes, own_routes))
    problems.extend(run_problems(node_settings, prefix))
    problems.extend(one_sided_ends(inputs, node_settings, lambda name: cached_names(observations.get(name)), prefix))
    problems.extend(location_rules.violations(nodes))
    problems.extend(key_rotation.violations(inputs, primary, node_settings, revocation.names, prefix, devices))
    encrypting = {name for name in names if cached.get(name) or (name in observations and observations[name].peers)}
    own = rules.warnings(nodes, encrypting)
    missing, unlisted = unlisted_nodes(discovered, node_settings, prefix)
    problems.extend((*missing, *further.problems))
    # A node that does not encrypt needs no key.
    unkeyed = {(name, prefix + "public_key") for name in names if not node_settings[name].enabled}
    common = [warning for warning in fleet_rules.warnings(fleet, mtus) if warning[:2] not in unkeyed]
    warnings = [*found.warnings, *claims.warnings, *refusing, *common, *own, *unlisted, *further.warnings]
    former_peers = former_names(fleet.members, [observations], inputs, revocation.names)
    warnings.extend(kept(former_peers, prefix))
    interface = next((settings[name].interface for name in names), "")
    problems.extend(left_out(names, observations, scope, revocation.names, prefix))
    problems.extend(taken_interfaces(observations, settings, interface, overlay, prefix))
    problems.extend(unmanaged_interfaces(observations, settings, prefix))
    for name in names:
        alternate = {node_settings[name].alternate_interface: prefix + "alternate_interface"}
        problems.extend(other_kinds(inputs[name], {**alternate, primary[name].interface: prefix + "interface"}))
    plan = None
    if not problems:
        plan = replace(
            _plan(nodes, mtus, revocation),
            overlay=overlay,
            groups=scope.groups,
            former_names=tuple(sorted(former_peers)),
            variables=_variables(nodes, prefix),
            absent=absent,
            coverage=coverage(
                discovered,
                node_settings,
                prefix,
                exempt=encryption.exempt_hosts,
                keyless=[member.name for member in fleet.members if member.public_key is None],
                revoked=revocation.names,
            ),
            refused=not_planned,
            refusals=refused_keys,
        )
    lacking = tuple(
        member.name
        for member in members
        if member.public_key is None and member.observation is None and node_settings[member.name].enabled
    )
    result = PlanResult(plan, tuple(format_problems(problems)), tuple(format_problems(warnings)), lacking=lacking)
    return result, {**claims.refused, **refused} if refused else {}


def _cached_of(names: Sequence[str], observations: Mapping[str, Observation]) -> dict[str, tuple[CachedPeer, ...]]:
    """Return what nodes have cached of those that report no key."""
    silent = {name for name in names if (seen := observations.get(name)) is None or not seen.has_key}
    return cached_peers(observations, silent)


def _member(
    host: HostInput,
    settings: Settings,
    node_settings: NodeSettings,
    found: Discovery,
    seen: Observation | None,
    key: str | None,
    cached: Mapping[str, tuple[CachedPeer, ...]],
) -> Member:
    """Return a node as a member. Its networks are its pod networks, its endpoints have its own addresses."""
    networks = tuple(dict.fromkeys([*found.pod_cidrs, *node_settings.extra_allowed_ips]))
    known = node_settings.enabled and bool(found.pod_cidrs) and bool(found.addresses)
    settings = replace(settings, networks=networks)
    seen = _by_own_interfaces(seen, found)
    member = member_of(host, settings, seen, key if known else None, (), cached.get(host.name, ()), ())
    if settings.endpoint == AUTO and found.addresses and settings.port:
        own = {FAMILIES[one.address.family]: Endpoint(one.address.bare, settings.port) for one in found.addresses}
        member = replace(member, endpoints=Endpoints(own.get("ipv4"), own.get("ipv6")))
    # A node without facts and without known pods cannot be planned. Others keep their routes to it.
    return member if networks or host.fact is not None else replace(member, resolved=False)


def _by_own_interfaces(seen: Observation | None, found: Discovery) -> Observation | None:
    """Return an observation whose underlay is the interfaces with the node's own addresses.

    The other nodes are there, not behind the default route, and the MTU may differ.
    """
    own = {
        FAMILIES[one.address.family]: Underlay(one.address.bare, one.mtu)
        for one in found.addresses
        if one.mtu is not None and one.interface != "lo"
    }
    return seen and replace(seen, underlay={**seen.underlay, **own})


def _located(
    member: Member,
    host: HostInput,
    node_settings: Mapping[str, NodeSettings],
    discoveries: Mapping[str, Discovery],
    devices: Devices,
) -> LocatedNode:
    settings, fact = node_settings[member.name], host.fact or {}
    return LocatedNode(
        member.name,
        settings.location,
        settings.enabled,
        settings.is_leader,
        has_endpoint=bool(member.endpoints),
        is_reached=is_reached(host),
        has_device=any(key_rotation.has_device(fact, name) for name in (devices.wanted, devices.retiring) if name),
        addresses=tuple(own.address for own in discoveries[member.name].addresses),
        gateways=tuple(node_fact.gateways_in_use(fact, settings.table)),
        peers=frozenset(cached_names(member.observation)) - {member.name} if settings.location else frozenset(),
    )


def _encryption(names: Iterable[str], node_settings: Mapping[str, NodeSettings], devices: Devices) -> Encryption:
    """Return what holds for all nodes, from the enabled ones. `rules.py` reports where they differ."""
    enabled = [node_settings[name] for name in names if node_settings[name].enabled]
    if not enabled:
        return Encryption(retiring=devices.retiring)
    first = enabled[0]
    exempt = {name for settings in enabled for name in settings.exempt_hosts}
    return Encryption(
        first.cluster_cidrs,
        first.strict,
        first.host_encryption,
        tuple(sorted(exempt)),
        devices.retiring,
        devices.retiring_port,
        first.granularity == LOCATION,
    )


def _packet_sizes(fleet: Fleet, node_settings: Mapping[str, NodeSettings]) -> dict[str, packet_size.Choice]:
    """Return each node's MTU, less the bytes that its underlay adds without reporting them."""
    given = {member.name: member.settings.mtu for member in fleet.members}
    found = {}
    for name, choice in packet_sizes(fleet.members, tunnel_kinds(fleet)).items():
        size = choice.mtu
        if not given[name]:
            size -= node_settings[name].mtu_underlay_extra
            size -= size % _ALIGNMENT if node_settings[name].mtu_align else 0
        found[name] = choice._replace(mtu=size)
    return found


def _plan(nodes: NodeFleet, mtus: Mapping[str, packet_size.Choice], revocation: Revocation) -> FleetPlan:
    members = nodes.fleet.members
    ports = {member.name: member.settings.port for member in members}
    enabled = {member.name for member in members if nodes.node_settings[member.name].enabled}
    without_plan = {nodes.leaders[member.name] for member in members if not member.resolved}
    return FleetPlan(
        interface=next((member.settings.interface for member in members), "kwg0"),
        hosts={member.name: _host_plan(nodes, member, mtus[member.name].mtu, ports) for member in members},
        unknown=tuple(
            m.name for m in members if m.name in enabled and (m.public_key is None or m.name in without_plan)
        ),
        revoked=revocation.keys,
        excluded=tuple(sorted(revocation.names & set(nodes.inputs))),
        topology="node_encryption",
        encryption=nodes.encryption,
    )


def _variables(nodes: NodeFleet, prefix: str) -> Mapping[str, str]:
    """Return the variables of options; the alternate device has a port and a name of its own."""
    members = nodes.fleet.members
    alternate = any(m.settings.interface == nodes.node_settings[m.name].alternate_interface for m in members)
    others = {"listen_port": "alternate_port", "interface": "alternate_interface"} if alternate else {}
    known = option_variables(prefix, **{"except": "exclude_cidrs", "preshared_keys": "psk_master", **others})
    unused = {prefix + variable for variable in UNUSED}
    return {option: variable for option, variable in known.items() if variable not in unused}


def _host_plan(nodes: NodeFleet, member: Member, mtu: int, ports: Mapping[str, int]) -> HostPlan:
    if not member.resolved:
        return HostPlan(None)
    settings, found = nodes.node_settings[member.name], nodes.discoveries[member.name]
    addresses = tuple(own.address for own in found.addresses)
    families = {cidr.family for cidr in found.pod_cidrs}
    if nodes.encryption.host_encryption:
        families |= {address.family for address in addresses}
    return HostPlan(
        public_key=member.public_key,
        addresses=device_addresses(addresses, found.pod_cidrs, gives_out_all=_has_calico_ipam(nodes, member.name)),
        networks=member.settings.networks,
        endpoints=member.endpoints,
        families=member.families,
        device=device_of(member, mtu, ports, sysctls(nodes, member, families)),
        node=NodePlan(
            (*addresses, *nodes.further.get(member.name, ())),
            found.pod_cidrs,
            settings.extra_allowed_ips,
            settings.enabled,
            is_reached(nodes.inputs[member.name]),
            steering(nodes, member),
            nodes.leaders[member.name],
        ),
    )


def _has_calico_ipam(nodes: NodeFleet, name: str) -> bool:
    host = read_fact(nodes.inputs[name].fact)
    return host is not None and any(plugin.ipam == "calico-ipam" for plugin in host.plugins)


def device_addresses(
    node_addresses: Iterable[Prefix], pod_cidrs: Iterable[Prefix], *, gives_out_all: bool = False
) -> tuple[Address, ...]:
    """Return the addresses of a node's device, one for each family of its pods.

    The first address of the first pod network, which no pod gets, as in flannel. The address of the node if its pods have
    only single addresses, or if IPAM gives out all addresses of a network. It is the source address of the node's packets
    to remote pods, so it must be within the allowed IPs.
    """
    nodes = {address.family: address for address in node_addresses}
    found: dict[int, Address] = {}
    for prefix in pod_cidrs:
        single = len(prefix.packed) * 8
        has_spare = prefix.length < single and not gives_out_all
        own = prefix if has_spare else nodes.get(prefix.family)
        if own:
            found.setdefault(prefix.family, Address(prefix.family, own.packed, single))
    return tuple(found.values())
