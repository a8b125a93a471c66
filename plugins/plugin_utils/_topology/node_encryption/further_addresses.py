# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Further addresses of nodes: those that stay are encrypted like the first one, those that move are in the inventory.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix
from ..._kubernetes.discovery import Discovery
from ..._kubernetes.node_address import FurtherAddress
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, host_list
from .settings import NodeSettings


class FurtherAddresses(NamedTuple):
    """The further addresses of each node that others reach through it.

    problems: of the variables. warnings: about addresses that cannot be placed.
    """

    by_name: dict[str, tuple[Prefix, ...]]
    problems: list[Problem]
    warnings: list[Problem]


def place(
    discoveries: Mapping[str, Discovery], node_settings: Mapping[str, NodeSettings], prefix: str
) -> FurtherAddresses:
    """Return the further addresses of all nodes.

    An address that several nodes have, or that another program may move to another node, cannot be placed.
    """
    enabled = {name: found for name, found in discoveries.items() if node_settings[name].enabled}
    pods = PrefixIndex((cidr, True) for found in discoveries.values() for cidr in found.pod_cidrs)
    owners = Counter(address for name in discoveries for address in _claimed(discoveries[name], node_settings[name]))
    holders: dict[Prefix, list[str]] = {}
    by_name, warnings = {}, []
    for name, found in enabled.items():
        settings = node_settings[name]
        listed = {address.host for address in settings.further_ips}
        placed = dict.fromkeys(address for address in listed if owners[address] == 1)
        for one in _candidates(found, settings, pods):
            if owners[one.address] > 1:
                holders.setdefault(one.address, []).append(name)
            elif one.stays or one.address in listed:
                placed[one.address] = None
            else:
                text = (
                    f"{one.address.bare} on {one.interface} may move to another node, so it is not encrypted, and pods of other "
                    f"nodes may not reach it; add it to this variable if it stays, or to {prefix}virtual_ips of all nodes if it "
                    f"moves, or to {prefix}exclude_cidrs if no pod or node uses it"
                )
                warnings.append(Problem(name, prefix + "further_ips", text))
        by_name[name] = tuple(sorted(placed))
    for address, names in holders.items():
        text = (
            f"{address.bare} is an address of {host_list(names)}, so traffic to it is not encrypted, and pods of other nodes may "
            f"not reach it; add it to this variable on all nodes, or to {prefix}exclude_cidrs if no pod or node uses it"
        )
        warnings.extend(Problem(name, prefix + "virtual_ips", text) for name in names)
    return FurtherAddresses(by_name, list(_violations(enabled, node_settings, prefix)), warnings)


def _violations(
    enabled: Mapping[str, Discovery], node_settings: Mapping[str, NodeSettings], prefix: str
) -> Iterator[Problem]:
    """Yield addresses of the inventory that are not what their variable says."""
    first = {own.address: name for name, found in enabled.items() for own in found.addresses}
    for name, found in enabled.items():
        settings = node_settings[name]
        for address in settings.virtual_ips:
            owner = first.get(address.host)
            pods = next((cidr for cidr in settings.cluster_cidrs if cidr.contains(address.host)), None)
            if owner is not None:
                text = (
                    f"{address.bare} is the address of {owner!r} for other nodes, which does not move; remove it here"
                )
                yield Problem(name, prefix + "virtual_ips", text)
            elif pods is not None:
                text = (
                    f"{address.bare} is inside {pods} of {prefix}cluster_cidrs, the pods; list addresses of nodes only"
                )
                yield Problem(name, prefix + "virtual_ips", text)
        known = {*(own.address for own in found.addresses), *(one.address for one in found.further)}
        for address in settings.further_ips:
            if address in settings.virtual_ips:
                text = f"{address.bare} is in {prefix}virtual_ips as well; remove it from one of them"
                yield Problem(name, prefix + "further_ips", text)
            elif found.has_fact and address.host not in known:
                text = f"{address.bare} is on no interface of the host; add it there, or remove it here"
                yield Problem(name, prefix + "further_ips", text)


def _claimed(found: Discovery, settings: NodeSettings) -> Collection[Prefix]:
    """Return the addresses that a node has or that the inventory gives it."""
    return {
        *(one.address for one in found.addresses),
        *(one.address for one in found.further),
        *(address.host for address in settings.further_ips),
    }


def _candidates(found: Discovery, settings: NodeSettings, pods: PrefixIndex[bool]) -> Iterator[FurtherAddress]:
    """Yield the further addresses that are no pods and that the inventory does not leave unencrypted."""
    left_out = (*settings.exclude_cidrs, *settings.cluster_cidrs, *settings.extra_allowed_ips)
    moving = {address.host for address in settings.virtual_ips}
    for one in found.further:
        is_pod = pods.exact(one.address) or pods.around(one.address)
        if one.address not in moving and not is_pod and not any(cidr.contains(one.address) for cidr in left_out):
            yield one
