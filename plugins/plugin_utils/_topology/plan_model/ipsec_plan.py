# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of IPsec between nodes. It contains no keys; they are derived for one host at a time.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from ....module_utils._ip.prefix import Prefix
from .ipsec import IpsecNode, IpsecSettings, Slots


@dataclass(frozen=True)
class PacketFilter:
    """The input of a node's packet filter. closed: the directions, of "in" and "out", in which it drops plaintext now.

    persistent: whether it is restored at boot. behind: the networks of the node other than those of its pods. virtual_ips:
    addresses that move between nodes.
    """

    pod_interfaces: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    persistent: bool = False
    behind: tuple[Prefix, ...] = ()
    virtual_ips: tuple[Prefix, ...] = ()


class NodeRole(str, Enum):
    """What a run does with a node. The last three follow an interrupted run."""

    SETTLED = "settled"
    """It encrypts and goes on encrypting."""
    JOINING = "joining"
    """It starts to encrypt."""
    LEAVING = "leaving"
    """It stops encrypting."""
    ABSENT = "absent"
    """It does not encrypt, and does not start to."""
    RESUMING = "resuming"
    """It sends encrypted packets, and has the last phase before it."""
    KEPT_RECEIVING = "kept receiving"
    """It is unreachable, and receives encrypted packets."""
    KEPT_SENDING = "kept sending"
    """It is unreachable, and sends encrypted packets."""


@dataclass(frozen=True)
class IpsecPlan:
    """Nodes and their roles by name. held: the SA slots that nodes hold states of, during a key rotation.

    underlays: interface and MTU of a node's underlay. filters: of the nodes that reported facts. pair_roles: by node, the
    roles of others towards it where they differ from `roles`. gateways: a node's own addresses among those of its pods,
    as a /32 or /128. outside: the nodes with states that the run does not change.
    """

    nodes: Mapping[str, IpsecNode]
    roles: Mapping[str, NodeRole]
    settings: IpsecSettings
    held: Mapping[str, Slots]
    underlays: Mapping[str, tuple[str, int]]
    filters: Mapping[str, PacketFilter]
    pair_roles: Mapping[str, Mapping[str, NodeRole]] = field(default_factory=dict)
    gateways: Mapping[str, tuple[Prefix, ...]] = field(default_factory=dict)
    outside: frozenset[str] = frozenset()

    def role_for(self, name: str, other: str) -> NodeRole:
        """Return the role that another node has towards a node."""
        return self.pair_roles.get(name, {}).get(other, self.roles[other])

    def settings_of(self, name: str) -> IpsecSettings:
        """Return the settings with a node's own underlay."""
        interface, mtu = self.underlays.get(name, (self.settings.interface, self.settings.mtu))
        return replace(self.settings, interface=interface, mtu=mtu)
