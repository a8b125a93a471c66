# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Direct tunnels between spokes, as a plan holds them.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True)
class DirectHost:
    """A spoke's device for direct tunnels. public_key is None where nobody knows it; notes are for its memory."""

    public_key: str | None
    private_key_file: str
    listen_port: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DirectPair:
    """Two spokes with a tunnel, in the order of their names.

    endpoints: where the first is called by the second, and the second by the first; empty to leave it alone.
    routed: whether packets are sent over it, or only taken from it, as while it is being tried.
    """

    names: tuple[str, str]
    endpoints: tuple[str, str]
    routed: bool


class Partner(NamedTuple):
    """The other end of a spoke's direct tunnel, and where it is called."""

    name: str
    endpoint: str
    routed: bool


@dataclass(frozen=True)
class DirectPlan:
    """All direct tunnels of a fleet: the name of their device, the spokes that have it, and the pairs.

    retired: the spokes that have the device, and shall not.
    """

    interface: str
    hosts: Mapping[str, DirectHost] = field(default_factory=dict)
    pairs: tuple[DirectPair, ...] = ()
    retired: tuple[str, ...] = ()

    def partners(self, name: str) -> Iterator[Partner]:
        """Yield the other ends of a spoke's tunnels."""
        for pair in self.pairs:
            if name in pair.names:
                other = 1 - pair.names.index(name)
                yield Partner(pair.names[other], pair.endpoints[other], pair.routed)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], of: str | None = None) -> DirectPlan:
        """Return the plan that `dataclasses.asdict` described, with the pairs of one spoke or (by default) of all."""
        return cls(
            data["interface"],
            {name: DirectHost(**host) for name, host in data["hosts"].items()},
            tuple(
                DirectPair(tuple(pair["names"]), tuple(pair["endpoints"]), pair["routed"])  # type: ignore[arg-type]
                for pair in data["pairs"]
                if of is None or of in pair["names"]
            ),
            tuple(data["retired"]),
        )
