# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes at two locations, with routers and one link between them, which is captured.

    n1  n2  - router a ==== link ==== router b -  n3  n4

Node N of a has 10.1.0.N and fd00:1::N, of b 10.2.0.N and fd00:2::N; the routers have 254 there.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from encrypted_nodes import EncryptedNodes
from node_cluster import Node, Place, ways
from phased_run import Run
from wire_capture import Capture

SITES = {"a": 1, "b": 2}


class LocatedNodes(EncryptedNodes):
    """Two locations, a and b, of two nodes each."""

    def __init__(self, **options: Any) -> None:
        super().__init__(nodes=4, **options)

    def phased(self, nodes: list[Node] | None = None, **options: Any) -> Run:
        """Run the steps of the role with locations. Variables are given without the role's prefix."""
        said = options.pop("per_host", {})
        per_host = {node.name: {"location": location_of(node.number), **said.get(node.name, {})} for node in self.nodes}
        return super().phased(nodes, **{"granularity": "location", "per_host": per_host, **options})

    @cached_property
    def routers(self) -> dict[str, Place]:
        """The routers by location, with their addresses on the link."""
        return {
            "a": Place(self._netns("net"), "192.0.2.1", "2001:db8::1"),
            "b": Place(self._netns("far"), "192.0.2.2", "2001:db8::2"),
        }

    def captured(self, file: Path) -> Capture:
        """Capture the link between the locations, as a context."""
        return Capture(self.routers["a"].netns, "wan", file, self.classifier, self._mark)

    def captured_inside(self, file: Path) -> Capture:
        """Capture the network of a, as a context."""
        return Capture(self.routers["a"].netns, "br0", file, self.classifier, super()._mark)

    def _node(self, number: int, pods: int) -> Node:
        site = SITES[location_of(number)]
        return replace(super()._node(number, pods), ipv4=f"10.{site}.0.{number}", ipv6=f"fd00:{site}::{number}")

    def _build(self) -> None:
        near, far = self.routers.values()
        subprocess.run(["ip", "netns", "add", far.netns], check=True)
        far.batch("link add br0 type bridge mcast_snooping 0", "link set br0 up")
        ports = [f"p-{node.name}" for node in self.nodes if location_of(node.number) == "b"]
        near.batch(
            f"link add wan type veth peer name wan netns {far.netns}",
            *(f"link set {port} netns {far.netns}" for port in ports),
        )
        far.batch(*(f"link set {port} master br0 up" for port in ports))
        for location, router in self.routers.items():
            self._build_router(location, router)
        for location, router in self.routers.items():
            self._route(location, router)
        super()._build()

    def _build_router(self, location: str, router: Place) -> None:
        router.batch(
            f"addr add {router.ipv4}/30 brd + dev wan",
            f"addr add {router.ipv6}/64 dev wan nodad",
            "link set wan up",
            *(
                f"addr add {own} dev br0"
                for own in (f"{_gateways(location)[0]}/24", f"{_gateways(location)[1]}/64 nodad")
            ),
        )

        def forward() -> None:
            for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                Path(f"/proc/sys/net/{name}").write_text("1\n")

        router.quick(forward)

    def _route(self, location: str, router: Place) -> None:
        (other,) = (place for place in self.routers.values() if place is not router)
        elsewhere = (other.ipv4, other.ipv6)
        found = list(zip(_networks("b" if location == "a" else "a"), elsewhere))
        for node in self.nodes:
            near = location_of(node.number) == location
            found += ways(node) if near else zip(node.pod_networks, elsewhere)
        router.batch(*(f"route add {network} via {gateway}" for network, gateway in found))

    def _routes(self, node: Node) -> Sequence[tuple[str, str]]:
        own = location_of(node.number)
        found = list(zip(_networks("b" if own == "a" else "a"), _gateways(own)))
        for other in self.nodes:
            if other is not node:
                near = location_of(other.number) == own
                found += ways(other) if near else zip(other.pod_networks, _gateways(own))
        return found

    def _mark(self, payload: bytes) -> None:
        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sender.bind(("", 9))
                sender.sendto(payload, ("192.0.2.3", 9))

        self.routers["a"].quick(send)


def location_of(number: int) -> str:
    """Return the location of a node: a for n1 and n2, b for n3 and n4."""
    return "a" if number < 3 else "b"


def _gateways(location: str) -> tuple[str, str]:
    return f"10.{SITES[location]}.0.254", f"fd00:{SITES[location]}::254"


def _networks(location: str) -> tuple[str, str]:
    return f"10.{SITES[location]}.0.0/24", f"fd00:{SITES[location]}::/64"
