# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Direct tunnels between spokes, as a plan holds them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ....module_utils._wireguard.endpoint import Endpoint

# What follows the name of a spoke in the name of a peer of hubs, for its interface for direct tunnels.
DISCOVERY = " (direct)"


def discovery_name(spoke: str) -> str:
    """Return the name of a spoke's interface for direct tunnels as a peer of hubs; no inventory name has a space."""
    return spoke + DISCOVERY


@dataclass(frozen=True)
class DirectHost:
    """A spoke's interface for direct tunnels. public_key is None if unknown; notes: stored in its state file."""

    public_key: str | None
    private_key_file: str
    listen_port: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DirectPair:
    """Two spokes with a tunnel, in the order of their names.

    endpoints: of the first and of the second spoke, as the other one reaches it; None to keep the current one.
    routed: whether packets are sent over it; without routes it only accepts packets, as during a probe.
    """

    names: tuple[str, str]
    endpoints: tuple[Endpoint | None, Endpoint | None]
    routed: bool


class Partner(NamedTuple):
    """The other end of a spoke's direct tunnel, and its endpoint."""

    name: str
    endpoint: Endpoint | None
    routed: bool


@dataclass(frozen=True)
class DirectPlan:
    """All direct tunnels of a fleet: the name of their interface, the spokes that have it, and the pairs.

    retired: the spokes whose interface is to be removed. probing: whether pairs without routes are there for a probe only, so
    that they are no facts of their hosts.
    """

    interface: str
    hosts: Mapping[str, DirectHost] = field(default_factory=dict)
    pairs: tuple[DirectPair, ...] = ()
    retired: tuple[str, ...] = ()
    probing: bool = False

    def partners(self, name: str) -> Iterator[Partner]:
        """Yield the other ends of a spoke's tunnels."""
        for pair in self.pairs:
            if name in pair.names:
                other = 1 - pair.names.index(name)
                yield Partner(pair.names[other], pair.endpoints[other], pair.routed)
