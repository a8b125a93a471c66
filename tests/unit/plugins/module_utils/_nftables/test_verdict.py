# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections a plaintext drop cuts; the integration tests of the packet filter send such packets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.verdict import Packet, drops

NETWORKS = ["10.244.0.0/16", "10.96.0.0/12", "fd44::/32"]
HOSTS = {"hosts": ["192.0.2.1", "192.0.2.2"], "ports": [51820], "mark": "0x100000/0x100000"}
NODE = Packet("eth0", "192.0.2.1", "192.0.2.9", 50000, 22, "192.0.2.1")
POD = Packet("eth0", "10.244.3.4", "192.0.2.9", 50000, 22, "10.244.3.4")


def is_dropped(packet: Packet, direction: str = "in", **options: Any) -> bool:
    dropped = {"directions": [direction], "networks": NETWORKS, **options}
    (part,) = parse({"kwg0": {"drop_plaintext": dropped}}).parts
    return drops(part, packet)


@pytest.mark.parametrize(
    ("packet", "options", "dropped"),
    [
        (POD, {}, True),
        (POD._replace(source="fd44::1"), {}, True),
        (POD._replace(source="198.51.100.1"), {}, False),
        (POD, {"except": ["10.244.3.4"]}, False),
        (POD._replace(interface="kwg0"), {}, False),
        (POD._replace(interface="cali12"), {"interfaces": ["cali*"]}, False),
        (POD, {"interfaces": ["cali*"], "ipsec": True}, True),
        (NODE, {}, False),
        (NODE, HOSTS, True),
        (NODE, {**HOSTS, "tcp_ports": [22, 2222]}, False),
        (NODE._replace(protocol="udp"), {**HOSTS, "tcp_ports": [22, 50000]}, True),
        (NODE, {**HOSTS, "tcp_ports": [2222]}, True),
        (NODE, {"pod_hosts": ["192.0.2.1"], "pods": ["10.244.0.0/16"]}, False),
    ],
)
def test_what_comes_in(packet: Packet, options: dict[str, Any], dropped: bool) -> None:
    assert is_dropped(packet, **options) is dropped
    answer = packet._replace(
        source=packet.destination, destination=packet.source, source_port=22, destination_port=packet.source_port
    )
    assert is_dropped(answer, "out", **options) is dropped


def test_what_pods_send_to_nodes() -> None:
    answer = Packet("eth0", "192.0.2.9", "192.0.2.1", 22, 50000, "10.244.1.7")
    assert is_dropped(answer, "out", pod_hosts=["192.0.2.1"], pods=["10.244.1.0/24"])


def test_packets_of_another_tunnel_are_dropped_and_those_of_the_own_one_are_not() -> None:
    coming = Packet("eth0", "192.0.2.1", "192.0.2.9", 51820, 51820, "192.0.2.1", "udp")
    leaving = Packet("eth0", "192.0.2.9", "192.0.2.1", 51820, 51820, "192.0.2.1", "udp", 0x100000)
    assert not is_dropped(coming, **HOSTS) and not is_dropped(leaving, "out", **HOSTS)
    assert is_dropped(coming._replace(destination_port=51999), **HOSTS)
    assert is_dropped(leaving._replace(mark=0x1), "out", **HOSTS)
