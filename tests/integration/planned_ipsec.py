# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPsec on a cluster of namespaces: documents of the planner, applied node by node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec import (
    document as node_ipsec_document,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import (
    IpsecNode,
    IpsecSettings,
    Phase,
    Slots,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._xfrm_keys import XfrmKeys
from node_cluster import CLUSTER_NETWORKS, Node, NodeCluster

MASTER = "correct horse battery staple"


def prefixes(*texts: str) -> tuple[Prefix, ...]:
    """Return addresses and networks as a plan holds them."""
    return tuple(map(parse_prefix, texts))


@dataclass
class PlannedIpsec:
    """Input of the planner for the first nodes of a cluster, and methods that apply the plan."""

    cluster: NodeCluster
    count: int = 3
    settings: IpsecSettings = field(default_factory=lambda: IpsecSettings(cluster_cidrs=prefixes(*CLUSTER_NETWORKS)))
    nodes: dict[str, IpsecNode] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.members:
            addresses, networks = prefixes(node.ipv4, node.ipv6), prefixes(*node.pod_networks)
            self.nodes[node.name] = IpsecNode(node.name, node.number, addresses, networks, phase=Phase.ABSENT)

    @property
    def members(self) -> list[Node]:
        """The nodes that take part."""
        return self.cluster.nodes[: self.count]

    def configure(self, **settings: Any) -> None:
        """Change settings."""
        self.settings = replace(self.settings, **settings)

    def set(self, name: str, **values: Any) -> None:
        """Change the planner's input for a node."""
        self.nodes[name] = replace(self.nodes[name], **values)

    def document(self, node: Node, slots: Slots | None = None) -> dict[str, Any]:
        """Return the arguments of overlay_apply for a node."""
        keys = XfrmKeys(MASTER, self.settings.aead, self.settings.key_bits)
        return node_ipsec_document.host_document(self.nodes, node.name, self.settings, keys, slots)

    def enter(self, phase: Phase, nodes: Iterable[Node] = ()) -> None:
        """Apply a phase to nodes, by default to all, one after the other."""
        for node in list(nodes) or self.members:
            self.set(node.name, phase=phase)
        for node in self.members:
            node.apply(**self.document(node))

    def roll_out(self) -> None:
        """Apply all phases to all nodes, in order."""
        for phase in (Phase.RECEIVE, Phase.SEND, Phase.STRICT):
            self.enter(phase)

    def establish(self) -> None:
        """Apply the last phase to all nodes at once; packets may be lost."""
        self.enter(Phase.STRICT)

    def all_unchanged(self) -> bool:
        """Return whether another run would change nothing on all nodes."""
        return not any(node.apply(check_mode=True, **self.document(node)).changed for node in self.members)
