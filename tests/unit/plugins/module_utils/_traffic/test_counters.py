# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets are counted by kind and pair of nodes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.counters import (
    Node,
    TrafficCounters,
    Underlay,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._traffic.packet import (
    ESP,
    ETH_P_IP,
    ETH_P_IPV6,
    ICMPV6,
    TCP,
    UDP,
    decode,
)

from .packets import fragment_header, ipv4, ipv6, tcp, udp

ICMP = 1


def node(number: int, *more: str) -> Node:
    addresses = tuple(parse_address(text).host for text in (f"10.0.0.{number}", f"fd00::{number}"))
    networks = (f"10.244.{number}.0/24", f"fd00:244:0:{number}::/64", *more)
    return Node(f"n{number}", addresses, tuple(map(parse_prefix, networks)))


def counters(**options: Any) -> TrafficCounters:
    nodes = (node(1), node(2), node(3, "10.244.1.77/32"))
    return TrafficCounters(Underlay(nodes, **{"wireguard_ports": frozenset({51820}), **options}))


def counted(*packets: bytes, sent: bool = True, **options: Any) -> dict[tuple[str, str, str], int]:
    made = counters(**options)
    for data in packets:
        packet = decode(ETH_P_IP if data[0] >> 4 == 4 else ETH_P_IPV6, data)
        assert packet is not None
        made.add(packet, sent)
    return dict(made.counts)


N1, N2, P1, P2, X = "10.0.0.1", "10.0.0.2", "10.244.1.10", "10.244.2.10", "192.0.2.9"
BOTH = ("n1", "n2")


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (ipv4(N1, N2, UDP, udp(51820, 51820)), (*BOTH, "wireguard")),
        (ipv4(N1, N2, UDP, udp(40000, 51820, b"\1\0\0\0" + bytes(144))), (*BOTH, "wireguard")),
        (ipv6("fd00::1", "fd00::2", UDP, udp(51820, 9)), (*BOTH, "wireguard")),
        (ipv4(X, N2, UDP, udp(51820, 51820)), ("", "n2", "wireguard")),
        (ipv4(N1, N2, ESP, bytes(40)), (*BOTH, "esp")),
        (ipv4(P1, P2, TCP, tcp(80, 5)), (*BOTH, "plaintext_pod")),
        (ipv4(N1, P2, ICMP), (*BOTH, "plaintext_pod")),
        (ipv4(P1, N2, ICMP), (*BOTH, "plaintext_pod")),
        (ipv6("fd00:244:0:1::10", "fd00:244:0:2::10", TCP, tcp(80, 5)), (*BOTH, "plaintext_pod")),
        (ipv4(P1, X, TCP, tcp(80, 5)), ("n1", "", "plaintext_pod")),
        (ipv4("10.244.1.77", P2, ICMP), ("n3", "n2", "plaintext_pod")),
        (ipv4(N1, N2, TCP, tcp(6443, 5)), (*BOTH, "plaintext_host")),
        (ipv4(N1, N2, UDP, udp(51820, 51821, b"\0\1\0\0" + bytes(16))), (*BOTH, "plaintext_host")),
        (ipv4(P1, P2, UDP, udp(51820, 53, b"\x04\xd2\1\0")), (*BOTH, "plaintext_pod")),
        (ipv4(N1, N2, TCP, tcp(5, 22)), (*BOTH, "other")),
        (ipv4(N1, N2, UDP, udp(5, 22)), (*BOTH, "plaintext_host")),
        (ipv4(N1, X, TCP, tcp(5, 80)), ("n1", "", "other")),
        (ipv4(N1, N2, 4, ipv4(P1, P2, ICMP)), (*BOTH, "plaintext_host")),
        (ipv6("fd00::1", "fd00::2", ICMPV6, bytes([135]) + bytes(20)), (*BOTH, "other")),
        (ipv6("fd00::1", "fd00::2", ICMPV6, bytes([128]) + bytes(20)), (*BOTH, "plaintext_host")),
    ],
)
def test_kinds(packet: bytes, expected: tuple[str, str, str]) -> None:
    assert counted(packet, exempt_ports=frozenset({22})) == {expected: 1}


def test_later_fragments_have_the_kind_of_the_first() -> None:
    def parts(beginning: bytes, number: int) -> tuple[bytes, bytes]:
        later = udp(51820, 51820)  # data that looks like a header
        return ipv4(N1, N2, UDP, beginning, place=0x2000, number=number), ipv4(
            N1, N2, UDP, later, place=0x0002, number=number
        )

    assert counted(*parts(udp(51820, 51820), 1)) == {(*BOTH, "wireguard"): 2}
    assert counted(*parts(udp(51820, 51820), 1), *parts(udp(5, 6), 2)) == {
        (*BOTH, "wireguard"): 2,
        (*BOTH, "plaintext_host"): 2,
    }
    assert counted(parts(udp(51820, 51820), 1)[1]) == {(*BOTH, "other"): 1}
    assert counted(parts(udp(51820, 51820), 1)[0], parts(b"", 2)[1]) == {(*BOTH, "wireguard"): 1, (*BOTH, "other"): 1}


def test_later_ipv6_fragments_have_the_kind_of_the_first() -> None:
    first = fragment_header(UDP, 0, more=True) + udp(51820, 51820)
    later = fragment_header(UDP, 6, more=False) + bytes(20)
    packets = [ipv6("fd00::1", "fd00::2", 44, part) for part in (first, later)]
    assert counted(*packets) == {(*BOTH, "wireguard"): 2}
    assert counted(packets[1]) == {(*BOTH, "other"): 1}


def test_later_fragments_of_pods_and_of_esp_need_no_first_one() -> None:
    assert counted(ipv4(P1, P2, UDP, bytes(8), place=4)) == {(*BOTH, "plaintext_pod"): 1}
    assert counted(ipv4(N1, N2, ESP, bytes(8), place=4)) == {(*BOTH, "esp"): 1}


def test_cache_of_first_fragments_is_bounded() -> None:
    made = counters()
    for number in range(5000):
        packet = decode(ETH_P_IP, ipv4(N1, N2, UDP, udp(51820, 51820), place=0x2000, number=number))
        assert packet is not None
        made.add(packet, sent=True)
    assert len(made._first_fragments) == 4096 and made.counts[(*BOTH, "wireguard")] == 5000


def test_decrypted_packets_are_not_plaintext() -> None:
    esp, inner = ipv4(N2, N1, ESP, bytes(40)), ipv4(P2, P1, ICMP)
    ends = ("n2", "n1")
    assert counted(esp, inner, esp, inner, sent=False) == {(*ends, "esp"): 2, (*ends, "decrypted"): 2}
    assert counted(esp, inner, inner, sent=False)[(*ends, "plaintext_pod")] == 1
    assert counted(inner, esp, sent=False)[(*ends, "plaintext_pod")] == 1
    assert counted(esp, ipv4("10.244.3.9", P1, ICMP), sent=False)[("n3", "n1", "plaintext_pod")] == 1, "another node"
    assert counted(esp, inner, sent=True)[(*ends, "plaintext_pod")] == 1, "sent packets are never decrypted ones"


def test_number_of_packets_in_decryption_is_bounded() -> None:
    esp, inner = ipv4(N2, N1, ESP, bytes(40)), ipv4(P2, P1, ICMP)
    assert counted(*[esp] * 100, *[inner] * 100, sent=False)[("n2", "n1", "plaintext_pod")] == 36
