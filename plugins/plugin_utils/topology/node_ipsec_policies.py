# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IPsec policies of one node, by selectors and without marks: what is encrypted, exempt, or closed.

Every policy has a template with our reqid, also those that let pass or block: by that it is known as ours, and goes
when it is not wanted any more. Such a template is in transport mode and optional, and no state ever fits it.

This plugin util is private to the collection.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    IpsecNode,
    IpsecSettings,
    Nodes,
    Phase,
    as_network,
    family_of,
    of_family,
)

BEFORE = 100
"""By how much the priority number of an exemption is lower than that of what it is exempt from."""
BLOCK_PRIORITY = 60000
NEIGHBOUR_DISCOVERY = range(133, 138)
"""Types of ICMPv6 without which nodes on one link do not find each other (RFC 4861)."""

_ANY_IPV6 = "::/0"

Policy = dict[str, Any]


def policies(nodes: Nodes, local: IpsecNode, settings: IpsecSettings) -> list[Policy]:
    """Return all policies of a node in its phase, as options of xfrm_policy."""
    if local.reached is Phase.ABSENT:
        return []
    found: list[Policy] = []
    for remote in nodes.values():
        phase = min(local.reached, remote.reached)
        if remote.name == local.name or phase is Phase.ABSENT:
            continue
        for family in (4, 6):
            ends = of_family(local.addresses, family), of_family(remote.addresses, family)
            if all(ends):
                found += _between(local, remote, settings, phase, (ends[0][0], ends[1][0]))
    if any(encrypts_hosts(local, remote, settings) for remote in nodes.values()):
        for address in of_family(local.addresses, 6):
            found += _neighbour_discovery(address, settings)
    if local.reached is Phase.STRICT and settings.closes_egress:
        # What is encrypted has the selector already; the priority would not tell two policies apart.
        taken = {(policy["src"], policy["dst"]) for policy in found if policy["dir"] == "out" and "proto" not in policy}
        for policy in _closed(nodes, local, settings):
            if (policy["src"], policy["dst"]) not in taken:
                taken.add((policy["src"], policy["dst"]))
                found.append(policy)
    return found


def encrypts_hosts(local: IpsecNode, remote: IpsecNode, settings: IpsecSettings) -> bool:
    """Return whether what two nodes themselves say to each other is encrypted."""
    return (
        settings.host_encryption
        and remote.name != local.name
        and min(local.reached, remote.reached) > Phase.ABSENT
        and not _is_exempt(local, settings)
        and not _is_exempt(remote, settings)
    )


def _is_exempt(node: IpsecNode, settings: IpsecSettings) -> bool:
    if node.name in settings.exempt_hosts:
        return True
    networks = [ipaddress.ip_network(cidr) for cidr in settings.exempt_cidrs]
    return any(ipaddress.ip_address(address) in network for address in node.addresses for network in networks)


def _between(
    local: IpsecNode, remote: IpsecNode, settings: IpsecSettings, phase: Phase, ends: tuple[str, str]
) -> Iterator[Policy]:
    """Yield the policies between two nodes for one family, by their underlay addresses of it."""
    here, there = ends
    strict = phase is Phase.STRICT and settings.closes_ingress
    inbound = {"src": there, "dst": here, "reqid": settings.reqid, "level": "required" if strict else "use"}
    outbound = {"src": here, "dst": there, "reqid": settings.reqid}
    common = {"priority": settings.priority}
    for own, other in _selectors(local, remote, settings, ends):
        for direction in ("in", "fwd"):
            yield {"dir": direction, "src": other, "dst": own, **common, "templates": [inbound]}
        if phase >= Phase.SEND:
            yield {"dir": "out", "src": own, "dst": other, **common, "templates": [outbound]}
    if encrypts_hosts(local, remote, settings):
        for port in settings.exempt_ports:
            for side in ("sport", "dport"):
                yield from _exempt(settings, as_network(here), as_network(there), proto="tcp", **{side: port})


def _selectors(
    local: IpsecNode, remote: IpsecNode, settings: IpsecSettings, ends: tuple[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield what is encrypted between two nodes, own side first.

    A node and the pods of another are always among it: a node's own packets to pods, and pods behind masquerading,
    have the node's address.
    """
    family = family_of(ends[0])
    node, other = (as_network(address) for address in ends)
    own_pods, other_pods = (of_family(one.pod_cidrs, family) for one in (local, remote))
    yield from ((pods, others) for pods in own_pods for others in other_pods)
    yield from ((pods, other) for pods in own_pods)
    yield from ((node, others) for others in other_pods)
    if encrypts_hosts(local, remote, settings):
        yield node, other


def _exempt(settings: IpsecSettings, own: str, other: str, **selector: Any) -> Iterator[Policy]:
    """Yield what lets packets of a kind pass in clear, both ways; what comes encrypted nevertheless is taken."""
    common = {**selector, "priority": settings.priority - BEFORE}
    yield {"dir": "out", "src": own, "dst": other, **common, "templates": [_optional(settings)]}
    arriving = {"dst": own.partition("/")[0], "reqid": settings.reqid, "level": "use"}
    yield {"dir": "in", "src": other, "dst": own, **common, "templates": [arriving]}


def _optional(settings: IpsecSettings) -> dict[str, Any]:
    return {"mode": "transport", "reqid": settings.reqid, "level": "use"}


def _neighbour_discovery(address: str, settings: IpsecSettings) -> Iterator[Policy]:
    for kind in NEIGHBOUR_DISCOVERY:
        yield from _exempt(settings, as_network(address), _ANY_IPV6, proto="ipv6-icmp", type=kind)


def _closed(nodes: Nodes, local: IpsecNode, settings: IpsecSettings) -> Iterator[Policy]:
    """Yield what is known to be in clear, and what blocks the way to parts of the cluster that no node has.

    That is for what the node and its pods send. What comes from outside and goes on to a pod, as to a port of the node,
    is looked at before it gets the node's address, and would be dropped too soon.
    """
    for source in [*local.pod_cidrs, *map(as_network, local.addresses)]:
        family = family_of(source)
        for cidr in of_family(sorted({*local.pod_cidrs, *_open_cidrs(nodes, local, settings)}), family):
            yield _outbound(settings, source, cidr, BLOCK_PRIORITY - BEFORE)
        for cidr in of_family(settings.cluster_cidrs, family):
            yield _outbound(settings, source, cidr, BLOCK_PRIORITY, action="block")


def _open_cidrs(nodes: Nodes, local: IpsecNode, settings: IpsecSettings) -> Iterator[str]:
    yield from settings.exempt_cidrs
    for remote in nodes.values():
        plain = remote.enabled or remote.name in settings.exempt_hosts
        if plain and min(local.reached, remote.reached) < Phase.SEND:
            yield from remote.pod_cidrs


def _outbound(settings: IpsecSettings, source: str, cidr: str, priority: int, **more: Any) -> Policy:
    template = _optional(settings)
    return {"dir": "out", "src": source, "dst": cidr, "priority": priority, "templates": [template], **more}
