# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spoke with a WireGuard device for each of two hubs, and a target behind both.

The spoke is 10.42.0.2 and fd42::2 in the overlay, the hubs are 10.42.0.101 and .102, the target is 10.50.0.9 and
fd50::9. Hubs masquerade packets to the target, so that replies return through the same hub.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import uapi_socket
from managed_host import key, wait_until
from nat import PUBLIC, Internet, Node

TARGETS = ("10.50.0.9", "fd50::9")
NETWORKS = ("10.42.0.0/24", "10.50.0.0/24", "fd42::/64", "fd50::/64")
PORT = 51820

MASQUERADE = """
table inet outgoing { chain postrouting { type nat hook postrouting priority srcnat; oifname "lan" masquerade; }; }
"""


@dataclass(frozen=True)
class TwoHubs:
    """The nodes, and the spoke's devices in the order of the hubs."""

    spoke: Node
    hubs: tuple[Node, ...]
    target: Node
    devices: tuple[str, ...]

    def configuration(self, **options: Any) -> dict[str, Any]:
        """Return the configuration of the failover program, with quick probes."""
        hubs = [
            {"name": f"hub{n}", "dev": device, "address": f"10.42.0.{100 + n}"}
            for n, device in enumerate(self.devices, 1)
        ]
        return {"hubs": hubs, "interval": 0.5, "timeout": 0.5, **options}

    def cut(self, hub: int) -> None:
        """Cut the link of a hub (1, 2) to the internet."""
        self.hubs[hub - 1].ip("link set wan down")

    def restore(self, hub: int) -> None:
        """Restore the link of a hub."""
        self.hubs[hub - 1].ip("link set wan up")

    def routes(self, protocol: int) -> list[dict[str, Any]]:
        """Return the spoke's routes of a protocol, of both families and all tables, as `ip` prints them."""
        found = []
        for family in ("-4", "-6"):
            argv = ["ip", "-j", family, "route", "show", "table", "all", "proto", str(protocol)]
            found += json.loads(self.spoke.run(*argv))
        return sorted(found, key=str)

    def copied(self, hub: int) -> set[str]:
        """Return the destinations of the copies that lead to a hub (1, 2)."""
        return {route["dst"] for route in self.routes(88) if route["dev"] == self.devices[hub - 1]}

    def way(self, address: str) -> int:
        """Return the hub (1, 2) through which the spoke routes packets to an address."""
        (route,) = json.loads(self.spoke.run("ip", "-j", "route", "get", address))
        return self.devices.index(route["dev"]) + 1


@contextmanager
def two_hubs() -> Iterator[TwoHubs]:
    """Build the network, with all sessions up; leaving the context removes it."""
    with Internet() as internet, ExitStack() as stack:
        serial = internet.prefix.removeprefix("wwn").replace("-", "n")
        spoke, target = internet.public("spoke", f"{PUBLIC}.1"), internet.node("target")
        for address in TARGETS:
            target.ip(f"addr add {address} dev lo")
        hubs = []
        for number in (1, 2):
            hub = internet.public(f"hub{number}", f"{PUBLIC}.{10 + number}")
            _lead_to_target(hub, target, number)
            _tunnel(stack, spoke, hub, number, serial)
            hubs.append(hub)
        net = TwoHubs(spoke, tuple(hubs), target, tuple(f"s{serial}n{number}" for number in (1, 2)))
        for number, device in enumerate(net.devices, 1):
            wait_until(lambda n=number, dev=device: _answers(spoke, dev, n), f"hub {number} answers")  # type: ignore[misc]
        yield net


def _lead_to_target(hub: Node, target: Node, number: int) -> None:
    hub.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    hub.ip(f"link add lan type veth peer name hub{number} netns {target.name}")
    for node, link, last in ((hub, "lan", 1), (target, f"hub{number}", 2)):
        node.ip(f"link set {link} up")
        node.ip(f"addr add 10.51.{number}.{last}/24 dev {link}")
        node.ip(f"addr add fd51:{number}::{last}/64 dev {link}")
    hub.ip(f"route add 10.50.0.0/24 via 10.51.{number}.2")
    hub.ip(f"-6 route add fd50::/64 via fd51:{number}::2")
    hub.nft(MASQUERADE)


def _tunnel(stack: ExitStack, spoke: Node, hub: Node, number: int, serial: str) -> None:
    """Connect spoke and hub, with routes to all networks on the spoke, whose metric depends on the hub's number."""
    inside, outside = f"s{serial}n{number}", f"h{serial}n{number}"
    for node, name in ((spoke, inside), (hub, outside)):
        _serve(stack, node, name)
    endpoint = ["endpoint", f"{PUBLIC}.{10 + number}:{PORT}"]
    spoke.run("wg", "set", inside, "peer", _public_key(outside), *endpoint, "allowed-ips", ",".join(NETWORKS))
    hub.run("wg", "set", outside, "listen-port", str(PORT))
    hub.run("wg", "set", outside, "peer", _public_key(inside), "allowed-ips", "10.42.0.2/32,fd42::2/128")
    for node, name, last in ((spoke, inside, "2"), (hub, outside, f"{100 + number}")):
        node.ip(f"addr add 10.42.0.{last}/32 dev {name}")
        node.ip(f"addr add fd42::{last}/128 dev {name}")
        node.ip(f"link set {name} up")
    hub.ip(f"route add 10.42.0.2/32 dev {outside}")
    hub.ip(f"-6 route add fd42::2/128 dev {outside}")
    for network in NETWORKS:
        spoke.ip(f"route add {network} dev {inside} proto 87 metric {100 * number}")


def _serve(stack: ExitStack, node: Node, name: str) -> None:
    # Sockets are in one directory of the machine, so names must differ.
    process = stack.enter_context(
        node.start("wireguard-go", "-f", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    )
    stack.callback(process.terminate)
    wait_until(lambda: uapi_socket.is_running(name), f"{name} is served")
    node.run("wg", "set", name, "private-key", "/dev/stdin", input=key(f"private {name}"))


def _public_key(name: str) -> str:
    done = subprocess.run(["wg", "pubkey"], input=key(f"private {name}"), text=True, capture_output=True, check=True)
    return done.stdout.strip()


def _answers(spoke: Node, device: str, number: int) -> bool:
    argv = ["ping", "-nq", "-c1", "-W1", "-I", device, f"10.42.0.{100 + number}"]
    return "1 received" in spoke.run(*argv, check=False)
