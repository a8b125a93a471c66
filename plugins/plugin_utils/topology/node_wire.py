# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the wire between Kubernetes nodes should look like by a plan: who talks to whom, and what may be plain text.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.interface_document import bare_addresses
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan, HostPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import Encryption, NodePlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_steering import is_peer


def within_reach(plan: FleetPlan) -> list[dict[str, str]]:
    """Return the nodes that have tunnels and that this run speaks to: with these, every one has to have a session."""
    return [
        {"name": name, "public_key": host.public_key or ""}
        for name, host in plan.hosts.items()
        if is_peer(name, host) and host.node is not None and host.node.reached
    ]


def wire(plan: FleetPlan) -> dict[str, Any]:
    """Return the options of the module `wire_census` that are the same for all nodes, and what a verdict needs.

    nodes, wireguard_ports, exempt_ports: options of these names. marks: `mark` by node. peers: those that have to answer,
    the option `peers` of its probe. encrypting: the names of all that should encrypt. keyless: those of them whose key
    nobody knows. With locations, encrypting is their leaders: others talk plain on the way to theirs. host_encryption,
    exempt_hosts: whether the nodes themselves should, and which need not.
    """
    encryption = plan.encryption or Encryption()
    # While keys are changed, both devices carry packets.
    ports = {encryption.retiring_port, *(host.device.listen_port for host in plan.hosts.values() if host.device)}
    known = {name: (host, host.node) for name, host in plan.hosts.items() if host.node is not None}
    encrypting = [name for name, (_host, node) in known.items() if node.enabled and node.leader == name]
    excluded = {text for _host, node in known.values() if node.steering for text in node.steering.exclude_cidrs}
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


def _node(name: str, node: NodePlan, excluded: Iterable[str]) -> Mapping[str, Any]:
    """Pods whose whole network is excluded from encryption count as nobody's."""
    without = [parse_prefix(text) for text in excluded]
    pods = [cidr for cidr in node.pod_cidrs if not any(one.contains(parse_prefix(cidr)) for one in without)]
    return {"name": name, "addresses": list(node.addresses), "pod_networks": pods}


def _peer(name: str, host: HostPlan) -> Mapping[str, Any]:
    return {"name": name, "public_key": host.public_key, "addresses": bare_addresses(host)}
