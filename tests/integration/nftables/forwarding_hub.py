# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five namespaces: a hub, two spokes behind its wg0, a host behind its eth0, and a switch between hub and spokes.

wg0 is a veth here: nftables matches interfaces by name. The spokes route everything through the hub, as peers of a hub do,
and sockets of the tests receive the packets.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.stage import run_stage
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.stage import ruleset_stage
from namespaces import call_in_thread

T = TypeVar("T")

HUB, SPOKE1, SPOKE2, OUTSIDE, SWITCH = "hub", "spoke1", "spoke2", "outside", "switch"
ADDRESSES = {
    SPOKE1: ("10.42.0.2", "fd42::2"),
    SPOKE2: ("10.42.0.3", "fd42::3"),
    OUTSIDE: ("192.0.2.9", "2001:db8:1::9"),
}
SITE, ROAMING = ("10.50.0.1", "fd50::1"), ("10.42.0.200", "fd42::200")
HUB_INSIDE, HUB_OUTSIDE = ("10.42.0.1", "fd42::1"), ("192.0.2.1", "2001:db8:1::1")
WG_MTU = 1420

_SERIAL = itertools.count(1)
_PATIENCE = 20.0
_ETH_P_ALL = 3
_TCP_OPTION_MSS = 2  # RFC 9293, 3.2

_BUILD = """
set -e
name() { echo "$PREFIX-$1"; }
for host in hub spoke1 spoke2 outside switch; do
    ip netns add $(name $host)
    # Before any interface: addresses are usable at once, and the hub tells nobody of a shorter way.
    ip netns exec $(name $host) sh -c '
        for each in all default; do
            echo 0 >/proc/sys/net/ipv6/conf/$each/accept_dad; echo 0 >/proc/sys/net/ipv4/conf/$each/rp_filter
            echo 0 >/proc/sys/net/ipv4/conf/$each/send_redirects
        done'
    ip -n $(name $host) link set lo up
done
ip -n $(name switch) link add br0 type bridge
ip -n $(name switch) link set br0 up
number=1
for end in hub:wg0 spoke1:eth0 spoke2:eth0; do
    host=${end%:*}; link=${end#*:}
    ip -n $(name switch) link add p-$host type veth peer name $link netns $(name $host)
    ip -n $(name switch) link set p-$host master br0 up
    ip -n $(name $host) link set $link up
    ip -n $(name $host) addr add 10.42.0.$number/32 dev $link
    ip -n $(name $host) addr add fd42::$number/128 dev $link nodad
    number=$((number + 1))
done
ip -n $(name hub) link add eth0 type veth peer name eth0 netns $(name outside)
ip -n $(name hub) link set eth0 up
ip -n $(name outside) link set eth0 up
ip -n $(name hub) addr add 192.0.2.1/24 dev eth0
ip -n $(name hub) addr add 2001:db8:1::1/64 dev eth0 nodad
ip -n $(name outside) addr add 192.0.2.9/24 dev eth0
ip -n $(name outside) addr add 2001:db8:1::9/64 dev eth0 nodad
ip -n $(name outside) route add 10.42.0.0/24 via 192.0.2.1
ip -n $(name outside) route add fd42::/64 via 2001:db8:1::1
ip -n $(name hub) link set wg0 mtu $WG_MTU
ip -n $(name hub) route add 10.42.0.0/24 dev wg0
ip -n $(name hub) route add fd42::/64 dev wg0
for spoke in spoke1 spoke2; do
    ip -n $(name $spoke) route add 10.42.0.1 dev eth0
    ip -n $(name $spoke) route add default via 10.42.0.1
    ip -n $(name $spoke) route add fd42::1 dev eth0
    ip -n $(name $spoke) route add default via fd42::1
done
# A site behind a spoke, and an overlay address that is reached outside.
ip -n $(name spoke2) addr add 10.50.0.1/32 dev lo
ip -n $(name spoke2) addr add fd50::1/128 dev lo nodad
ip -n $(name hub) route add 10.50.0.0/24 via 10.42.0.3 dev wg0
ip -n $(name hub) route add fd50::/64 via fd42::3 dev wg0
ip -n $(name outside) addr add 10.42.0.200/32 dev lo
ip -n $(name outside) addr add fd42::200/128 dev lo nodad
ip -n $(name hub) route add 10.42.0.200/32 via 192.0.2.9
ip -n $(name hub) route add fd42::200/128 via 2001:db8:1::9
# All know their neighbours, so that no packet waits for an answer and arrives when a test no longer expects it.
for host in spoke1:10.42.0.1 spoke2:10.42.0.1 outside:192.0.2.1 spoke1:fd42::1 spoke2:fd42::1 outside:2001:db8:1::1; do
    ip netns exec $(name ${host%%:*}) ping -q -c 1 -w 20 ${host#*:} >/dev/null
done
ip netns exec $(name hub) sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
"""


