# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes nodes: every node has a tunnel to every other, for the pods behind it. Planned once, for all of them.

`node_document.py` expands one node's part, where that node is applied.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils import mtu as packet_size
from ansible_collections.wirewright.overlay.plugins.plugin_utils import (
    validation,
    validation_node_encryption,
    validation_node_locations,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.discovery import Discovery
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import read_fact
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, one_line_each
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import node_devices, node_locations
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.device import (
    FORWARDING,
    device_of,
    packet_sizes,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import kind_of
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.identity import identify, key_problems
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Fleet, Member, tunnel_kinds
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.membership import (
    member_of,
    unresolved_problems,
    without_stale_endpoints,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import (
    Endpoints,
    FleetPlan,
    HostInput,
    HostPlan,
    Outcome,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_devices import Devices, on_device
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_discovery import (
    discover_all,
    with_one_cluster,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_plan import IPSEC, plan_node_ipsec
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_locations import LocatedNode
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import (
    CLOSED_CHAINS,
    Encryption,
    NodePlan,
    Steering,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_settings import (
    NodeSettings,
    read_common_settings,
    read_node_settings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import (
    Observation,
    Recollection,
    Underlay,
    observe,
    recollect,
    remembered_names,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.revocation import Revocation, revoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import AUTO, Settings
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation_overlays import taken_interfaces

_ALIGNMENT = 16
_STRICT_SOURCE_CHECK = "1"


@dataclass(frozen=True)
class NodeFleet:
    """All nodes that are not revoked. extras, discoveries and leaders by name; encryption: what holds for all of them."""

    fleet: Fleet
    inputs: Mapping[str, HostInput]
    extras: Mapping[str, NodeSettings]
    discoveries: Mapping[str, Discovery]
    encryption: Encryption
    leaders: Mapping[str, str]


def plan_node_encryption(hosts: Iterable[HostInput], prefix: str = "node_encryption_", overlay: str = "") -> Outcome:
    """Return the plan for all nodes: a pure function of its input, whatever the order of hosts.

    Every problem of every host is found before anything is said. overlay: as in `plan_mesh`.
    """
    inputs = with_one_cluster(hosts)
    if any(host.variables.get("backend") == IPSEC for host in inputs.values()):
        return plan_node_ipsec(inputs, prefix)
    problems: list[Problem] = []
    problems.extend(unresolved_problems(inputs.values(), prefix))
    settings = {name: read_common_settings(host, prefix, problems) for name, host in inputs.items()}
    extras = {name: read_node_settings(host, prefix, problems) for name, host in inputs.items()}
    devices = node_devices.choose(inputs, settings, extras)
    discoveries = discover_all(inputs, extras, prefix, problems)
    primary, settings = settings, {name: on_device(settings[name], extras[name], devices) for name in inputs}
    observations = {
        name: observe(host.fact, settings[name].interface) for name, host in inputs.items() if host.fact is not None
    }
    revocation = revoke(settings, observations, prefix)
    for name in revocation.names:
        # What a revoked host says about itself or others counts for nothing.
        observations.pop(name, None)
    names = [name for name in inputs if name not in revocation.names]
    memories = recollect(observations, {name for name in names if _is_silent(observations.get(name))})
    members = []
    for name in names:
        about = (settings[name], observations.get(name), memories.get(name, ()), revocation.keys.keys())
        key = None if inputs[name].unresolved else identify(*about)
        problems.extend(key_problems(name, *about, prefix))
        members.append(
            _member(
                inputs[name], settings[name], extras[name], discoveries[name], observations.get(name), key, memories
            )
        )
    fleet = Fleet(
        without_stale_endpoints(members, memories), prefix, revocation.keys, revocation.said_by, revocation.names
    )
    located = [_located(member, inputs[member.name], extras, discoveries, devices) for member in fleet.members]
    encryption = _encryption(names, extras, devices)
    nodes = NodeFleet(fleet, inputs, extras, discoveries, encryption, node_locations.choose_leaders(located))
    mtus = _packet_sizes(fleet, extras)
    problems.extend(validation.violations(fleet, mtus))
    problems.extend(validation_node_encryption.violations(nodes))
    problems.extend(validation_node_encryption.run_problems(extras, prefix))
    problems.extend(validation_node_locations.violations(nodes))
    problems.extend(node_devices.violations(inputs, primary, extras, revocation.names, prefix))
    encrypting = {name for name in names if memories.get(name) or (name in observations and observations[name].peers)}
    advice = validation_node_encryption.advice(nodes, encrypting)
    warnings = [*revocation.warnings, *validation.advice(fleet, mtus), *advice]
    interface = next((settings[name].interface for name in names), "")
    problems.extend(taken_interfaces(observations, settings, interface, overlay, prefix))
    plan = None if problems else replace(_plan(nodes, mtus, revocation), overlay=overlay)
    return Outcome(plan, tuple(one_line_each(problems)), tuple(one_line_each(warnings)))


def is_reached(host: HostInput) -> bool:
    """Return whether this run speaks to a node and has heard from it."""
    return host.reached and host.fact is not None


def _is_silent(seen: Any) -> bool:
    return seen is None or not seen.public_key


def _member(
    host: HostInput,
    settings: Settings,
    extra: NodeSettings,
    found: Discovery,
    seen: Observation | None,
    key: str | None,
    memories: Mapping[str, tuple[Recollection, ...]],
) -> Member:
    """Return a node as a member: its networks are those of its pods, and it is reached by its own addresses."""
    cidrs = tuple(parse_prefix(text) for text in found.pod_cidrs)
    networks = tuple(dict.fromkeys([*cidrs, *extra.extra_allowed_ips]))
    known = extra.enabled and bool(cidrs) and bool(found.addresses)
    settings = replace(settings, networks=networks)
    seen = _by_own_interfaces(seen, found)
    member = member_of(host, settings, seen, key if known else None, (), memories.get(host.name, ()), ())
    if settings.endpoint == AUTO and found.addresses and settings.port:
        texts = {kind_of(own.address): str(Endpoint(own.address, settings.port)) for own in found.addresses}
        member = replace(member, endpoints=Endpoints(**texts))
    # Nothing can be planned of a silent node whose pods nobody knows; the others keep what leads to it.
    return member if networks or host.fact is not None else replace(member, resolved=False)


def _by_own_interfaces(seen: Observation | None, found: Discovery) -> Observation | None:
    """Return what was observed with the interfaces that have the node's own addresses as its underlay.

    The others are there, not where the default route leads, and packets may have another size there.
    """
    own = {
        kind_of(one.address): Underlay(one.address, one.mtu)
        for one in found.addresses
        if one.mtu is not None and one.interface != "lo"
    }
    return seen and replace(seen, underlay={**seen.underlay, **own})


def _located(
    member: Member,
    host: HostInput,
    extras: Mapping[str, NodeSettings],
    discoveries: Mapping[str, Discovery],
    devices: Devices,
) -> LocatedNode:
    extra, fact = extras[member.name], host.fact or {}
    return LocatedNode(
        member.name,
        extra.location,
        extra.enabled,
        extra.is_leader,
        can_be_called=bool(member.endpoints),
        is_reached=is_reached(host),
        has_device=any(node_devices.has_device(fact, name) for name in (devices.wanted, devices.retiring) if name),
        addresses=tuple(own.address for own in discoveries[member.name].addresses),
        gateways=tuple(node_locations.gateways_in_use(fact, extra.table)),
        peers=frozenset(remembered_names(member.observation)) if extra.location else frozenset(),
    )


def _encryption(names: Iterable[str], extras: Mapping[str, NodeSettings], devices: Devices) -> Encryption:
    """Return what holds for all nodes, as the enabled ones say it; where they differ, that is complained about."""
    enabled = [extras[name] for name in names if extras[name].enabled]
    if not enabled:
        return Encryption(retiring=devices.retiring)
    said = enabled[0]
    exempt = {name for extra in enabled for name in extra.exempt_hosts}
    return Encryption(
        tuple(str(cidr) for cidr in said.cluster_cidrs),
        said.strict,
        said.host_encryption,
        tuple(sorted(exempt)),
        devices.retiring,
        devices.retiring_port,
    )


def _packet_sizes(fleet: Fleet, extras: Mapping[str, NodeSettings]) -> dict[str, packet_size.Choice]:
    """Return each node's MTU, less what its underlay adds to packets that the node does not see."""
    found = {}
    for name, choice in packet_sizes(fleet.members, tunnel_kinds(fleet)).items():
        extra = extras[name]
        wanted = next(member.settings.mtu for member in fleet.members if member.name == name)
        size = choice.mtu if wanted else choice.mtu - extra.mtu_underlay_extra
        if extra.mtu_align and not wanted:
            size -= size % _ALIGNMENT
        found[name] = choice._replace(mtu=size)
    return found


def _plan(nodes: NodeFleet, mtus: Mapping[str, packet_size.Choice], revocation: Revocation) -> FleetPlan:
    members = nodes.fleet.members
    ports = {member.name: member.settings.port for member in members}
    enabled = {member.name for member in members if nodes.extras[member.name].enabled}
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


def _host_plan(nodes: NodeFleet, member: Member, mtu: int, ports: Mapping[str, int]) -> HostPlan:
    if not member.resolved:
        return HostPlan(None)
    extra, found = nodes.extras[member.name], nodes.discoveries[member.name]
    addresses = tuple(own.address for own in found.addresses)
    through = (*found.pod_cidrs, *(addresses if nodes.encryption.host_encryption else ()))
    return HostPlan(
        public_key=member.public_key,
        addresses=tuple(
            device_addresses(addresses, found.pod_cidrs, gives_out_all=_has_calico_ipam(nodes, member.name))
        ),
        networks=tuple(str(network) for network in member.settings.networks),
        endpoints=member.endpoints,
        families=member.families,
        device=device_of(member, mtu, ports, _sysctls(nodes, member, through)),
        node=NodePlan(
            addresses,
            found.pod_cidrs,
            tuple(str(prefix) for prefix in extra.extra_allowed_ips),
            extra.enabled,
            is_reached(nodes.inputs[member.name]),
            _steering(nodes, member),
            nodes.leaders[member.name],
        ),
    )


def _has_calico_ipam(nodes: NodeFleet, name: str) -> bool:
    host = read_fact(nodes.inputs[name].fact)
    return host is not None and any(plugin.ipam == "calico-ipam" for plugin in host.plugins)


def device_addresses(
    node_addresses: Iterable[str], pod_cidrs: Iterable[str], *, gives_out_all: bool = False
) -> list[str]:
    """Return the addresses of a node's device, one for each family of its pods.

    The address of the first pod network itself, which no pod gets, as flannel does it; that of the node where pods have
    no network of their own, only single addresses, and where IPAM gives out all addresses of a network. Packets of the
    host to pods of other nodes come from it, and so it is within what these accept.
    """
    nodes = {_family(address): address for address in node_addresses}
    found: dict[int, str] = {}
    for prefix in map(parse_prefix, pod_cidrs):
        single = len(prefix.packed) * 8
        has_spare = prefix.length < single and not gives_out_all
        own = str(prefix).partition("/")[0] if has_spare else nodes.get(prefix.family)
        if own:
            found.setdefault(prefix.family, f"{own}/{single}")
    return list(found.values())


def _family(address: str) -> int:
    return parse_prefix(address).family


def _sysctls(nodes: NodeFleet, member: Member, through: Iterable[str]) -> dict[str, str]:
    """Return what the source check needs (Linux, ip-sysctl: rp_filter, src_valid_mark) where IPv4 goes through tunnels.

    through: the node's own networks and addresses for which others have tunnels.
    """
    if not any("." in text for text in through):
        return _forwarding(nodes, member)
    found = {f"net/ipv4/conf/{member.settings.interface}/rp_filter": "2"}
    if nodes.encryption.host_encryption:
        # The tunnel's own packets come from addresses that lie in the tunnel; their mark says that they do not.
        found["net/ipv4/conf/all/src_valid_mark"] = "1"
    return {**found, **_forwarding(nodes, member)}


def _forwarding(nodes: NodeFleet, member: Member) -> dict[str, str]:
    """Return what makes a leader pass on the packets of the other nodes of its location."""
    if not any(leader == member.name != name for name, leader in nodes.leaders.items()):
        return {}
    kinds = {kind_of(own.address) for own in nodes.discoveries[member.name].addresses}
    return {FORWARDING[kind]: "1" for kind in sorted(kinds)}


def _steering(nodes: NodeFleet, member: Member) -> Steering:
    extra, found, host = nodes.extras[member.name], nodes.discoveries[member.name], nodes.inputs[member.name]
    fwmark, interface = member.settings.fwmark, member.settings.interface
    fact: Mapping[str, Any] = host.fact or {}
    in_use = [name for name in (interface, nodes.encryption.retiring) if name]
    chains = {chain for name in in_use for chain in _chains(fact, name)}
    return Steering(
        mark=f"{fwmark:#x}/{extra.fwmask or fwmark:#x}",
        table=extra.table,
        rule_priority=extra.rule_priority,
        rule_protocol=extra.rule_protocol,
        route_protocol=extra.route_protocol,
        route_action=extra.strict_action,
        pod_interfaces=extra.pod_interfaces or found.pod_interfaces,
        exclude_cidrs=tuple(str(cidr) for cidr in extra.exclude_cidrs),
        exempt_ports=extra.exempt_ports,
        profile=extra.profile,
        clamp_mss=extra.mss_clamp,
        settled=tuple(dest for device in in_use for dest in _through(fact, extra.table, device)),
        settled_for_pods=tuple(dest for device in in_use for dest in _through(fact, extra.table + 1, device)),
        closed=tuple(way for way, chain in CLOSED_CHAINS.items() if chain in chains),
        strict_rp_filter=tuple(_strict_interfaces(fact, found)),
        gateways=_gateways(nodes, member.name),
    )


def _gateways(nodes: NodeFleet, name: str) -> dict[str, str]:
    """Return the addresses of a node's leader, and where they are; where nobody knows the leader, those in use."""
    fact, leader = nodes.inputs[name].fact or {}, nodes.leaders[name]
    if leader == name:
        return {}
    addresses = [own.address for own in nodes.discoveries[leader].addresses] if leader else []
    in_use = node_locations.gateways_in_use(fact, nodes.extras[name].table)
    return node_locations.on_link(fact, addresses) or in_use


def _through(fact: Mapping[str, Any], table: int, interface: str) -> list[str]:
    """Return the destinations that lead through the device now, or through another node that has one."""
    lines = node_locations.table_lines(fact, table)
    return [fields[0] for fields in lines if len(fields) == 3 or fields[1] == interface]


def _chains(fact: Mapping[str, Any], interface: str) -> list[str]:
    found = fact.get("nftables")
    chains = found.get(interface) if isinstance(found, Mapping) else None
    return [str(chain) for chain in chains] if isinstance(chains, list) else []


def _strict_interfaces(fact: Mapping[str, Any], found: Discovery) -> list[str]:
    """Return the underlay's interfaces on which IPv4 packets are dropped whose answers would leave by another one.

    The larger of an interface's value and that of all counts.
    """
    node = fact.get("node")
    filters = node.get("rp_filter") if isinstance(node, Mapping) else None
    if not isinstance(filters, Mapping):
        return []
    names = dict.fromkeys(own.interface for own in found.addresses if own.interface and own.family == 4)
    return [
        name for name in names if max(str(filters.get("all", "0")), str(filters.get(name, "0"))) == _STRICT_SOURCE_CHECK
    ]
