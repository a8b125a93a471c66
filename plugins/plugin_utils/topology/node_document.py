# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One Kubernetes node's part, in phases, so that no packet is lost and none is sent in plain text that must not be.

    receive   every node can take encrypted packets of every other, and still takes plain ones
    flip      routes and the rule that looks them up: from now on this node sends encrypted packets
    leave     a node that shall not encrypt any more sends plain ones
    close     all of it, exactly: what is not wanted any more goes, and plain text is dropped where that is asked for

Between two phases all nodes have to be done with the first. A node that has everything needs `close` only, which then
changes nothing. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import node_filter
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import (
    InterfaceDocument,
    bare_addresses,
    only_interface,
    peer_entry,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Device, FleetPlan, HostPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import (
    CLOSE,
    FLIP,
    LEAVE,
    RECEIVE,
    Steering,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_steering import (
    Own,
    is_leader,
    is_peer,
    ownership,
    single,
    steering_of,
    table_of,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import NONE

# Until there is traffic, only a keepalive makes two nodes shake hands; seconds.
_KEEPALIVE = 5
_LOOSE_SOURCE_CHECK = "2"
# What of the packet filter stays while packets of both kinds come in.
_KEPT = ("set_mark", "mark_arp", "clamp_mss")


def node_interfaces(plan: FleetPlan, name: str, host: HostPlan, device: Device, phase: str) -> list[InterfaceDocument]:
    """Return the device of a node in the phases that speak of it; none where the node shall not encrypt."""
    if phase not in (RECEIVE, CLOSE) or host.node is None or not host.node.enabled or not is_leader(name, host):
        return []
    behind = _behind(plan, phase)
    peers = [
        _peer((name, host), (other_name, other), allowed_ips(other, behind[other_name]), device, phase)
        for other_name, other in plan.hosts.items()
        # A leader of nodes of which nothing is known now stays the peer that it is.
        if other_name != name and is_peer(other_name, other) and other_name not in plan.unknown
    ]
    # What others still send encrypted to a peer that goes must be taken until they have stopped.
    return [only_interface(plan, name, host, device, peers, purge=device.purge and phase == CLOSE)]


def node_sections(plan: FleetPlan, name: str, host: HostPlan, device: Device, phase: str) -> dict[str, Any]:
    """Return what a node's document has beside its device."""
    node, encryption = host.node, plan.encryption
    if node is None or node.steering is None or encryption is None:
        return {}
    if node.enabled:
        own = Own(name, node, node.steering, encryption, plan.interface, plan.hosts)
        return _enabled(plan, host, device, own, phase)
    return _leaving(plan.interface, node.steering, phase)


def _behind(plan: FleetPlan, phase: str) -> dict[str, list[HostPlan]]:
    """Return by leader the nodes that it has the tunnels for, itself as well.

    Before the last phase those that shall not encrypt any more are among them: they do so still.
    """
    found: dict[str, list[HostPlan]] = {name: [] for name in plan.hosts}
    for host in plan.hosts.values():
        node = host.node
        if node is not None and node.leader in found and (node.enabled or phase == RECEIVE):
            found[node.leader].append(host)
    return found


def _enabled(plan: FleetPlan, host: HostPlan, device: Device, own: Own, phase: str) -> dict[str, Any]:
    others = {other: plan.hosts[other] for other in plan.hosts if other != own.name}
    retiring = own.encryption.retiring
    if phase == RECEIVE and not own.leads:
        return {"temporary_sysctls": _loosened(own.steering)}
    if phase == RECEIVE:
        sections = {plan.interface: node_filter.sections(others, device, own, phase)}
        if retiring:
            # What the old device has closed stays closed, and lets pass what comes through the new one.
            shut = sections[plan.interface].pop("closed", None)
            sections[retiring] = {"keep": [*_KEPT]}
            if shut:
                sections[retiring]["closed"] = {**shut, "interfaces": [*shut["interfaces"], plan.interface]}
        return {"nftables": sections, "temporary_sysctls": _loosened(own.steering)}
    if phase == LEAVE:
        return {}
    found = steering_of(plan, host, others, own, phase)
    if phase == CLOSE:
        filtered = node_filter.sections(others, device, own, phase) if own.leads else {}
        found["nftables"] = {plan.interface: filtered}
        if retiring:
            found["nftables"][retiring] = {}
            found["interfaces"] = [_retired(retiring)]
        found["temporary_sysctls"] = {}
        if not own.leads:
            found["interfaces"] = [*found.get("interfaces", ()), {"name": plan.interface, "state": "absent"}]
            # Under the device's name, as on a leader: what a node becomes replaces what it was.
            found.update({"boot_name": plan.interface} if device.persistence != NONE else {})
    return found


def _retired(interface: str) -> dict[str, Any]:
    path = f"/etc/wireguard/{interface}.key"
    return {"name": interface, "state": "absent", "remove_private_key": True, "private_key_file": path}


def _leaving(interface: str, steering: Steering, phase: str) -> dict[str, Any]:
    if phase == RECEIVE:
        keep = {"keep": [*_KEPT]}
        settled = steering.settled or steering.settled_for_pods
        return {"nftables": {interface: keep}, "temporary_sysctls": _loosened(steering)} if settled else {}
    if phase == FLIP:
        return {}
    found: dict[str, Any] = {
        "ip_routes": [table_of(steering, table, []) for table in steering.tables],
        "ip_rules": {"rules": [], **ownership(steering)},
    }
    if phase == CLOSE:
        found["interfaces"] = [{"name": interface, "state": "absent"}]
        found["nftables"] = {interface: {}}
        found["temporary_sysctls"] = {}
    return found


def _peer(
    own: tuple[str, HostPlan], peer: tuple[str, HostPlan], prefixes: Sequence[str], device: Device, phase: str
) -> dict[str, Any]:
    (name, host), (other_name, other) = own, peer
    key = other.public_key or ""
    entry = peer_entry(other_name, other, host, device, key, other.endpoints, prefixes)
    # By one of the two: where both begin at once, wireguard-go may end with a session that carries one way only, for the
    # 15 seconds until it tries again.
    begins = bool(other.endpoints) and (name < other_name or not host.endpoints)
    if phase == RECEIVE and begins:
        entry["persistent_keepalive"] = entry["persistent_keepalive"] or _KEEPALIVE
    return entry


def allowed_ips(other: HostPlan, behind: Sequence[HostPlan] = ()) -> list[str]:
    """Return what is taken from a node: its pods', and its own addresses, from which pods of its network talk as well.

    behind: the nodes that it has the tunnels for.
    """
    found = [*other.networks, *_device_prefixes(other), *_addresses(other)]
    for host in behind:
        found += [*host.networks, *_addresses(host)]
    return list(dict.fromkeys(found))


def _addresses(host: HostPlan) -> Iterator[str]:
    yield from map(single, host.node.addresses if host.node else ())


def _device_prefixes(host: HostPlan) -> Iterator[str]:
    """Yield the addresses of the device that lie in none of the networks behind it."""
    networks = [parse_prefix(text) for text in host.networks]
    for text in bare_addresses(host):
        if not any(network.contains(parse_prefix(text)) for network in networks):
            yield single(text)


def _loosened(steering: Steering) -> dict[str, str]:
    """Return what lets plain packets in from nodes to which this one sends encrypted ones already, and the reverse."""
    return {f"net/ipv4/conf/{name}/rp_filter": _LOOSE_SOURCE_CHECK for name in steering.strict_rp_filter}
