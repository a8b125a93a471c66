# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values from which the IPsec between the nodes of a cluster is planned: nodes, settings, phases and SPIs.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

SELECTORS, CILIUM = "selectors", "cilium"
OFF, EGRESS, INGRESS, BOTH = "off", "egress", "ingress", "both"

INDEXES = range(1, 1 << 12)
_MARKER, _INDEX_SHIFT, _EPOCH_SHIFT = 0x4B000000, 12, 4
_EPOCHS, _SLOTS = 1 << 8, 1 << 4


class Phase(IntEnum):
    """How far a node has come. What two nodes do between them is what the one that is less far can do."""

    ABSENT = 0
    RECEIVE = 1
    """It has the states, takes what comes encrypted or in clear, and sends in clear."""
    SEND = 2
    """It sends encrypted, and takes both."""
    STRICT = 3
    """It sends encrypted, and takes and sends in clear only what the settings leave open."""


@dataclass(frozen=True)
class IpsecNode:
    """One node of the cluster.

    index: 1 to 4095, its own for ever, part of its SPIs. addresses: of the underlay, one for each family at most.
    epoch: counts its boots, and is part of its keys. enabled: one that is not stays in clear, and is known all the
    same. phase: how far it is to come with the document that is made now.
    """

    name: str
    index: int
    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    epoch: int = 0
    enabled: bool = True
    phase: Phase = Phase.STRICT

    @property
    def reached(self) -> Phase:
        """The phase, which a node that is not enabled never enters."""
        return self.phase if self.enabled else Phase.ABSENT


@dataclass(frozen=True)
class IpsecSettings:
    """What holds for all nodes.

    key_bits: without the salt. replay_window: packets. epochs_ahead: for how many reboots of a node the others hold
    states. priority: of the policies between nodes; exemptions stand 100 before it. slot: counts rotations.
    strict: OFF, EGRESS, INGRESS or BOTH. block_unknown: with strict egress, whether parts of cluster_cidrs that no
    node has are closed. exempt_hosts, exempt_ports (TCP) and exempt_cidrs: what of the traffic between nodes stays in
    clear, so that a controller which is a node itself is not cut; in exempt_cidrs, also what block_unknown leaves
    open. interface, mtu: of the underlay, and route_protocol: the profile cilium needs them for its routes.
    """

    aead: str = "rfc4106(gcm(aes))"
    key_bits: int = 128
    icv: int = 128
    reqid: int = 7100
    esn: bool = True
    replay_window: int = 1024
    epochs_ahead: int = 4
    priority: int = 1000
    slot: int = 0
    host_encryption: bool = False
    strict: str = OFF
    block_unknown: bool = True
    cluster_cidrs: tuple[str, ...] = ()
    profile: str = SELECTORS
    exempt_hosts: frozenset[str] = frozenset()
    exempt_ports: tuple[int, ...] = (22,)
    exempt_cidrs: tuple[str, ...] = ()
    interface: str = "eth0"
    mtu: int = 1500
    route_protocol: str = "kernel"

    @property
    def closes_ingress(self) -> bool:
        """Whether what comes in clear from a node is dropped."""
        return self.strict in (INGRESS, BOTH)

    @property
    def closes_egress(self) -> bool:
        """Whether what leads to a part of the cluster that no node has is dropped."""
        return self.strict in (EGRESS, BOTH) and self.block_unknown


class Slots(NamedTuple):
    """The slots of the states that a host has: of those by which it receives, and sends, the newest last."""

    receive: tuple[int, ...]
    send: tuple[int, ...]


def spi_of(index: int, epoch: int, slot: int) -> int:
    """Return the SPI of what a node sends: `0x4B000000 | index << 12 | epoch << 4 | slot`.

    A state for input is found by destination and SPI alone, never by source (net/xfrm/xfrm_state.c), so the sender has
    to be in it. Of epoch and slot as many bits as there is room for; the keys have them whole.
    """
    return _MARKER | index << _INDEX_SHIFT | epoch % _EPOCHS << _EPOCH_SHIFT | slot % _SLOTS


class SpiParts(NamedTuple):
    """What an SPI of ours says: the sender's index, and the remainders of its epoch by 256, and of its slot by 16."""

    sender: int
    epoch: int
    slot: int


def parts_of(spi: int) -> SpiParts | None:
    """Return what an SPI says, None for one that is none of ours."""
    if spi & 0xFF000000 != _MARKER:
        return None
    return SpiParts(spi >> _INDEX_SHIFT & 0xFFF, spi >> _EPOCH_SHIFT & 0xFF, spi & 0xF)


def family_of(text: str) -> int:
    """Return 4 or 6 for an address or a network."""
    return 6 if ":" in text else 4


def of_family(texts: Iterable[str], family: int) -> list[str]:
    """Return those addresses or networks that are of a family."""
    return [text for text in texts if family_of(text) == family]


def as_network(address: str) -> str:
    """Return an address as the network that holds it alone."""
    return f"{address}/{128 if family_of(address) == 6 else 32}"


Document = dict[str, Any]
Nodes = Mapping[str, IpsecNode]
