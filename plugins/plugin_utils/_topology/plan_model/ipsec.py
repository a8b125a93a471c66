# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The input of IPsec documents: nodes, settings, phases and SPIs.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix

SELECTORS, CILIUM = "selectors", "cilium"
OFF, EGRESS, INGRESS, BOTH = "off", "egress", "ingress", "both"

INDEXES = range(1, 1 << 12)
_MARKER, _INDEX_SHIFT, _EPOCH_SHIFT = 0x4B000000, 12, 4
_EPOCHS, _SLOTS = 1 << 8, 1 << 4


class Phase(IntEnum):
    """The phase of a node. Two nodes use the earlier of their phases between them."""

    ABSENT = 0
    RECEIVE = 1
    """It has all states, accepts encrypted packets and plaintext, and sends plaintext."""
    SEND = 2
    """It sends encrypted packets, and accepts both."""
    STRICT = 3
    """It sends encrypted packets, and accepts and sends plaintext only where the settings allow it."""


@dataclass(frozen=True)
class IpsecNode:
    """One node of the cluster.

    index: 1 to 4095, never changes, part of its SPIs. addresses: of the underlay, as a /32 or /128, at most one per
    family. epoch: its generation, increases with each boot, part of its keys. enabled: false for a node that stays unencrypted.
    phase: the phase that the document is for. further: its addresses other than those of the underlay.
    """

    name: str
    index: int
    addresses: tuple[Prefix, ...]
    pod_cidrs: tuple[Prefix, ...]
    epoch: int = 0
    enabled: bool = True
    phase: Phase = Phase.STRICT
    further: tuple[Prefix, ...] = ()

    @property
    def reached(self) -> Phase:
        """The phase; ABSENT for a node that is not enabled."""
        return self.phase if self.enabled else Phase.ABSENT


@dataclass(frozen=True)
class IpsecSettings:
    """Settings that all nodes share.

    key_bits: without the salt. replay_window: packets. epochs_ahead: the number of reboots of a node for which the others have
    states. priority: of the policies between nodes; exemptions come 100 before it. slot: the SA slot, increases with each key
    rotation. strict: OFF, EGRESS, INGRESS or BOTH. block_unknown: whether policies of strict egress block parts of
    cluster_cidrs that no node has, also new pods of the node itself. exempt_hosts, exempt_ports (TCP), exempt_cidrs: traffic
    between nodes that stays unencrypted, so that a controller that is a node keeps its connection; exempt_cidrs are also
    exempt from block_unknown. interface, mtu: of the underlay.
    route_protocol: of the routes of the profile cilium.
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
    block_unknown: bool = False
    cluster_cidrs: tuple[Prefix, ...] = ()
    profile: str = SELECTORS
    exempt_hosts: frozenset[str] = frozenset()
    exempt_ports: tuple[int, ...] = (22,)
    exempt_cidrs: tuple[Prefix, ...] = ()
    interface: str = "eth0"
    mtu: int = 1500
    route_protocol: str = "kernel"

    @property
    def closes_ingress(self) -> bool:
        """Whether plaintext from a node is dropped."""
        return self.strict in (INGRESS, BOTH)

    @property
    def closes_egress(self) -> bool:
        """Whether plaintext to other nodes is dropped."""
        return self.strict in (EGRESS, BOTH)

    @property
    def blocks_unknown(self) -> bool:
        """Whether policies block traffic to cluster networks that no node has."""
        return self.closes_egress and self.block_unknown


class Slots(NamedTuple):
    """The SA slots of a host's states for receiving and for sending, the newest last."""

    receive: tuple[int, ...]
    send: tuple[int, ...]


def spi_of(index: int, epoch: int, slot: int) -> int:
    """Return the SPI of a sender's state: `0x4B000000 | index << 12 | epoch << 4 | slot`.

    The kernel finds an input state by destination and SPI, never by source (net/xfrm/xfrm_state.c), so the SPI identifies the
    sender. It has the low 8 bits of the epoch and the low 4 of the slot; the key derivation has all bits.
    """
    return _MARKER | index << _INDEX_SHIFT | epoch % _EPOCHS << _EPOCH_SHIFT | slot % _SLOTS


class SpiParts(NamedTuple):
    """The parts of a managed SPI: the sender's index, its epoch modulo 256, and its SA slot modulo 16."""

    sender: int
    epoch: int
    slot: int


def parts_of(spi: int) -> SpiParts | None:
    """Return the parts of an SPI, None for an unmanaged one."""
    if spi & 0xFF000000 != _MARKER:
        return None
    return SpiParts(spi >> _INDEX_SHIFT & 0xFFF, spi >> _EPOCH_SHIFT & 0xFF, spi & 0xF)


def family_of(prefix: Prefix) -> int:
    """Return 4 or 6 for an address or a network."""
    return 4 if len(prefix.packed) == 4 else 6


def of_family(prefixes: Iterable[Prefix], family: int) -> list[Prefix]:
    """Return the addresses or networks of a family (4, 6)."""
    return [prefix for prefix in prefixes if family_of(prefix) == family]


Nodes = Mapping[str, IpsecNode]
