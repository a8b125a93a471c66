# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands against the IPsec of a cluster, all at once and before anything is planned.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.prefix_index import PrefixIndex
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    BOTH,
    CILIUM,
    EGRESS,
    INDEXES,
    INGRESS,
    OFF,
    SELECTORS,
    IpsecNode,
    IpsecSettings,
    Nodes,
    family_of,
    of_family,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_policies import (
    BEFORE,
    BLOCK_PRIORITY,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.xfrm_keys import key_bytes

_ALL = "all"
_PREFIX = "node_encryption_"
_NUMBERS: Mapping[str, tuple[int, int]] = {
    "reqid": (1, 16383),
    "replay_window": (1, 4096),
    "epochs_ahead": (2, 200),
    "priority": (BEFORE + 1, BLOCK_PRIORITY - 2 * BEFORE),
    "slot": (0, 2**31),
}
_CHOICES = {"profile": (SELECTORS, CILIUM), "strict": (OFF, EGRESS, INGRESS, BOTH)}


def settings_problems(settings: IpsecSettings) -> Iterator[Problem]:
    """Yield what is wrong with the settings."""
    for name, (least, most) in _NUMBERS.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            yield _of(f"ipsec_{name}", f"{value} is not a number from {least} to {most}")
    for name, known in _CHOICES.items():
        value = getattr(settings, name)
        if value not in known:
            variable = name if name == "strict" else f"ipsec_{name}"
            yield _of(variable, f"{value!r} is none of {', '.join(known)}")
    try:
        key_bytes(settings.aead, settings.key_bits)
    except ValueError as exc:
        yield _of("ipsec_aead", str(exc))
    if settings.icv not in (64, 96, 128) or (settings.icv != 128 and "gcm" not in settings.aead):
        yield _of("ipsec_icv", f"{settings.aead} has no tag of {settings.icv} bits; write 128")
    for name in ("cluster_cidrs", "exempt_cidrs"):
        for cidr in getattr(settings, name):
            yield from _parsed(cidr, _ALL, name)
    for port in settings.exempt_ports:
        if not 1 <= port <= 65535:
            yield _of("exempt_ports", f"{port} is not a port from 1 to 65535")
    if settings.closes_egress and not settings.cluster_cidrs:
        yield _of("cluster_cidrs", "is empty, so nothing can be closed; write the networks that pods have addresses of")


def node_problems(nodes: Nodes, settings: IpsecSettings) -> Iterator[Problem]:
    """Yield what is wrong with nodes, alone and together."""
    owners: dict[Any, str] = {}
    places: list[tuple[Prefix, tuple[str, str]]] = []
    for node in nodes.values():
        if node.index not in INDEXES:
            yield _of("ipsec_index", f"{node.index} is not a number from 1 to {INDEXES[-1]}", node.name)
        yield from _twice(owners, ("index", node.index), node, "ipsec_index", f"the index {node.index}")
        for address in node.addresses:
            problems = list(_parsed(address, node.name, "node_ip"))
            yield from problems
            yield from _twice(owners, ("address", address), node, "node_ip", f"the address {address}")
            places += [(parse_prefix(address), (node.name, address))] * (not problems)
        for family in (4, 6):
            if len(of_family(node.addresses, family)) > 1:
                yield _of("node_ip", f"there are several addresses of IPv{family}; write one of them", node.name)
        for cidr in node.pod_cidrs:
            problems = list(_parsed(cidr, node.name, "pod_cidrs"))
            yield from problems
            if not problems:
                places.append((parse_prefix(cidr), (node.name, cidr)))
                if node.enabled and not of_family(node.addresses, family_of(cidr)):
                    text = (
                        f"{cidr} has no address of its family to be carried between; write one of IPv{family_of(cidr)}"
                    )
                    yield _of("node_ip", text, node.name)
        yield from _left_out(node, settings)
    yield from _overlaps(places)


def _left_out(node: IpsecNode, settings: IpsecSettings) -> Iterator[Problem]:
    if settings.closes_egress and not node.enabled and node.name not in settings.exempt_hosts:
        text = "is not enabled, so strict encryption cuts it off; name it in the exempt hosts, or enable it"
        yield _of("enabled", text, node.name)


def _overlaps(places: list[tuple[Prefix, tuple[str, str]]]) -> Iterator[Problem]:
    """Yield networks of pods and addresses of nodes that lie within each other: packets could belong to either."""
    index = PrefixIndex(places)
    seen: dict[Prefix, tuple[str, str]] = {}
    for prefix, (name, text) in places:
        before = seen.setdefault(prefix, (name, text))
        if before != (name, text) and before[0] != name:
            yield _of("pod_cidrs", f"{text} belongs to host {host_list([before[0]])} too", name)
        around = index.around(prefix)
        if around is not None:
            other, cidr = around[1]
            yield _of("pod_cidrs", f"{text} lies within {cidr} of host {host_list([other])}", name)


def _twice(owners: dict[Any, str], key: Any, node: IpsecNode, variable: str, what: str) -> Iterator[Problem]:
    owner = owners.setdefault(key, node.name)
    if owner != node.name:
        yield _of(variable, f"{what} is that of host {host_list([owner])} too", node.name)


def _parsed(text: str, host: str, variable: str) -> Iterator[Problem]:
    try:
        parse_prefix(text)
    except ValueError as exc:
        yield _of(variable, str(exc), host)


def _of(variable: str, text: str, host: str = _ALL) -> Problem:
    return Problem(host, _PREFIX + variable, text)
