# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nodes claim: addresses and pod networks. The other nodes route these to the node, so a false claim takes traffic.

A claim outside of `cluster_cidrs`, on what belongs to another node, or on an address of a node, is refused for the node that
claims it, and the others are planned. What the inventory says is no claim: an error there is a problem of the plan.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix
from ..._kubernetes.discovery import Discovery
from ..._kubernetes.pod_cidrs import INVENTORY, KUBERNETES
from ..._prefix_index import PrefixIndex
from ..._problems import Problem
from ..fleet.endpoints import address_of
from ..fleet.observation import CachedPeer, Observation, cached_peers
from .settings import NodeSettings

# Who says that a node has a network: the node itself, the API of the cluster, or the inventory.
REPORTED, LISTED, GIVEN = 0, 1, 2
_BY = {REPORTED: "it reports itself", LISTED: "the cluster's API has for it", GIVEN: "the inventory has for it"}


class Claim(NamedTuple):
    """An address or pod network of a node. rank: who says so."""

    prefix: Prefix
    node: str
    rank: int
    is_address: bool = False

    @property
    def text(self) -> str:
        """The claim for a message."""
        what = f"the address {self.prefix.bare}" if self.is_address else str(self.prefix)
        return f"{what} of {self.node!r}"


@dataclass
class Checked:
    """The discoveries without refused claims; by node, why it is refused; problems of the inventory, and warnings."""

    discoveries: dict[str, Discovery]
    refused: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def check_claims(
    discoveries: Mapping[str, Discovery],
    node_settings: Mapping[str, NodeSettings],
    ansible_hosts: Mapping[str, str],
    observations: Mapping[str, Observation],
    prefix: str,
    known: Mapping[str, str] | None = None,
) -> Checked:
    """Return what is refused of the claims of nodes.

    ansible_hosts: the addresses to which Ansible connects. observations: what other nodes have stored decides between equal
    claims. known: nodes that are refused already, with the reason.
    """
    found = Checked(dict(discoveries), dict(known or {}))
    claims = [claim for name in discoveries for claim in _claims(name, discoveries[name], node_settings, ansible_hosts)]
    _outside(claims, node_settings, found, prefix)
    _moving(claims, node_settings, found, prefix)
    remaining = [claim for claim in claims if claim.node not in found.refused]
    pairs = list(_overlaps(remaining))
    names = {claim.node for pair in pairs for claim in pair}
    stored = cached_peers(observations, names)
    undecided = []
    for one, other in pairs:
        if one.node == other.node:
            pods = other if one.is_address else one
            if pods.rank < GIVEN:  # else discovery reports it
                found.refused.setdefault(pods.node, f"{pods.prefix} of its pods contains its own address")
            continue
        both = (one.node, other.node)
        weights = [(claim.rank, is_stored(claim, stored[claim.node], both)) for claim in (one, other)]
        if weights[0] == weights[1]:
            undecided.append((one, other))
            continue
        weak, strong = (one, other) if weights[0] < weights[1] else (other, one)
        by = "which other nodes have stored" if weak.rank == strong.rank else f"which {_BY[strong.rank]}"
        found.refused.setdefault(weak.node, f"{weak.text}, which {_BY[weak.rank]}, overlaps {strong.text}, {by}")
    for one, other in undecided:
        # Rules on networks report it, except a pod network with the address of another node.
        if one.is_address != other.is_address and found.refused.keys().isdisjoint((one.node, other.node)):
            text = (
                f"{one.text} and {other.text} overlap; set pod_cidrs or node_ip of the right one, and disable the other"
            )
            found.problems.extend(Problem(claim.node, prefix + "pod_cidrs", text) for claim in (one, other))
    enabled = [name for name in discoveries if node_settings[name].enabled and discoveries[name].pod_cidrs]
    if enabled and all(name in found.refused for name in enabled):
        # Not the nodes are wrong, but the settings.
        found.problems.extend(Problem(name, prefix + "cluster_cidrs", found.refused[name]) for name in enabled)
        found.refused.clear()
    found.warnings += [
        Problem(name, prefix + "pod_cidrs", f"refused for this node alone, and others keep their state of it: {reason}")
        for name, reason in found.refused.items()
    ]
    found.warnings += _trusted(discoveries, node_settings, found.refused, prefix)
    for name in found.refused:
        found.discoveries[name] = replace(
            found.discoveries[name], addresses=(), pod_cidrs=(), pod_gateways={}, further=()
        )
    return found


def pod_rank(discovery: Discovery) -> int:
    """Return who says which pod networks a node has. Annotations of a node are written by the node itself."""
    if discovery.source == INVENTORY:
        return GIVEN
    return LISTED if discovery.source == KUBERNETES and not discovery.is_annotated else REPORTED


