# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packet filter of a Kubernetes node: marks, the MSS clamp, and what is closed to plain text.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Device, HostPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import CLOSE
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_profiles import CILIUM, cilium_marks
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_steering import (
    Own,
    encrypted_addresses,
    is_closed,
    is_leader,
    is_ready,
    single,
)


def sections(others: Mapping[str, HostPlan], device: Device, own: Own, phase: str) -> dict[str, Any]:
    """Return the sections of nftables. Before the last phase what is closed may only be opened, never closed."""
    steering, encryption = own.steering, own.encryption
    hosts = [
        address
        for name in sorted(others)
        if is_leader(name, others[name])
        for address in encrypted_addresses(name, others[name], encryption)
    ]
    found: dict[str, Any] = {"clamp_mss": steering.clamp_mss}
    if hosts and encryption.host_encryption:
        # Answers to the tunnel's own packets leave by the underlay, although routes to these addresses do not.
        found["set_mark"] = [
            {
                "mark": steering.mark,
                "not_iif": [*steering.pod_interfaces],
                "saddr": hosts,
                "udp_dport": device.listen_port,
            }
        ]
        # Nor do answers to their ARP requests, for which the way back is looked up as well.
        nodes = [address for name in sorted(others) for address in encrypted_addresses(name, others[name], encryption)]
        arp = [address for address in nodes if "." in address]
        if arp:
            found["mark_arp"] = {"mark": steering.mark, "saddr": arp}
    if steering.profile == CILIUM:
        ready = [
            network
            for name in sorted(others)
            for network in others[name].networks
            if is_ready(others[name], network, own)
        ]
        found["set_mark"] = cilium_marks(own.interface, ready)
    closed = [way for way in encryption.closed if is_closed(way, own, phase)]
    if closed:
        spared = [*steering.exclude_cidrs, *_plain_networks(others.values(), own, phase)]
        found["closed"] = {
            "ways": closed,
            "networks": list(encryption.cluster_cidrs),
            "except": list(dict.fromkeys(spared)),
            "interfaces": list(steering.pod_interfaces),
            **_closed_hosts(hosts, device, own, phase),
        }
    return found


def _closed_hosts(hosts: Sequence[str], device: Device, own: Own, phase: str) -> dict[str, Any]:
    """Return what nodes are closed to: everything plain where nodes talk encrypted, else what pods of this one send."""
    if own.encryption.host_encryption:
        settled = own.steering.settled
        retiring = [own.encryption.retiring_port] if own.encryption.retiring and phase != CLOSE else []
        more = {
            "ports": [device.listen_port, *retiring],
            "mark": own.steering.mark,
            "tcp_ports": list(own.steering.exempt_ports),
        }
    else:
        settled = own.steering.settled + own.steering.settled_for_pods
        more = {"pods": list(own.node.pod_cidrs)}
    found = [address for address in hosts if phase == CLOSE or single(address) in settled]
    return {"hosts": found, **more} if found else {}


def _plain_networks(others: Iterable[HostPlan], own: Own, phase: str) -> Iterator[str]:
    """Yield the networks of nodes that do not encrypt, or, before the last phase, do not do so yet."""
    for other in others:
        if other.node is None:
            continue
        for network in other.networks:
            if not other.node.enabled or (phase != CLOSE and network not in own.steering.settled):
                yield network
