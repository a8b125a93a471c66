# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Kubernetes node's document in each phase. No packet is lost, and no packet that must be encrypted is sent plain.

    receive   the node accepts encrypted packets of every other node, and still plaintext
    send      routes and rules: the node sends encrypted packets
    stop      a node that stops encrypting sends plaintext
    enforce   the desired state: unused objects are removed, and plaintext is dropped when strict

All nodes complete a phase before any starts the next. The document of `enforce` is complete, so a node in the desired state
needs no other phase. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .....module_utils._ip.prefix import Prefix
from ...fleet.interface_document import InterfaceDocument, host_prefixes, only_interface, peer_entry
from ...fleet.settings import NONE
from ...plan_model.fleet import Device, FleetPlan, HostPlan
from ...plan_model.host_document import DropEntry, FilterSection, HostDocument, InterfaceEntry, PeerEntry
from ...plan_model.nodes import ENFORCE, RECEIVE, SEND, STOP, Steering
from . import packet_filter
from .routing import NodeContext, are_both_reached, is_leader, is_peer, ownership, steering_of, table_of

# Seconds. Without traffic, only a keepalive starts a handshake.
_KEEPALIVE = 5
_LOOSE_SOURCE_CHECK = "2"
# The parts of the packet filter that stay while both kinds of packets arrive.
_KEPT = ("set_mark", "mark_arp", "clamp_mss")


def node_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device, phase: str) -> list[InterfaceDocument]:
    """Return the interface of a node, in the phases that configure it; none for a node that does not encrypt."""
    if phase not in (RECEIVE, ENFORCE) or host.node is None or not host.node.enabled or not is_leader(name, host):
        return []
    behind = _behind(plan, phase)
    peers = [
        _peer((name, host), (other_name, other), allowed_ips(other, behind[other_name]), device, phase)
        for other_name, other in plan.hosts.items()
        # The leader of nodes without facts remains a peer unchanged.
        if other_name != name and is_peer(other_name, other) and other_name not in plan.unknown
    ]
    # A peer that is removed still sends encrypted packets until the phase stop.
    return [only_interface(plan, name, host, device, peers, purge=device.purge and phase == ENFORCE)]


def node_sections(plan: FleetPlan, name: str, host: HostPlan, device: Device, phase: str) -> HostDocument:
    """Return the sections of a node's document other than its interface."""
    node, encryption = host.node, plan.encryption
    if node is None or node.steering is None or encryption is None:
        return {}
    if node.enabled:
        context = NodeContext(
            name, node, node.steering, encryption, plan.interface, plan.hosts, frozenset(node.steering.settled)
        )
        return _enabled(plan, host, device, context, phase)
    return _leaving(plan.interface, node.steering, phase)


def _behind(plan: FleetPlan, phase: str) -> dict[str, list[HostPlan]]:
    """Return by leader the nodes behind its tunnels, itself included.

    In the phase receive they include nodes that stop encrypting later in the run.
    """
    found: dict[str, list[HostPlan]] = {name: [] for name in plan.hosts}
    for host in plan.hosts.values():
        node = host.node
        if node is not None and node.leader in found and (node.enabled or phase == RECEIVE):
            found[node.leader].append(host)
    return found


def _enabled(plan: FleetPlan, host: HostPlan, device: Device, context: NodeContext, phase: str) -> HostDocument:
    others = {other: plan.hosts[other] for other in plan.hosts if other != context.name}
    retiring = context.encryption.retiring
    if phase == RECEIVE and not context.leads:
        return {"temporary_sysctls": _loosened(context.steering)}
    if phase == RECEIVE:
        marked, dropped = (
            packet_filter.marks(others, device, context, phase),
            packet_filter.drops(others, device, context, phase),
        )
        return {
            "nftables": _receiving(plan.interface, retiring, marked, dropped),
            "temporary_sysctls": _loosened(context.steering),
        }
    if phase == STOP:
        return {}
    steered = steering_of(plan, host, others, context, phase)
    if phase != ENFORCE:
        return steered
    filtered = packet_filter.sections(others, device, context, phase) if context.leads else {}
    removed = [_retired(retiring)] if retiring else []
    if not context.leads:
        removed.append({"name": plan.interface, "state": "absent"})
    interfaces: HostDocument = {"interfaces": removed} if removed else {}
    # The boot files have the interface's name, as on a leader, so that a change of roles replaces them.
    named = not context.leads and device.persistence != NONE
    boot: HostDocument = {"boot_name": plan.interface} if named else {}
    emptied: dict[str, FilterSection] = {retiring: {}} if retiring else {}
    filters = {plan.interface: filtered, **emptied}
    loose = _loosened(context.steering) if _is_interrupted(others, context) else {}
    return {**steered, "nftables": filters, "temporary_sysctls": loose, **interfaces, **boot}


