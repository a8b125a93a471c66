# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Further addresses of nodes: those that stay are encrypted like the first one, those that move are in the inventory.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix
from ..._kubernetes.discovery import Discovery
from ..._kubernetes.node_address import FurtherAddress
from ..._kubernetes.nodes import Node
from ..._prefix_index import PrefixIndex
from ..._problems import Problem, host_list
from ..fleet.endpoints import address_of
from .settings import NodeSettings

# Of the further addresses that a host reports: each is an allowed IP of a peer on all other nodes.
_MOST_FOUND = 100


class FurtherAddresses(NamedTuple):
    """The further addresses of each node that others reach through it.

    problems: of the variables. warnings: about addresses that cannot be placed.
    """

    by_name: dict[str, tuple[Prefix, ...]]
    problems: list[Problem]
    warnings: list[Problem]


def place(
    discoveries: Mapping[str, Discovery],
    node_settings: Mapping[str, NodeSettings],
    prefix: str,
    ansible_hosts: Mapping[str, str],
    unlisted: Iterable[Node] = (),
) -> FurtherAddresses:
    """Return the further addresses of all nodes.

    An address that several nodes have, or that another program may move to another node, cannot be placed. What a node reports
    and belongs to another node is ignored for the node that reports it. ansible_hosts: the addresses to which Ansible connects.
    unlisted: nodes of the cluster that are no hosts.
    """
    enabled = {name: found for name, found in discoveries.items() if node_settings[name].enabled}
    others = _Owned(discoveries, node_settings, ansible_hosts, unlisted)
    candidates = {name: list(_candidates(found, node_settings[name])) for name, found in enabled.items()}
    foreign = {
        name: {one.address: why for one in found if (why := others.owner(name, one.address))}
        for name, found in candidates.items()
    }
    owners = Counter(
        address for name, found in discoveries.items() for address in _claimed(found, foreign.get(name, {}))
    )
    holders: dict[Prefix, list[str]] = {}
    by_name, warnings = {}, []
    for name in enabled:
        pods = node_settings[name].cluster_cidrs
        listed = {address.host for address in node_settings[name].further_ips}
        placed = dict.fromkeys(address for address in listed if not others.owner(name, address))
        found = [one for one in candidates[name] if one.address not in placed]
        for one in found[:_MOST_FOUND]:
            if one.address in foreign[name]:
                text = (
                    f"{one.address.bare} on {one.interface} is {foreign[name][one.address]}, so it is not used as an address of "
                    "this host; remove it from the host"
                )
                warnings.append(Problem(name, prefix + "further_ips", text))
            elif others.around(one.address) or any(cidr.contains(one.address) for cidr in pods):
                continue
            elif owners[one.address] > 1:
                holders.setdefault(one.address, []).append(name)
            elif one.stays:
                placed[one.address] = None
            else:
                text = (
                    f"{one.address.bare} on {one.interface} may move to another node, so it is not encrypted, and pods of other "
                    f"nodes may not reach it; add it to this variable if it stays, or to {prefix}virtual_ips of all nodes if it "
                    f"moves, or to {prefix}exclude_cidrs if no pod or node uses it"
                )
                warnings.append(Problem(name, prefix + "further_ips", text))
        if len(found) > _MOST_FOUND:
            text = (
                f"the host has {len(found)} further addresses, and the first {_MOST_FOUND} are used; list others here"
            )
            warnings.append(Problem(name, prefix + "further_ips", text))
        by_name[name] = tuple(sorted(placed))
    for address, names in holders.items():
        text = (
            f"{address.bare} is an address of {host_list(names)}, so traffic to it is not encrypted, and pods of other nodes may "
            f"not reach it; add it to this variable on all nodes, or to {prefix}exclude_cidrs if no pod or node uses it"
        )
        warnings.extend(Problem(name, prefix + "virtual_ips", text) for name in names)
    return FurtherAddresses(by_name, list(_violations(enabled, node_settings, others, prefix)), warnings)


class _Behind(NamedTuple):
    """A network behind a node, and what is in it."""

    prefix: Prefix
    node: str
    what: str

    @property
    def text(self) -> str:
        """The network for a message."""
        return f"{self.prefix}, {self.what} of {host_list([self.node])}"


