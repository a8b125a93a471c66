# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on the IPsec of a cluster.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from .....module_utils._ip.prefix import Prefix
from ...._prefix_index import PrefixIndex
from ...._problems import Problem, host_list
from ...._xfrm_keys import key_bytes
from ...plan_model.ipsec import (
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
from .policies import BEFORE, BLOCK_PRIORITY

_NUMBERS: Mapping[str, tuple[int, int]] = {
    "reqid": (1, 16383),
    "replay_window": (1, 4096),
    "epochs_ahead": (2, 200),
    "priority": (BEFORE + 1, BLOCK_PRIORITY - 2 * BEFORE),
    "slot": (0, 2**31),
}
_CHOICES = {"profile": (SELECTORS, CILIUM), "strict": (OFF, EGRESS, INGRESS, BOTH)}


def violations(
    nodes: Nodes,
    settings: IpsecSettings,
    prefix: str,
    *,
    names: Collection[str] = (),
    behind: Mapping[str, Collection[Prefix]] | None = None,
) -> Iterator[Problem]:
    """Yield the problems of the settings and of the nodes. prefix: of the role's variables.

    names: the hosts that have the settings, by default all nodes. behind: by name, the networks of a node that are not those
    of its pods.
    """
    for variable, text in _settings(settings):
        yield from (Problem(name, prefix + variable, text) for name in names or nodes)
    for problem in _nodes(nodes, settings, behind or {}, prefix):
        yield problem._replace(variable=prefix + problem.variable)


def _settings(settings: IpsecSettings) -> Iterator[tuple[str, str]]:
    """Yield the variables of the settings, without the prefix, each with its problem."""
    for name, (least, most) in _NUMBERS.items():
        value = getattr(settings, name)
        if not least <= value <= most:
            yield (f"ipsec_{name}", f"{value} is not a number from {least} to {most}")
    for name, known in _CHOICES.items():
        value = getattr(settings, name)
        if value not in known:
            variable = name if name == "strict" else f"ipsec_{name}"
            yield (variable, f"{value!r} is not one of {', '.join(known)}")
    try:
        key_bytes(settings.aead, settings.key_bits)
    except ValueError as exc:
        yield ("ipsec_aead", str(exc))
    if settings.icv not in (64, 96, 128) or (settings.icv != 128 and "gcm" not in settings.aead):
        yield ("ipsec_icv", f"{settings.aead} has no tag of {settings.icv} bits; use 128")
    for port in settings.exempt_ports:
        if not 1 <= port <= 65535:
            yield ("exempt_ports", f"{port} is not a port from 1 to 65535")
    if settings.closes_egress and not settings.cluster_cidrs:
        yield ("cluster_cidrs", "strict encryption needs all pod networks, also those of future nodes; list them here")


def _nodes(
    nodes: Nodes, settings: IpsecSettings, behind: Mapping[str, Collection[Prefix]], prefix: str
) -> Iterator[Problem]:
    """Yield the problems of single nodes and of nodes together."""
    owners: dict[Any, str] = {}
    places: list[tuple[Prefix, _Place]] = []
    for node in nodes.values():
        if node.index not in INDEXES:
            yield _of("ipsec_index", f"{node.index} is not a number from 1 to {INDEXES[-1]}", node.name)
        yield from _twice(owners, ("index", node.index), node, "ipsec_index", f"the index {node.index}")
        for address in node.addresses:
            yield from _twice(owners, ("address", address), node, "node_ip", f"the address {address.bare}")
            places.append((address, _Place(node.name, address.bare, "node_ip")))
        for family in (4, 6):
            if len(of_family(node.addresses, family)) > 1:
                yield _of("node_ip", f"there are several addresses of IPv{family}; set one of them", node.name)
        for cidr in node.pod_cidrs:
            variable = "extra_allowed_ips" if cidr in behind.get(node.name, ()) else "pod_cidrs"
            places.append((cidr, _Place(node.name, str(cidr), variable)))
            if node.enabled and not of_family(node.addresses, family_of(cidr)):
                text = f"the node needs an address of the family of {cidr}; set one of IPv{family_of(cidr)}"
                yield _of("node_ip", text, node.name)
        yield from _left_out(node, settings, prefix)
    yield from _overlaps(places)


def _left_out(node: IpsecNode, settings: IpsecSettings, prefix: str) -> Iterator[Problem]:
    if settings.closes_egress and not node.enabled and node.name not in settings.exempt_hosts:
        text = (
            "the node does not encrypt, and the others drop plaintext; "
            f"add it to {prefix}exempt_hosts of the others, or unset {prefix}strict"
        )
        yield _of("enabled", text, node.name)


class _Place(NamedTuple):
    """The host that has a network or address, its text, and the variable that sets it."""

    host: str
    text: str
    variable: str


def _overlaps(places: list[tuple[Prefix, _Place]]) -> Iterator[Problem]:
    """Yield pod networks and node addresses that overlap, so that a packet could belong to two nodes."""
    index = PrefixIndex(places)
    seen: dict[Prefix, _Place] = {}
    for prefix, place in places:
        before = seen.setdefault(prefix, place)
        if before.host != place.host:
            # Of an address and a network, the network is wrong.
            wrong, right = (before, place) if place.variable == "node_ip" else (place, before)
            text = f"{wrong.text} belongs to host {host_list([right.host])}, too; it can belong to one node only"
            yield _of(wrong.variable, text, wrong.host)
        around = index.around(prefix)
        if around is not None:
            other = around[1]
            text = f"{place.text} lies within {other.text} of host {host_list([other.host])}; use separate networks"
            yield _of(place.variable, text, place.host)


def _twice(owners: dict[Any, str], key: Any, node: IpsecNode, variable: str, what: str) -> Iterator[Problem]:
    owner = owners.setdefault(key, node.name)
    if owner != node.name:
        yield _of(variable, f"{what} is that of host {host_list([owner])} too", node.name)


def _of(variable: str, text: str, host: str) -> Problem:
    return Problem(host, variable, text)
