# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Packets on the underlay counted by kind and by pair of nodes: what is encrypted, and what is not. Pure.

This module is private to the collection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..prefix import Prefix, masked
from .packet import ESP, ICMPV6, TCP, UDP, Packet

WIREGUARD, IPSEC, DECRYPTED = "wireguard", "esp", "decrypted"
PLAINTEXT_POD, PLAINTEXT_HOST, OTHER = "plaintext_pod", "plaintext_host", "other"
KINDS = (WIREGUARD, IPSEC, DECRYPTED, PLAINTEXT_POD, PLAINTEXT_HOST, OTHER)

_NEIGHBOUR_DISCOVERY = range(133, 138)  # RFC 4861 section 4
_REMEMBERED = 4096  # addresses, and packets of which only the first fragment shows what they are
# Packets that the kernel may hold between decrypting them and handing them on.
_IN_DECRYPTION = 64


class Node(NamedTuple):
    """A node: what to call it, its own addresses as /32 or /128, and the networks of its pods."""

    name: str
    addresses: tuple[Prefix, ...]
    pod_networks: tuple[Prefix, ...]


@dataclass(frozen=True)
class Underlay:
    """What is on the wire: the nodes, the UDP ports of WireGuard, and the TCP ports of nodes that may be plain text."""

    nodes: tuple[Node, ...]
    wireguard_ports: frozenset[int]
    exempt_ports: frozenset[int] = frozenset()


class End(NamedTuple):
    """Whose an address is: the node's name, "" for nobody's, and whether it is a pod's."""

    node: str = ""
    is_pod: bool = False


class Tally:
    """Counts packets of an underlay by (name of the source, name of the destination, kind).

    A name is empty where an address belongs to no node. Only addresses, protocols and ports are looked at, and the type
    of WireGuard's messages.
    """

    def __init__(self, underlay: Underlay) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self._underlay = underlay
        self._whose = lru_cache(_REMEMBERED)(_Owners(underlay.nodes).find)
        self._firsts: dict[tuple[bytes, bytes, int, int], str] = {}
        self._in_decryption: Counter[str] = Counter()

    def add(self, packet: Packet, sent: bool) -> None:
        """Count a packet that this host has sent or received."""
        source, destination = self._whose(packet.source), self._whose(packet.destination)
        kind = self._kind(packet, source, destination)
        if not sent:
            kind = self._unless_decrypted(kind, source.node)
        self.counts[source.node, destination.node, kind] += 1

    def _unless_decrypted(self, kind: str, source: str) -> str:
        """Return the kind of a received packet: a plain one after one of ESP is what was in that.

        The kernel lets a packet that it has taken out of ESP come in once more, by the interface of the outer one.
        """
        if kind == IPSEC:
            self._in_decryption[source] = min(self._in_decryption[source] + 1, _IN_DECRYPTION)
        elif kind in (PLAINTEXT_POD, PLAINTEXT_HOST) and self._in_decryption[source]:
            self._in_decryption[source] -= 1
            return DECRYPTED
        return kind

    def _kind(self, packet: Packet, source: End, destination: End) -> str:
        if packet.fragment is None:
            return self._kind_by_content(packet, source, destination)
        key = (packet.source, packet.destination, packet.protocol, packet.fragment.identification)
        if not packet.fragment.is_first:
            return self._firsts.get(key) or self._kind_by_content(packet, source, destination)
        kind = self._kind_by_content(packet, source, destination)
        self._firsts[key] = kind
        if len(self._firsts) > _REMEMBERED:
            del self._firsts[next(iter(self._firsts))]
        return kind

    def _kind_by_content(self, packet: Packet, source: End, destination: End) -> str:
        if packet.protocol == ESP:
            return IPSEC
        if self._is_wireguard(packet):
            return WIREGUARD
        if source.is_pod or destination.is_pod:
            return PLAINTEXT_POD
        if not source.node or not destination.node or self._stays_plain(packet):
            return OTHER
        return PLAINTEXT_HOST

    def _is_wireguard(self, packet: Packet) -> bool:
        """Ports alone would let a pod's own UDP pass for WireGuard's, whose messages begin so (its paper, section 5.4)."""
        if packet.protocol != UDP or not packet.ports or self._underlay.wireguard_ports.isdisjoint(packet.ports):
            return False
        message = packet.beginning[8:12]
        return len(message) == 4 and message[0] in (1, 2, 3, 4) and not any(message[1:])

    def _stays_plain(self, packet: Packet) -> bool:
        """Return whether a packet between nodes is never encrypted, or does not show what it is."""
        if packet.protocol in (UDP, TCP) and not packet.begins:
            return True
        if packet.protocol == ICMPV6 and packet.begins and packet.beginning[:1]:
            return packet.beginning[0] in _NEIGHBOUR_DISCOVERY
        return packet.protocol == TCP and not self._underlay.exempt_ports.isdisjoint(packet.ports or ())


class _Owners:
    """Tells whose an address is: a node's own first, else by the longest of the pods' networks."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._own: dict[bytes, End] = {}
        self._pods: dict[tuple[int, int], dict[bytes, End]] = {}
        for node in nodes:
            for address in node.addresses:
                self._own[address.packed] = End(node.name)
            for network in node.pod_networks:
                same = self._pods.setdefault((len(network.packed), network.length), {})
                same[network.packed] = End(node.name, is_pod=True)
        self._longest_first = sorted(self._pods, key=lambda key: -key[1])

    def find(self, packed: bytes) -> End:
        """Return whose a packed address is."""
        if packed in self._own:
            return self._own[packed]
        for key in self._longest_first:
            found = self._pods[key].get(masked(packed, key[1])) if key[0] == len(packed) else None
            if found is not None:
                return found
        return End()