class _Owned:
    """Addresses and networks that belong to certain nodes, whatever other nodes report as their further addresses."""

    def __init__(
        self,
        discoveries: Mapping[str, Discovery],
        node_settings: Mapping[str, NodeSettings],
        ansible_hosts: Mapping[str, str],
        unlisted: Iterable[Node],
    ) -> None:
        self._discoveries, self._node_settings = discoveries, node_settings
        self._ansible_hosts, self._unlisted = ansible_hosts, unlisted

    @cached_property
    def _addresses(self) -> dict[Prefix, list[str]]:
        """The hosts that have each address. Most plans need none of it."""
        owners: dict[Prefix, list[str]] = {}
        for name, found in self._discoveries.items():
            connection = address_of(self._ansible_hosts.get(name, ""))
            mine = [own.address for own in found.addresses]
            if connection is not None:
                mine.append(connection)
            if self._node_settings[name].enabled:
                mine += [address.host for address in self._node_settings[name].further_ips]
            for address in dict.fromkeys(mine):
                owners.setdefault(address, []).append(name)
        return owners

    @cached_property
    def _of_unlisted(self) -> dict[Prefix, str]:
        """The nodes of the cluster that are no hosts, by address."""
        texts = ((text, node.name) for node in self._unlisted for listed in node.addresses.values() for text in listed)
        return {address: name for text, name in texts if (address := address_of(text)) is not None}

    @cached_property
    def _networks(self) -> PrefixIndex[_Behind]:
        pods = [
            _Behind(cidr, name, "pods") for name, found in sorted(self._discoveries.items()) for cidr in found.pod_cidrs
        ]
        networks = [
            _Behind(cidr, name, "networks")
            for name in sorted(self._discoveries)
            if self._node_settings[name].enabled
            for cidr in self._node_settings[name].extra_allowed_ips
        ]
        return PrefixIndex((one.prefix, one) for one in (*pods, *networks))

    def owner(self, name: str, address: Prefix) -> str:
        """Return why an address is that of another node than `name`, "" if it is not known to be."""
        owners = self._addresses.get(address, [])
        if owners and name not in owners:
            return f"an address of {host_list(owners)}"
        if not owners and address in self._of_unlisted:
            return f"an address of {host_list([self._of_unlisted[address]])} of the cluster"
        around = self.around(address)
        return f"inside {around.text}" if around is not None and name not in (around.node, *owners) else ""

    def others(self, name: str, address: Prefix) -> list[str]:
        """Return the other hosts that have an address as certainly as `name`."""
        return sorted(other for other in self._addresses.get(address, []) if other != name)

    def around(self, address: Prefix) -> _Behind | None:
        """Return the network behind a node that contains an address."""
        same, around = self._networks.exact(address), self._networks.around(address)
        return same or (around[1] if around else None)


def _violations(
    enabled: Mapping[str, Discovery], node_settings: Mapping[str, NodeSettings], others: _Owned, prefix: str
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
            elif shared := others.others(name, address.host):
                text = (
                    f"{address.bare} is an address of {host_list(shared)} as well; remove it from the wrong one, or, if it "
                    f"moves, add it to {prefix}virtual_ips of all nodes instead"
                )
                yield Problem(name, prefix + "further_ips", text)
            elif (around := others.around(address.host)) is not None and around.node != name:
                text = f"{address.bare} is inside {around.text}; remove it here"
                yield Problem(name, prefix + "further_ips", text)


def _claimed(found: Discovery, foreign: Collection[Prefix]) -> set[Prefix]:
    """Return the addresses that a node has. foreign: those that belong to other nodes."""
    reported = (*(one.address for one in found.addresses), *(one.address for one in found.further))
    return set(reported).difference(foreign)


def _candidates(found: Discovery, settings: NodeSettings) -> Iterator[FurtherAddress]:
    """Yield the further addresses that a node reports and that the inventory does not leave unencrypted."""
    left_out = (*settings.exclude_cidrs, *settings.extra_allowed_ips)
    moving = {address.host for address in settings.virtual_ips}
    for one in found.further:
        if one.address not in moving and not any(cidr.contains(one.address) for cidr in left_out):
            yield one
