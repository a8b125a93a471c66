# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traffic between nodes with IPsec that a plan expects, and the addresses to probe.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .....module_utils._ip.prefix import Prefix
from ...fleet import mtu
from ...plan_model.ipsec import CILIUM, IpsecNode, family_of
from ...plan_model.ipsec_plan import IpsecPlan, NodeRole
from . import cilium


def ipsec_wire(plan: IpsecPlan) -> dict[str, Any]:
    """Return what `wire` of WireGuard returns, for nodes with IPsec. ipsec: options of `traffic_info` of this name.

    ipsec.targets: addresses of nodes that every other node reaches through IPsec, with the MTU of the smallest underlay.
    by_pair: whether each pair has its own states. With the profile cilium it has not, and packets of the nodes themselves are
    not encrypted, so they cannot probe.
    """
    settings = plan.settings
    encrypting = [name for name, role in plan.roles.items() if role not in (NodeRole.LEAVING, NodeRole.ABSENT)]
    by_pair = settings.profile != CILIUM
    reqid = settings.reqid if by_pair else cilium.REQID
    underlay = min((size for _interface, size in plan.underlays.values()), default=settings.mtu)
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
            "targets": [entry for name in encrypting for entry in _targets(plan, name, underlay)] if by_pair else [],
        },
        "by_pair": by_pair,
    }


def _node(plan: IpsecPlan, node: IpsecNode) -> dict[str, Any]:
    """Return a node without the pod networks that are exempt."""
    pods = [str(cidr) for cidr in node.pod_cidrs if not _is_exempt(plan, cidr)]
    addresses = [address.bare for address in (*node.addresses, *node.further)]
    return {"name": node.name, "addresses": addresses, "pod_networks": pods}


def _targets(plan: IpsecPlan, name: str, underlay: int) -> Iterator[dict[str, Any]]:
    """Yield a node's addresses in its pod networks; without one, and with host encryption, its own. underlay: an MTU."""
    settings = plan.settings
    own = [address for address in plan.gateways.get(name, ()) if not _is_exempt(plan, address)]
    if not own and settings.host_encryption and name not in settings.exempt_hosts:
        own = [address for address in plan.nodes[name].addresses if not _is_exempt(plan, address)]
    for address in own:
        size = mtu.through_esp(underlay, family_of(address), settings.icv)
        yield {"name": name, "address": address.bare, "mtu": size}


def _is_exempt(plan: IpsecPlan, network: Prefix) -> bool:
    return any(cidr.contains(network) for cidr in plan.settings.exempt_cidrs)
