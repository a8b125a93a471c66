# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IPsec policies of one node, by selectors and without marks: encrypted, exempt, or blocked traffic.

Every policy has a template with the managed reqid, also those that allow or block. It marks the policy as managed, so that purge
removes it. Such a template is in transport mode and optional, and no state matches it.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from socket import AF_INET6

from .....module_utils._ip.prefix import Prefix
from ...plan_model.host_document import PolicyEntry, PolicySelector, Template
from ...plan_model.ipsec import IpsecNode, IpsecSettings, Nodes, Phase, family_of, of_family

BEFORE = 100
"""The difference between the priority of a policy and that of its exemptions, which come first."""
BLOCK_PRIORITY = 60000
NEIGHBOUR_DISCOVERY = range(133, 138)
"""Types of ICMPv6 for neighbour discovery on a link (RFC 4861)."""

_ANY_IPV6 = Prefix(int(AF_INET6), bytes(16), 0)


def policies(nodes: Nodes, local: IpsecNode, settings: IpsecSettings) -> list[PolicyEntry]:
    """Return all policies of a node in its phase, as options of xfrm_policy."""
    if local.reached is Phase.ABSENT:
        return []
    found: list[PolicyEntry] = []
    for remote in nodes.values():
        phase = min(local.reached, remote.reached)
        if remote.name == local.name or phase is Phase.ABSENT:
            continue
        for family in (4, 6):
            ends = of_family(local.addresses, family), of_family(remote.addresses, family)
            if all(ends):
                found += _between(local, remote, settings, phase, (ends[0][0], ends[1][0]))
    if any(encrypts_hosts(local, remote, settings) for remote in nodes.values()):
        for address in of_family((*local.addresses, *local.further), 6):
            found += _neighbour_discovery(address, settings)
    if local.reached is Phase.STRICT and settings.blocks_unknown:
        # A policy is identified by its selector, not by its priority, so one that encrypts takes precedence.
        taken = {(policy["src"], policy["dst"]) for policy in found if policy["dir"] == "out" and "proto" not in policy}
        for policy in _blocked(nodes, local, settings):
            if (policy["src"], policy["dst"]) not in taken:
                taken.add((policy["src"], policy["dst"]))
                found.append(policy)
    return found


def encrypts_hosts(local: IpsecNode, remote: IpsecNode, settings: IpsecSettings) -> bool:
    """Return whether traffic between two nodes themselves is encrypted."""
    return min(local.reached, remote.reached) > Phase.ABSENT and covers_hosts(local, remote, settings)


def covers_hosts(local: IpsecNode, remote: IpsecNode, settings: IpsecSettings) -> bool:
    """Return whether the settings want traffic between two nodes themselves encrypted."""
    return (
        settings.host_encryption
        and remote.name != local.name
        and not _is_exempt(local, settings)
        and not _is_exempt(remote, settings)
    )


def _is_exempt(node: IpsecNode, settings: IpsecSettings) -> bool:
    if node.name in settings.exempt_hosts:
        return True
    return any(network.contains(address) for address in node.addresses for network in settings.exempt_cidrs)


def _between(
    local: IpsecNode, remote: IpsecNode, settings: IpsecSettings, phase: Phase, ends: tuple[Prefix, Prefix]
) -> Iterator[PolicyEntry]:
    """Yield the policies between two nodes for one family, given their underlay addresses of it."""
    here, there = (end.bare for end in ends)
    strict = phase is Phase.STRICT and settings.closes_ingress
    inbound: Template = {"src": there, "dst": here, "reqid": settings.reqid, "level": "required" if strict else "use"}
    outbound: Template = {"src": here, "dst": there, "reqid": settings.reqid}
    for own, other in _selectors(local, remote, settings, ends):
        for direction in ("in", "fwd"):
            yield {"dir": direction, "src": other, "dst": own, "priority": settings.priority, "templates": [inbound]}
        if phase >= Phase.SEND:
            yield {"dir": "out", "src": own, "dst": other, "priority": settings.priority, "templates": [outbound]}
    if encrypts_hosts(local, remote, settings):
        for own_address, address in product(*_ends(local, remote, ends)):
            for port in settings.exempt_ports:
                yield from _exempt(settings, own_address, address, {"proto": "tcp", "sport": port})
                yield from _exempt(settings, own_address, address, {"proto": "tcp", "dport": port})


