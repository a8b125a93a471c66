# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Count packets on the underlay by kind (encrypted or plaintext) and by pair of nodes. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .._ip.longest_match import LongestMatch
from .._ip.prefix import Prefix, host_prefix
from .packet import ESP, ICMPV6, TCP, UDP, Packet

WIREGUARD, IPSEC, DECRYPTED = "wireguard", "esp", "decrypted"
PLAINTEXT_POD, PLAINTEXT_HOST, OTHER = "plaintext_pod", "plaintext_host", "other"
KINDS = (WIREGUARD, IPSEC, DECRYPTED, PLAINTEXT_POD, PLAINTEXT_HOST, OTHER)

_NEIGHBOUR_DISCOVERY = range(133, 138)  # RFC 4861 section 4
_CACHE_SIZE = 4096  # address lookups; fragmented packets whose first fragment gave their kind
# Packets that the kernel may hold between decryption and delivery.
_IN_DECRYPTION = 64


class Node(NamedTuple):
    """A node: its name, its own addresses as /32 or /128, and its pod networks."""

    name: str
    addresses: tuple[Prefix, ...]
    pod_networks: tuple[Prefix, ...]


@dataclass(frozen=True)
class Underlay:
    """The nodes, the UDP ports of WireGuard, and the TCP ports on which nodes may send plaintext."""

    nodes: tuple[Node, ...]
    wireguard_ports: frozenset[int]
    exempt_ports: frozenset[int] = frozenset()


class Owner(NamedTuple):
    """Owner of an address: name of the node, "" for none, and whether the address is in its pod networks."""

    node: str = ""
    is_pod: bool = False


class TrafficCounters:
    """Counts packets of an underlay by (source node, destination node, kind).

    The name is empty for an address of no node. Only addresses, protocols, ports and the type of WireGuard messages are
    evaluated.
    """

    def __init__(self, underlay: Underlay) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self._underlay = underlay
        self._owner = lru_cache(_CACHE_SIZE)(_owners(underlay.nodes))
        self._first_fragments: dict[tuple[bytes, bytes, int, int], str] = {}
        self._in_decryption: Counter[str] = Counter()

    def add(self, packet: Packet, sent: bool) -> None:
        """Count a packet that this host sent or received."""
        source, destination = self._owner(packet.source), self._owner(packet.destination)
        kind = self._kind(packet, source, destination)
        if not sent:
            kind = self._unless_decrypted(kind, source.node)
        self.counts[source.node, destination.node, kind] += 1

    def _unless_decrypted(self, kind: str, source: str) -> str:
        """Return the kind of a received packet; a plaintext packet that follows an ESP packet is its payload.

        The kernel passes the decrypted payload of an ESP packet to packet sockets again, on the same interface.
        """
        if kind == IPSEC:
            self._in_decryption[source] = min(self._in_decryption[source] + 1, _IN_DECRYPTION)
        elif kind in (PLAINTEXT_POD, PLAINTEXT_HOST) and self._in_decryption[source]:
            self._in_decryption[source] -= 1
            return DECRYPTED
        return kind

    def _kind(self, packet: Packet, source: Owner, destination: Owner) -> str:
        if packet.fragment is None:
            return self._kind_by_content(packet, source, destination)
        key = (packet.source, packet.destination, packet.protocol, packet.fragment.identification)
        if not packet.fragment.is_first:
            return self._first_fragments.get(key) or self._kind_by_content(packet, source, destination)
        kind = self._kind_by_content(packet, source, destination)
        self._first_fragments[key] = kind
        if len(self._first_fragments) > _CACHE_SIZE:
            del self._first_fragments[next(iter(self._first_fragments))]
        return kind

    def _kind_by_content(self, packet: Packet, source: Owner, destination: Owner) -> str:
        if packet.protocol == ESP:
            return IPSEC
        if self._is_wireguard(packet):
            return WIREGUARD
        if source.is_pod or destination.is_pod:
            return PLAINTEXT_POD
        if not source.node or not destination.node or self._is_exempt(packet):
            return OTHER
        return PLAINTEXT_HOST

    def _is_wireguard(self, packet: Packet) -> bool:
        """Check the message type too (WireGuard paper, section 5.4): a pod may use the same UDP port."""
        if packet.protocol != UDP or not packet.ports or self._underlay.wireguard_ports.isdisjoint(packet.ports):
            return False
        message = packet.beginning[8:12]
        return len(message) == 4 and message[0] in (1, 2, 3, 4) and not any(message[1:])

    def _is_exempt(self, packet: Packet) -> bool:
        """Return whether a packet between nodes is exempt from encryption, or lacks the header to decide."""
        if packet.protocol in (UDP, TCP) and not packet.begins:
            return True
        if packet.protocol == ICMPV6 and packet.begins and packet.beginning[:1]:
            return packet.beginning[0] in _NEIGHBOUR_DISCOVERY
        return packet.protocol == TCP and not self._underlay.exempt_ports.isdisjoint(packet.ports or ())


def _owners(nodes: Sequence[Node]) -> Callable[[bytes], Owner]:
    """Return a lookup of a packed address: own addresses of nodes first, then the longest pod network that contains it."""
    own = {address.packed: Owner(node.name) for node in nodes for address in node.addresses}
    pods = LongestMatch((network, Owner(node.name, is_pod=True)) for node in nodes for network in node.pod_networks)
    return lambda packed: own.get(packed) or pods.find(host_prefix(packed)) or Owner()
