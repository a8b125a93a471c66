# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small internet of network namespaces: a public segment, NAT gateways on it, and hosts behind them.

with Internet() as internet:
    server = internet.public("server", "203.0.113.1")
    gateway = internet.gateway("gateway", 2, SYMMETRIC)
    host = internet.behind(gateway, "host", 1)      # 192.168.1.2 behind 203.0.113.2
    host.run("ping", "-c", "1", "203.0.113.1")

Public addresses are 203.0.113.N and 2001:db8:113::N. The network behind a gateway is 192.168.N.0/24, translated, and
2001:db8:N::/64, routed if the gateway is on the public segment.
"""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from managed_host import MODULES, ModuleResult, run_module
from namespaces import call_inside

T = TypeVar("T")

PUBLIC = "203.0.113"
PUBLIC6 = "2001:db8:113"

# How a gateway maps ports: nftables statements for packets that leave by the interface wan. Linux keeps the port if it
# can, and then it is the same for all destinations.
ENDPOINT_INDEPENDENT = "masquerade"
SYMMETRIC = "masquerade random,fully-random"

# Packets without an established connection are dropped, as routers do. Accepted on the gateway itself, each would add an
# entry to its connection table, which blocks that port for a host that connects to the same server later.
RULES = """
table ip nat {{
    chain incoming {{ type nat hook prerouting priority dstnat; }}
    chain outgoing {{ type nat hook postrouting priority srcnat; oifname "wan" {mapping}; }}
}}
table inet filter {{
    chain input {{
        type filter hook input priority filter;
        meta l4proto ipv6-icmp accept
        iifname "wan" ct state new drop
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        iifname "lan" accept
        ct state established,related accept
        ct status dnat accept
    }}
}}
"""

_SERIAL = itertools.count(1)


@dataclass(frozen=True)
class Node:
    """One network namespace."""

    name: str

    def run(self, *argv: str, check: bool = True, **options: Any) -> str:
        """Run a program in the namespace and return its output; a failure raises unless `check=False`."""
        defaults: dict[str, Any] = {"text": True, "capture_output": True, "timeout": 60}
        done = subprocess.run(self.words(*argv), check=False, **{**defaults, **options})
        assert done.returncode == 0 or not check, f"{argv}: {done.stdout}{done.stderr}"
        return str(done.stdout)

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start a program in the namespace; the caller ends it."""
        return subprocess.Popen(self.words(*argv), text=True, stdin=subprocess.DEVNULL, **options)

    def words(self, *argv: str) -> list[str]:
        """Return the arguments of a command that runs in the namespace, without a parent process."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *argv]

    def ip(self, words: str) -> None:
        """Run `ip` in the namespace with these arguments."""
        subprocess.run(["ip", "-n", self.name, *words.split()], check=True)

    def nft(self, rules: str) -> None:
        """Load rules of nftables."""
        self.run("nft", "-f", "-", input=rules)

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in the namespace, in a separate process, and return its result."""
        return call_inside([f"/run/netns/{self.name}"], partial(function, *args, **kwargs))

    def module(self, name: str, /, *, check_mode: bool = False, **arguments: Any) -> ModuleResult:
        """Run a module of the collection in the namespace."""
        importlib.import_module(MODULES + name)
        return self.call(run_module, name, arguments, check_mode)


@dataclass
class Internet:
    """The public segment, a bridge, and all nodes connected to it; leaving the context removes every namespace."""

    prefix: str = field(default_factory=lambda: f"wwn{os.getpid()}-{next(_SERIAL)}")
    publics: list[Node] = field(default_factory=list)
    gateways6: dict[Node, str] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Internet:
        self.segment = self.node("segment")
        self.segment.ip("link add segment type bridge")
        self.segment.ip("link set segment up")
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def node(self, name: str) -> Node:
        """Create a namespace without connections."""
        node = Node(f"{self.prefix}-{name}")
        subprocess.run(["ip", "netns", "add", node.name], check=True)
        self._stack.callback(subprocess.run, ["ip", "netns", "del", node.name], check=False)
        # Duplicate address detection delays addresses by a second, and a new namespace has the settings of the machine.
        settings = ("ipv6.conf.default.accept_dad=0", "ipv6.conf.all.forwarding=0", "ipv4.ip_forward=0")
        node.run("sysctl", "-qw", *(f"net.{setting}" for setting in settings))
        node.ip("link set lo up")
        return node

    def public(self, name: str, *addresses: str) -> Node:
        """Create a host on the public segment, with the interface wan and routes to networks behind gateways."""
        node = self._join(name, *addresses)
        self.publics.append(node)
        return node

    def gateway(self, name: str, number: int, mapping: str = ENDPOINT_INDEPENDENT, outside: Node | None = None) -> Node:
        """Create a gateway with the public addresses of a number, or behind another gateway, and no network behind it."""
        if outside is None:
            node = self._join(name, f"{PUBLIC}.{number}", f"{PUBLIC6}::{number}")
            self.gateways6[node] = f"{PUBLIC6}::{number}"
        else:
            node = self.node(name)
            _wire(node, "wan", outside, number)
        node.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        node.nft(RULES.format(mapping=mapping))
        return node

    def behind(self, gateway: Node, name: str, number: int) -> Node:
        """Create a host behind a gateway, with the interface eth0 and the addresses 192.168.N.2 and 2001:db8:N::2."""
        node = self.node(name)
        _wire(node, "eth0", gateway, number)
        for public in self.publics if gateway in self.gateways6 else ():
            public.ip(f"-6 route replace 2001:db8:{number}::/64 via {self.gateways6[gateway]}")
        return node

    def _join(self, name: str, *addresses: str) -> Node:
        node = self.node(name)
        port = f"p{next(_SERIAL)}"
        node.ip(f"link add wan type veth peer name {port} netns {self.segment.name}")
        self.segment.ip(f"link set {port} master segment up")
        node.ip("link set wan up")
        for address in addresses:
            node.ip(f"addr add {address}/{64 if ':' in address else 24} dev wan")
        return node


def _wire(inside: Node, interface: str, gateway: Node, number: int) -> None:
    """Put a node behind a gateway, as number 2 of a network whose number 1 is the gateway."""
    inside.ip(f"link add {interface} type veth peer name lan netns {gateway.name}")
    for node, name, last in ((gateway, "lan", 1), (inside, interface, 2)):
        node.ip(f"link set {name} up")
        node.ip(f"addr add 192.168.{number}.{last}/24 dev {name}")
        node.ip(f"addr add 2001:db8:{number}::{last}/64 dev {name}")
    inside.ip(f"route add default via 192.168.{number}.1")
    inside.ip(f"-6 route add default via 2001:db8:{number}::1")