def _ends(local: IpsecNode, remote: IpsecNode, ends: tuple[Prefix, Prefix]) -> list[list[Prefix]]:
    """Return all addresses of two nodes in the family of their underlay addresses, these first."""
    family = family_of(ends[0])
    return [[end, *of_family(node.further, family)] for node, end in zip((local, remote), ends)]


def _selectors(
    local: IpsecNode, remote: IpsecNode, settings: IpsecSettings, ends: tuple[Prefix, Prefix]
) -> Iterator[tuple[str, str]]:
    """Yield the encrypted pairs of networks between two nodes, own side first.

    They always include a node and the pods of the other: packets of a node to pods, and masqueraded packets of pods, have the
    node's address.
    """
    family = family_of(ends[0])
    nodes, others = ([*map(str, addresses)] for addresses in _ends(local, remote, ends))
    own_pods, other_pods = ([*map(str, of_family(one.pod_cidrs, family))] for one in (local, remote))
    yield from product(own_pods, other_pods)
    yield from product(own_pods, others)
    yield from product(nodes, other_pods)
    if encrypts_hosts(local, remote, settings):
        yield from product(nodes, others)


def _exempt(settings: IpsecSettings, own: Prefix, other: Prefix, selector: PolicySelector) -> Iterator[PolicyEntry]:
    """Yield the policies that allow plaintext of a kind in both directions. Encrypted packets are accepted, too."""
    priority = settings.priority - BEFORE
    yield {
        "dir": "out",
        "src": str(own),
        "dst": str(other),
        **selector,
        "priority": priority,
        "templates": [_optional(settings)],
    }
    arriving: Template = {"dst": own.bare, "reqid": settings.reqid, "level": "use"}
    yield {"dir": "in", "src": str(other), "dst": str(own), **selector, "priority": priority, "templates": [arriving]}


def _optional(settings: IpsecSettings) -> Template:
    return {"mode": "transport", "reqid": settings.reqid, "level": "use"}


def _neighbour_discovery(address: Prefix, settings: IpsecSettings) -> Iterator[PolicyEntry]:
    for kind in NEIGHBOUR_DISCOVERY:
        yield from _exempt(settings, address, _ANY_IPV6, {"proto": "ipv6-icmp", "type": kind})


def _blocked(nodes: Nodes, local: IpsecNode, settings: IpsecSettings) -> Iterator[PolicyEntry]:
    """Yield the policies that allow known plaintext, and those that block cluster networks that no node has.

    They match packets of the node and its pods. Packets from outside that are forwarded to a pod, as through a NodePort, are
    matched before masquerading, and would be dropped too early.
    """
    allowed = sorted({*local.pod_cidrs, *_open_cidrs(nodes, local, settings)}, key=str)
    for source in (*local.pod_cidrs, *local.addresses):
        family = family_of(source)
        for cidr in of_family(allowed, family):
            yield _outbound(settings, source, cidr, BLOCK_PRIORITY - BEFORE)
        for cidr in of_family(settings.cluster_cidrs, family):
            yield {**_outbound(settings, source, cidr, BLOCK_PRIORITY), "action": "block"}


def _open_cidrs(nodes: Nodes, local: IpsecNode, settings: IpsecSettings) -> Iterator[Prefix]:
    yield from settings.exempt_cidrs
    for remote in nodes.values():
        plain = remote.enabled or remote.name in settings.exempt_hosts
        if plain and min(local.reached, remote.reached) < Phase.SEND:
            yield from remote.pod_cidrs


def _outbound(settings: IpsecSettings, source: Prefix, cidr: Prefix, priority: int) -> PolicyEntry:
    template = _optional(settings)
    return {"dir": "out", "src": str(source), "dst": str(cidr), "priority": priority, "templates": [template]}
