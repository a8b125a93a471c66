# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packet filter of a Kubernetes node: marks, the MSS clamp, and drops of plaintext.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from socket import AF_INET

from .....module_utils._ip.prefix import Prefix
from ...plan_model.fleet import Device, HostPlan
from ...plan_model.host_document import DropEntry, DroppedHosts, FilterSection, MarkEntry
from ...plan_model.nodes import ENFORCE, IN
from ..prefixes import without_networks_inside
from ..profiles import CILIUM, OVERLAY, cilium_marks
from .routing import (
    NodeContext,
    drops_plaintext,
    drops_to_pods,
    is_leader,
    is_ready,
    may_send_plaintext,
    own_traffic_is_encrypted,
    stays_plain,
    whole_nodes,
)


def sections(others: Mapping[str, HostPlan], device: Device, context: NodeContext, phase: str) -> FilterSection:
    """Return the nftables sections. Before the last phase drops may be removed, never added."""
    marked, dropped = marks(others, device, context, phase), drops(others, device, context, phase)
    return {**marked, "drop_plaintext": dropped} if dropped else marked


def _leaders(others: Mapping[str, HostPlan], names: Iterable[str]) -> list[Prefix]:
    """Return the addresses of those of some nodes that have tunnels themselves."""
    leaders = (others[name].node for name in names if is_leader(name, others[name]))
    return [address for node in leaders if node is not None for address in node.addresses]


def marks(others: Mapping[str, HostPlan], device: Device, context: NodeContext, phase: str) -> FilterSection:
    """Return the marks and the MSS clamp."""
    steering = context.steering
    nodes = _leaders(others, whole_nodes(others, context))
    if phase != ENFORCE:
        # Their routes stay until the next phase.
        nodes += [address for address in _leaders(others, sorted(others)) if address in context.settled]
    nodes = list(dict.fromkeys(nodes))
    hosts = [address.bare for address in nodes]
    found: FilterSection = {"clamp_mss": steering.clamp_mss}
    if hosts:
        # Replies to the tunnel's own packets leave by the underlay, although routes to these addresses do not.
        found["set_mark"] = [
            {
                "mark": steering.mark,
                "not_iif": [*steering.pod_interfaces],
                "saddr": hosts,
                "udp_dport": device.listen_port,
            }
        ]
        # The source check of ARP requests looks up the reverse route as well.
        arp = [address.bare for address in nodes if address.family == AF_INET]
        if arp:
            found["mark_arp"] = {"mark": steering.mark, "saddr": arp}
    replies = _replies(others, nodes, context)
    if replies and steering.profile == OVERLAY and not context.encryption.located:
        found["set_mark"] = [*found.get("set_mark", []), *replies]
    if steering.virtual_ips:
        # Their packets arrive as plaintext, also from sources that are routed into the tunnel.
        to_virtual: MarkEntry = {
            "mark": steering.mark,
            "not_iif": [*steering.pod_interfaces],
            "daddr": [address.bare for address in steering.virtual_ips],
        }
        found["set_mark"] = [*found.get("set_mark", []), to_virtual]
    if steering.profile == CILIUM:
        ready = [
            network
            for name in sorted(others)
            for network in others[name].networks
            if is_ready(others[name], network, context)
        ]
        found["set_mark"] = cilium_marks(context.interface, map(str, ready))
    return found


def _replies(others: Mapping[str, HostPlan], whole: Collection[Prefix], context: NodeContext) -> list[MarkEntry]:
    """Return the mark of replies of nodes to this node's address that belong to connections of its pods.

    They are unencrypted, and the route back to the node is that of the pod, through the tunnel: the source check would drop
    them. Such connections were masqueraded before the encryption (`overlay_apply`: keep_masqueraded).
    """
    enabled = [name for name in sorted(others) if (node := others[name].node) is not None and node.enabled]
    hosts = [address.bare for address in _leaders(others, enabled) if address not in whole]
    if not hosts:
        return []
    mark: MarkEntry = {
        "mark": context.steering.mark,
        "not_iif": [*context.steering.pod_interfaces],
        "saddr": hosts,
        "ct_saddr": list(map(str, context.node.pod_cidrs)),
    }
    return [mark]