def _receiving(
    interface: str, retiring: str, marked: FilterSection, dropped: DropEntry | None
) -> dict[str, FilterSection]:
    """Return the packet filter that accepts both kinds of packets."""
    if not retiring:
        return {interface: {**marked, "drop_plaintext": dropped} if dropped else marked}
    # The drops of the old interface stay, and accept packets from the new one.
    kept: FilterSection = {"keep": [*_KEPT]}
    if dropped:
        kept = {**kept, "drop_plaintext": {**dropped, "interfaces": [*dropped["interfaces"], interface]}}
    return {interface: marked, retiring: kept}


def _retired(interface: str) -> InterfaceEntry:
    path = f"/etc/wireguard/{interface}.key"
    return {"name": interface, "state": "absent", "remove_private_key": True, "private_key_file": path}


def _leaving(interface: str, steering: Steering, phase: str) -> HostDocument:
    if phase == RECEIVE:
        keep: FilterSection = {"keep": [*_KEPT]}
        settled = steering.settled or steering.settled_for_pods
        return {"nftables": {interface: keep}, "temporary_sysctls": _loosened(steering)} if settled else {}
    if phase == SEND:
        return {}
    unsteered: HostDocument = {
        "ip_routes": [table_of(steering, table, []) for table in steering.tables],
        "ip_rules": {"rules": [], **ownership(steering)},
        "keep_masqueraded": True,
    }
    if phase != ENFORCE:
        return unsteered
    absent: InterfaceEntry = {"name": interface, "state": "absent"}
    return {**unsteered, "interfaces": [absent], "nftables": {interface: {}}, "temporary_sysctls": {}}


def _peer(
    context: tuple[str, HostPlan], peer: tuple[str, HostPlan], prefixes: Sequence[Prefix], device: Device, phase: str
) -> PeerEntry:
    (name, host), (other_name, other) = context, peer
    key = other.public_key or ""
    entry = peer_entry(other_name, other, host, device, key, other.endpoints, prefixes)
    # Only one of the two initiates: if both do at once, wireguard-go may end with a session that works in one direction
    # only, until it retries after 15 seconds.
    initiates = bool(other.endpoints) and (name < other_name or not host.endpoints)
    if phase == RECEIVE and initiates:
        return {**entry, "persistent_keepalive": entry["persistent_keepalive"] or _KEEPALIVE}
    return entry


def allowed_ips(other: HostPlan, behind: Sequence[HostPlan] = ()) -> list[Prefix]:
    """Return the allowed IPs of a node: its pod networks and its own addresses, which host-network pods use as well.

    behind: the nodes behind its tunnels.
    """
    found = [*other.networks, *_device_prefixes(other), *_addresses(other)]
    for host in behind:
        found += [*host.networks, *_addresses(host)]
    return list(dict.fromkeys(found))


def _addresses(host: HostPlan) -> tuple[Prefix, ...]:
    return host.node.addresses if host.node else ()


def _device_prefixes(host: HostPlan) -> Iterator[Prefix]:
    """Yield the addresses of the interface that are in none of the networks behind it."""
    for address in host_prefixes(host):
        if not any(network.contains(address) for network in host.networks):
            yield address


def _is_interrupted(others: Mapping[str, HostPlan], context: NodeContext) -> bool:
    """Return whether an earlier run stopped in a phase that other nodes, which this run does not reach, may not have begun.

    They may still send plaintext to this node, which sends them encrypted packets.
    """
    return context.steering.loosened and any(
        other.node is not None
        and other.node.enabled
        and not are_both_reached(other, context)
        and not context.settled.isdisjoint((*other.networks, *other.node.addresses))
        for other in others.values()
    )


def _loosened(steering: Steering) -> dict[str, str]:
    """Return the sysctls that accept plaintext from nodes to which this node sends encrypted packets, and the reverse."""
    return {f"net/ipv4/conf/{name}/rp_filter": _LOOSE_SOURCE_CHECK for name in steering.strict_rp_filter}
