# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan says of the IPsec between nodes. No key is in it; they are derived for one host at a time.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    IpsecNode,
    IpsecSettings,
    Phase,
    Slots,
)


@dataclass(frozen=True)
class PacketFilter:
    """What a node's packet filter is made of. closed: of "in" and "out" those that are closed to plain text now.

    persistent: whether it comes back at boot.
    """

    pod_interfaces: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    persistent: bool = False


SETTLED, JOINING, LEAVING, OUT_OF_IT = "settled", "joining", "leaving", "out"
"""What becomes of a node: it encrypts already, it shall, it shall no more, or it does not and shall not."""

RESUMING, KEPT_RECEIVING, KEPT_SENDING = "resuming", "kept receiving", "kept sending"
"""Where a run was cut short: it shall encrypt and sends encrypted already, or it cannot be asked and stays how far it is."""


@dataclass(frozen=True)
class IpsecPlan:
    """nodes and their parts by name; held: the slots of states that nodes hold, while keys are changed.

    underlays: interface and MTU of a node's underlay. filters: of those nodes that were heard from. pairs: by node, what
    becomes of others between the two of them, where that is not their part. gateways: a node's own addresses among its
    pods.
    """

    nodes: Mapping[str, IpsecNode]
    parts: Mapping[str, str]
    settings: IpsecSettings
    held: Mapping[str, Slots]
    underlays: Mapping[str, tuple[str, int]]
    filters: Mapping[str, PacketFilter]
    pairs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gateways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def part_for(self, name: str, other: str) -> str:
        """Return what becomes of another node, as far as one has to do with it."""
        return self.pairs.get(name, {}).get(other, self.parts[other])

    def settings_of(self, name: str) -> IpsecSettings:
        """Return the settings with what is a node's own."""
        interface, mtu = self.underlays.get(name, (self.settings.interface, self.settings.mtu))
        return replace(self.settings, interface=interface, mtu=mtu)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        settings = {one.name: getattr(self.settings, one.name) for one in fields(self.settings)}
        return {
            "nodes": {
                name: {
                    "index": node.index,
                    "addresses": list(node.addresses),
                    "pod_cidrs": list(node.pod_cidrs),
                    "epoch": node.epoch,
                }
                for name, node in self.nodes.items()
            },
            "parts": dict(self.parts),
            "settings": {
                name: sorted(value)
                if isinstance(value, frozenset)
                else list(value)
                if isinstance(value, tuple)
                else value
                for name, value in settings.items()
            },
            "underlays": {name: list(underlay) for name, underlay in self.underlays.items()},
            "filters": {
                name: [list(one.pod_interfaces), list(one.closed), one.persistent] for name, one in self.filters.items()
            },
            "pairs": {name: dict(others) for name, others in self.pairs.items()},
            "gateways": {name: list(addresses) for name, addresses in self.gateways.items()},
            "held": {name: [list(slots.receive), list(slots.send)] for name, slots in self.held.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> IpsecPlan:
        """Return the plan that `to_dict` described."""
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data["settings"].items()
        }
        settings["exempt_hosts"] = frozenset(settings["exempt_hosts"])
        return cls(
            {
                name: IpsecNode(
                    name,
                    node["index"],
                    tuple(node["addresses"]),
                    tuple(node["pod_cidrs"]),
                    node["epoch"],
                    True,
                    Phase.STRICT,
                )
                for name, node in data["nodes"].items()
            },
            dict(data["parts"]),
            IpsecSettings(**settings),
            {name: Slots(tuple(receive), tuple(send)) for name, (receive, send) in data["held"].items()},
            {name: (interface, mtu) for name, (interface, mtu) in data["underlays"].items()},
            {
                name: PacketFilter(tuple(interfaces), tuple(closed), persistent)
                for name, (interfaces, closed, persistent) in data["filters"].items()
            },
            {name: dict(others) for name, others in data["pairs"].items()},
            {name: tuple(addresses) for name, addresses in data["gateways"].items()},
        )