def drops(others: Mapping[str, HostPlan], device: Device, context: NodeContext, phase: str) -> DropEntry | None:
    """Return the plaintext that is dropped, None if none is."""
    steering, encryption = context.steering, context.encryption
    directions = [one for one in encryption.closed if drops_plaintext(one, context, phase)]
    if not directions:
        return None
    networks = (network for other in others.values() for network in other.networks)
    exempt = [
        *steering.exclude_cidrs,
        *without_networks_inside(context.node.extra_allowed_ips, networks),
        *_plain_networks(others.values(), context, phase),
    ]
    found: DropEntry = {
        "directions": directions,
        "networks": list(map(str, encryption.cluster_cidrs)),
        "except": list(map(str, dict.fromkeys(exempt))),
        "interfaces": list(steering.pod_interfaces),
        **_dropped_hosts(others, device, context, phase),
    }
    accepted = _accepted_sources(others, context, phase) if IN in directions else []
    if accepted:
        found["except_in"] = [str(prefix) for prefix in accepted]
    if steering.virtual_ips:
        found["own"] = [address.bare for address in steering.virtual_ips]
    return found


def _accepted_sources(others: Mapping[str, HostPlan], context: NodeContext, phase: str) -> list[Prefix]:
    """Return the networks and addresses of nodes that may still send plaintext, although this node sends them encrypted packets.

    Before the last phase, what is accepted now; in the last phase that of nodes which the run does not reach.
    """
    found: dict[Prefix, None] = {}
    for name in sorted(others):
        other = others[name]
        if other.node is None or not other.node.enabled:
            continue
        closed = [one for one in other.networks if any(cidr.contains(one) for cidr in context.encryption.cluster_cidrs)]
        if own_traffic_is_encrypted(name, other, context):
            closed += other.node.addresses
        for prefix in closed:
            now = prefix in context.steering.accepted
            if prefix in context.settled and (may_send_plaintext(other, prefix, context) if phase == ENFORCE else now):
                found[prefix] = None
    return list(found)


def _dropped_hosts(others: Mapping[str, HostPlan], device: Device, context: NodeContext, phase: str) -> DroppedHosts:
    """Return the nodes to which plaintext is dropped: all of it with host encryption, else that of this node's pods."""
    whole = _leaders(others, whole_nodes(others, context))
    hosts = {address: None for address in whole if phase == ENFORCE or address in context.settled}
    settled = context.settled.union(context.steering.settled_for_pods)
    enabled = {name: other for name, other in others.items() if other.node is not None and other.node.enabled}
    of_pods = [
        address
        for name in sorted(enabled)
        for address in _leaders(enabled, [name])
        if address not in hosts
        and (drops_to_pods(enabled[name], address, context) if phase == ENFORCE else address in settled)
    ]
    found: DroppedHosts = {}
    if hosts:
        retiring = [context.encryption.retiring_port] if context.encryption.retiring and phase != ENFORCE else []
        found = {
            "hosts": [address.bare for address in hosts],
            "ports": [device.listen_port, *retiring],
            "mark": context.steering.mark,
            "tcp_ports": list(context.steering.exempt_ports),
        }
    if of_pods:
        found["pod_hosts"] = [address.bare for address in of_pods]
        found["pods"] = list(map(str, context.node.pod_cidrs))
    return found


def _plain_networks(others: Iterable[HostPlan], context: NodeContext, phase: str) -> Iterator[Prefix]:
    """Yield the networks of nodes that do not encrypt or, before the last phase, do not encrypt yet.

    In the last phase, those of nodes that the run did not reach, if their plaintext was not dropped before.
    """
    for other in others:
        if other.node is None:
            continue
        for network in other.networks:
            if phase != ENFORCE:
                is_plain = network not in context.settled
            else:
                is_plain = not is_ready(other, network, context) and stays_plain(network, context)
            if is_plain or not other.node.enabled:
                yield network
