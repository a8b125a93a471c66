# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A router between two hosts with a narrow second link that sends no ICMP errors."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from managed_host import ManagedHost

# By family: addresses of the first and the second host towards the router.
ENDS = {
    "ipv4": ("198.51.100.1", "203.0.113.1"),
    "ipv6": ("2001:db8:2::1", "2001:db8:3::1"),
}

ROUTER = """
for number in 1 2; do ip link set r$number up; done
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip addr add 198.51.100.254/24 dev r1; ip addr add 203.0.113.254/24 dev r2
ip addr add 2001:db8:2::fe/64 dev r1 nodad; ip addr add 2001:db8:3::fe/64 dev r2 nodad
nft -f - <<END
table inet silent { chain output { type filter hook output priority 0
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
}; }
END
"""
HOST = """
ip link set u0 up
ip addr add {ipv4}/24 dev u0; ip addr add {ipv6}/64 dev u0 nodad
ip route add {ipv4_far}/32 via {ipv4_gateway}; ip route add {ipv6_far}/128 via {ipv6_gateway}
"""


def create_cable(left: ManagedHost, right: ManagedHost) -> None:
    """Connect two hosts by a separate link, u0 on both; a reset of either removes it."""
    ends = ["name", "u0", "type", "veth", "peer", "name", "u0", "netns", right.netns]
    subprocess.run(["ip", "-n", left.netns, "link", "add", *ends], check=True)


@contextmanager
def silent_router(left: ManagedHost, right: ManagedHost, mtu: int) -> Iterator[None]:
    """Create a router between two hosts that silently drops larger packets towards the second.

    The hosts' own ends of the links have an MTU of 1500; resetting the hosts removes them.
    """
    router = f"wwr{os.getpid()}"
    subprocess.run(["ip", "netns", "add", router], check=True)
    try:
        for number, host in enumerate((left, right), 1):
            ends = ["name", f"r{number}", "type", "veth", "peer", "name", "u0", "netns", host.netns]
            subprocess.run(["ip", "-n", router, "link", "add", *ends], check=True)
        subprocess.run(["ip", "-n", router, "link", "set", "r2", "mtu", str(mtu)], check=True)
        subprocess.run(["ip", "netns", "exec", router, "sh", "-ec", ROUTER], check=True)
        for place, host in enumerate((left, right)):
            gateways = {"ipv4": ("198.51.100.254", "203.0.113.254"), "ipv6": ("2001:db8:2::fe", "2001:db8:3::fe")}
            words = {f"{family}_gateway": gateways[family][place] for family in ENDS}
            words.update({f"{family}_far": ends[1 - place] for family, ends in ENDS.items()})
            host.shell(HOST.format(ipv4=ENDS["ipv4"][place], ipv6=ENDS["ipv6"][place], **words))
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", router], check=False)