def _claims(
    name: str, discovery: Discovery, node_settings: Mapping[str, NodeSettings], ansible_hosts: Mapping[str, str]
) -> Iterator[Claim]:
    given = {address.host for address in node_settings[name].discovery.node_ip}
    given |= {address for address in [address_of(ansible_hosts.get(name, ""))] if address is not None}
    for own in discovery.addresses:
        yield Claim(own.address, name, GIVEN if own.address in given else REPORTED, True)
    if node_settings[name].enabled:
        for address in node_settings[name].further_ips:
            yield Claim(address.host, name, GIVEN, True)
        for cidr in discovery.pod_cidrs:
            yield Claim(cidr, name, pod_rank(discovery))


def _outside(claims: Iterable[Claim], node_settings: Mapping[str, NodeSettings], found: Checked, prefix: str) -> None:
    """Refuse the pod networks outside of `cluster_cidrs`: a node with these would receive the traffic of others."""
    for claim in claims:
        networks = node_settings[claim.node].cluster_cidrs
        if (
            claim.is_address
            or not networks
            or any(cidr == claim.prefix or cidr.contains(claim.prefix) for cidr in networks)
        ):
            continue
        text = f"{', '.join(map(str, networks))} does not contain {claim.prefix} of this node"
        if claim.rank == GIVEN:
            found.problems.append(Problem(claim.node, prefix + "cluster_cidrs", f"{text}; add a network that does"))
        else:
            reason = f"{text}, which {_BY[claim.rank]}; add a network that does if the node is right"
            found.refused.setdefault(claim.node, reason)


def _moving(claims: Iterable[Claim], node_settings: Mapping[str, NodeSettings], found: Checked, prefix: str) -> None:
    """Refuse what nodes report that has an address of `virtual_ips`. The inventory's own mistakes are problems elsewhere."""
    moving = {address.host for settings in node_settings.values() for address in settings.virtual_ips}
    index = PrefixIndex((address, address) for address in moving)
    for claim in claims:
        inside = claim.prefix if claim.prefix in moving else next(iter(index.inside(claim.prefix)), None)
        if inside is not None and claim.rank == REPORTED:
            reason = f"{claim.text}, which {_BY[REPORTED]}, has {inside.bare} of {prefix}virtual_ips, which moves"
            found.refused.setdefault(claim.node, reason)


def _overlaps(claims: list[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Yield the claims that overlap, except those of one node of the same kind. Linear, but for the overlaps."""
    by_prefix: dict[Prefix, list[Claim]] = {}
    for claim in claims:
        by_prefix.setdefault(claim.prefix, []).append(claim)
    index = PrefixIndex(by_prefix.items())
    for prefix, same in by_prefix.items():
        pairs = [(one, other) for place, one in enumerate(same) for other in same[place + 1 :]]
        around = index.around(prefix)
        while around is not None:
            pairs += [(one, other) for one in same for other in around[1]]
            around = index.around(around[0])
        yield from (pair for pair in pairs if (pair[0].node, pair[0].is_address) != (pair[1].node, pair[1].is_address))


def is_stored(claim: Claim, stored: Iterable[CachedPeer], involved: Collection[str]) -> bool:
    """Return whether nodes that are not involved have stored a claim: the address of the device, or an endpoint."""
    for peer in stored:
        if peer.reporter in involved:
            continue
        if claim.is_address:
            endpoint = address_of(peer.endpoint.host) if peer.endpoint else None
            if endpoint is not None and endpoint == claim.prefix:
                return True
        elif any(address.packed == claim.prefix.packed for address in peer.addresses):
            return True  # the device has the first address of the network
    return False


def _trusted(
    discoveries: Mapping[str, Discovery],
    node_settings: Mapping[str, NodeSettings],
    refused: Mapping[str, str],
    prefix: str,
) -> Iterator[Problem]:
    """Yield what is trusted without `cluster_cidrs`."""
    by_rank: dict[int, list[str]] = {}
    for name, discovery in discoveries.items():
        settings = node_settings[name]
        if settings.enabled and discovery.pod_cidrs and not settings.cluster_cidrs and name not in refused:
            by_rank.setdefault(pod_rank(discovery), []).append(name)
    who = {REPORTED: "these nodes themselves", LISTED: "the cluster's API"}
    for rank, names in by_rank.items():
        if rank in who:
            text = (
                f"not set, so {who[rank]} can claim any network that no other node has, and the traffic of all nodes to it is "
                "sent there; list the networks of all pods"
            )
            yield from (Problem(name, prefix + "cluster_cidrs", text) for name in names)
