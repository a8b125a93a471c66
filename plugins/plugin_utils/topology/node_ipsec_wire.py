# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the wire between nodes with IPsec should look like by a plan, and who can be asked through it.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils import mtu
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology import node_ipsec_cilium
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    CILIUM,
    IpsecNode,
    as_network,
    family_of,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_model import (
    LEAVING,
    OUT_OF_IT,
    IpsecPlan,
)


def ipsec_wire(plan: IpsecPlan) -> dict[str, Any]:
    """Return what `node_wire.wire` returns, of nodes with IPsec; ipsec: options of `wire_census` of this name.

    ipsec.ask: addresses of nodes that every other one reaches by IPsec, with the size that fits through every underlay.
    by_pair: whether each pair has states of its own. With the profile cilium they do not tell between whom they are, and
    what nodes themselves send is not encrypted, so that they cannot ask.
    """
    settings = plan.settings
    encrypting = [name for name, part in plan.parts.items() if part not in (LEAVING, OUT_OF_IT)]
    by_pair = settings.profile != CILIUM
    reqid = settings.reqid if by_pair else node_ipsec_cilium.REQID
    return {
        "nodes": [_node(plan, node) for node in plan.nodes.values()],
        "marks": {},
        "wireguard_ports": [],
        "exempt_ports": list(settings.exempt_ports),
        "peers": [],
        "encrypting": encrypting,
        "keyless": [],
        "host_encryption": settings.host_encryption,
        "exempt_hosts": sorted(settings.exempt_hosts),
        "ipsec": {
            "reqids": str(reqid),
            "ask": [entry for name in encrypting for entry in _ask(plan, name)] if by_pair else [],
        },
        "by_pair": by_pair,
    }


def _node(plan: IpsecPlan, node: IpsecNode) -> dict[str, Any]:
    """Pods whose whole network is exempt count as nobody's."""
    pods = [cidr for cidr in node.pod_cidrs if not _is_exempt(plan, cidr)]
    return {"name": node.name, "addresses": list(node.addresses), "pod_networks": pods}


def _ask(plan: IpsecPlan, name: str) -> Iterator[dict[str, Any]]:
    """Yield the addresses of a node among its pods; its own where these are encrypted, and there are no others."""
    settings = plan.settings
    own = [address for address in plan.gateways.get(name, ()) if not _is_exempt(plan, as_network(address))]
    if not own and settings.host_encryption and name not in settings.exempt_hosts:
        own = [address for address in plan.nodes[name].addresses if not _is_exempt(plan, as_network(address))]
    underlay = min((size for _interface, size in plan.underlays.values()), default=settings.mtu)
    for address in own:
        size = mtu.through_esp(underlay, family_of(address), settings.icv)
        yield {"name": name, "address": address, "mtu": size}


def _is_exempt(plan: IpsecPlan, network: str) -> bool:
    return any(parse_prefix(cidr).contains(parse_prefix(network)) for cidr in plan.settings.exempt_cidrs)