@dataclass(frozen=True)
class Net:
    """The namespaces, with a common name prefix."""

    prefix: str

    @classmethod
    def make(cls) -> Net:
        """Create and configure the namespaces."""
        net = cls(f"wwf{os.getpid()}-{next(_SERIAL)}")
        try:
            environment = {**os.environ, "PREFIX": net.prefix, "WG_MTU": str(WG_MTU)}
            subprocess.run(["sh", "-ec", _BUILD], check=True, env=environment)
        except BaseException:
            net.remove()
            raise
        return net

    def remove(self) -> None:
        """Remove the namespaces."""
        for host in (HUB, SPOKE1, SPOKE2, OUTSIDE, SWITCH):
            subprocess.run(["ip", "netns", "del", f"{self.prefix}-{host}"], check=False)

    def inside(self, host: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function in a thread inside a host; its sockets stay there."""
        return call_in_thread(f"/run/netns/{self.prefix}-{host}", partial(function, *args, **kwargs))

    def run(self, host: str, *argv: str, **options: Any) -> str:
        """Run a program in a host and return its output."""
        words = ["ip", "netns", "exec", f"{self.prefix}-{host}", *argv]
        done = subprocess.run(words, check=False, text=True, capture_output=True, **options)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def nft(self, script: str) -> str:
        """Feed `nft -f -` on the hub."""
        return self.run(HUB, "nft", "-f", "-", input=script)

    def ruleset(self, *options: str) -> str:
        """Return the ruleset of the hub from nft, without counters."""
        return self.run(HUB, "nft", "-s", *options, "list", "ruleset")

    def blocks(self) -> list[str]:
        """Return the ruleset as sorted blocks: the kernel lists chains in the order of their creation."""
        return blocks(self.ruleset())

    def counters(self) -> dict[str, int]:
        """Return the packets that our rules counted, by chain."""
        listed = json.loads(self.run(HUB, "nft", "-j", "list", "table", "inet", "wirewright_overlay"))["nftables"]
        found: dict[str, int] = {}
        for rule in (entry["rule"] for entry in listed if "rule" in entry):
            for item in rule["expr"]:
                packets = item.get("counter", {}).get("packets", 0)
                found[rule["chain"]] = found.get(rule["chain"], 0) + packets
        return found

    def converge(self, document: dict[str, Any], *, check_mode: bool = False) -> StageResult:
        """Apply the option `nftables` of overlay_apply on the hub."""
        wanted = parse(document)

        def work() -> StageResult:
            return run_stage(ruleset_stage(wanted, check_mode=check_mode), check_mode=check_mode)

        return self.inside(HUB, work)

    def udp(self, host: str, address: str, port: int = 0) -> socket.socket:
        """Return a UDP socket in a host."""
        return self.inside(host, _bound, socket.SOCK_DGRAM, address, port)

    def tcp(self, host: str, address: str, port: int = 0) -> socket.socket:
        """Return a TCP socket in a host, not yet connected."""
        return self.inside(host, _bound, socket.SOCK_STREAM, address, port)

    def capture(self, host: str) -> socket.socket:
        """Return a socket that receives every frame at eth0 of a host from now on."""
        make = partial(socket.socket, socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        seen = self.inside(host, make)
        seen.bind(("eth0", _ETH_P_ALL))
        seen.settimeout(_PATIENCE)
        return seen


def blocks(ruleset: str) -> list[str]:
    """Return the chains of all tables, sorted, with their tables."""
    return sorted(re.split(r"\n{2,}|(?<=\{)\n|\n(?=\}|table )", ruleset.strip()))


def _bound(kind: int, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    made.settimeout(_PATIENCE)
    made.bind((address, port))
    return made


def mss_of_syn(seen: socket.socket, destination_port: int) -> int:
    """Return the MSS of the first captured segment with SYN to a port."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        packet = seen.recv(65535)
        version = packet[0] >> 4
        start = (packet[0] & 0xF) * 4 if version == 4 else 40
        if version not in (4, 6) or packet[9 if version == 4 else 6] != socket.IPPROTO_TCP:
            continue
        _source, port, _sequence, _acknowledged, offset, flags = struct.unpack_from("!HHIIBB", packet, start)
        if port == destination_port and flags & 0x02:
            return _mss(packet[start + 20 : start + (offset >> 4) * 4])
    raise AssertionError(f"no SYN to port {destination_port} within {_PATIENCE:.0f} s")


def _mss(options: bytes) -> int:
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == _TCP_OPTION_MSS:
            return int.from_bytes(options[at + 2 : at + 4], "big")
        at += 1 if kind in (0, 1) else options[at + 1]
    raise AssertionError("a SYN without an MSS option")
