# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module traffic_info on a node of a cluster, with traffic to count."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from managed_host import wait_until
from node_cluster import Node, NodeCluster


def described(nodes: list[Node]) -> list[dict[str, Any]]:
    return [
        {"name": node.name, "addresses": [node.ipv4, node.ipv6], "pod_networks": list(node.pod_networks)}
        for node in nodes
    ]


def capture_while(cluster: NodeCluster, node: Node, traffic: Callable[[], object], most: int = 500) -> dict[str, Any]:
    """Run the module on a node, make traffic once the capture has started, then fill it up to its packet limit."""

    def receiving() -> int:
        lines = node.quick(Path("/proc/thread-self/net/packet").read_text).splitlines()[1:]
        # A socket is listed before it is bound to a protocol (Proto) and receives packets (R).
        return len([line for line in lines if (words := line.split())[3] == "0003" and words[5] == "1"])

    before = receiving()
    options = {"nodes": described(cluster.nodes), "seconds": 120, "packets": most}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(node.host.module, "traffic_info", **options)
        wait_until(lambda: receiving() > before or running.done(), "the capture starts")
        traffic()
        assert not running.done(), "the capture ended before the traffic"
        while not running.done():
            cluster._mark(b"filler")
        done = running.result()
    assert done.rc == 0 and done.changed is False, done.output
    return done.data
