# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traffic between Kubernetes nodes that a plan expects: the peers of each node, and what may be plaintext.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .....module_utils._ip.prefix import Prefix
from ...fleet.interface_document import bare_addresses
from ...plan_model.fleet import FleetPlan, HostPlan
from ...plan_model.nodes import Encryption, NodePlan
from .routing import is_peer


def within_reach(plan: FleetPlan) -> list[dict[str, str]]:
    """Return the nodes of this run that have tunnels. Every one of them must have a session with every other."""
    return [
        {"name": name, "public_key": host.public_key or ""}
        for name, host in plan.hosts.items()
        if is_peer(name, host) and host.node is not None and host.node.reached
    ]


def wire(plan: FleetPlan) -> dict[str, Any]:
    """Return the options of the module `traffic_info` that are the same for all nodes, and the input of a verdict.

    nodes, wireguard_ports, exempt_ports: options of these names. marks: `mark` by node. peers: those that must reply, the
    option `peers` of its probe. encrypting: the names of the nodes that should encrypt; with locations, of their leaders,
    because packets between a node and its leader are plaintext. keyless: those of them without a known key.
    host_encryption: whether traffic of the nodes themselves is encrypted. exempt_hosts: the nodes exempt from it.
    """
    encryption = plan.encryption or Encryption()
    # During a key rotation both devices carry packets.
    ports = {encryption.retiring_port, *(host.device.listen_port for host in plan.hosts.values() if host.device)}
    known = {name: (host, host.node) for name, host in plan.hosts.items() if host.node is not None}
    encrypting = [name for name, (_host, node) in known.items() if node.enabled and node.leader == name]
    excluded = {cidr for _host, node in known.values() if node.steering for cidr in node.steering.exclude_cidrs}
    exempt = {port for _host, node in known.values() if node.steering for port in node.steering.exempt_ports}
    return {
        "nodes": [_node(name, node, excluded) for name, (_host, node) in known.items()],
        "marks": {name: host.device.fwmark for name, (host, _node) in known.items() if host.device},
        "wireguard_ports": sorted(ports - {0}),
        "exempt_ports": sorted(exempt),
        "peers": [_peer(name, known[name][0]) for name in encrypting if known[name][0].public_key is not None],
        "encrypting": encrypting,
        "keyless": [name for name in encrypting if known[name][0].public_key is None],
        "host_encryption": encryption.host_encryption,
        "exempt_hosts": list(encryption.exempt_hosts),
    }


def _node(name: str, node: NodePlan, excluded: Iterable[Prefix]) -> Mapping[str, Any]:
    """Return a node without the pod networks that are excluded from encryption."""
    pods = [str(cidr) for cidr in node.pod_cidrs if not any(one.contains(cidr) for one in excluded)]
    return {"name": name, "addresses": [address.bare for address in node.addresses], "pod_networks": pods}


def _peer(name: str, host: HostPlan) -> Mapping[str, Any]:
    return {"name": name, "public_key": host.public_key, "addresses": bare_addresses(host)}
