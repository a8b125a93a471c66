# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pings between nodes and their pods in all ways, which run while the encryption changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from encrypted_nodes import EncryptedNodes
from node_cluster import Node
from steady_ping import SteadyPing


@contextmanager
def pings_of(
    cluster: EncryptedNodes, pair: tuple[Node, Node] | None = None, interval: float = 0.1
) -> Iterator[dict[str, SteadyPing]]:
    """Ping between two nodes in all ways, by default n1 and n2, and between the second one and another node."""
    n1, n2 = pair or (cluster.nodes[0], cluster.nodes[1])
    n3 = next(node for node in cluster.nodes if node not in (n1, n2))
    ways = {
        "pod to pod": (n1.pod, n2.pod.ipv4),
        "pod to pod, IPv6": (n2.pod, n1.pod.ipv6),
        "pod to node": (n1.pod, n2.ipv4),
        "pod to node, back": (n2.pod, n1.ipv4),
        "node to pod": (n1, n2.pod.ipv4),
        "node to node": (n1, n2.ipv4),
        "node to node, IPv6": (n2, n1.ipv6),
        "of others": (n2.pod, n3.pod.ipv4),
    }
    with ExitStack() as stack:
        yield {way: stack.enter_context(cluster.steady_ping(*ends, interval=interval)) for way, ends in ways.items()}


def lost(pings: dict[str, SteadyPing]) -> dict[str, list[int]]:
    """Return the lost packets by way, after all pings are answered again."""
    for ping in pings.values():
        ping.answers_again(3)
    return {way: found for way, ping in pings.items() if (found := ping.lost())}
