# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan says of Kubernetes nodes beside what it says of every member.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RECEIVE, FLIP, LEAVE, CLOSE = "receive", "flip", "leave", "close"
PHASES = (RECEIVE, FLIP, LEAVE, CLOSE)
# With what a run may end: ALL of the phases, before the first (PREPARE), with one of them, or when all sessions are there.
ALL, PREPARE, VERIFY = "all", "prepare", "verify"
ENDS = (ALL, PREPARE, RECEIVE, VERIFY, FLIP, LEAVE)
IN, OUT = "in", "out"
# The chains of ours that drop plain text (nftables/table.py).
CLOSED_CHAINS = {IN: "closed_in", OUT: "closed_out"}


@dataclass(frozen=True)
class Encryption:
    """What holds for all nodes: what is closed to plain text, and whether nodes themselves talk encrypted.

    cluster_cidrs: all pods there are or will be. closed: of IN and OUT those where plain text is dropped.
    exempt_hosts: the names of members that may nevertheless be reached by plain text. retiring: the device that goes,
    because another one has taken over, and its port.
    """

    cluster_cidrs: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    host_encryption: bool = False
    exempt_hosts: tuple[str, ...] = ()
    retiring: str = ""
    retiring_port: int = 0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Encryption:
        """Return what `dataclasses.asdict` described."""
        return cls(**_with_tuples(data))


@dataclass(frozen=True)
class Steering:
    """How one node's packets find the tunnel, and what it has of that now.

    mark: `value/mask` of the tunnel's own packets. route_action: what becomes of packets that no route leads on.
    settled: the destinations that lead through the device now; settled_for_pods: those that do so for pods' packets.
    closed: the chains of ours that drop plain text now. strict_rp_filter: the underlay's interfaces whose source check is
    strict. profile: one of `node_profiles.PROFILES`. route_protocol: what routes carry, as a number or a name. gateways: the
    addresses of the leader of the node's location, or those that it uses now, with the interface that leads there; none on
    a leader.
    """

    mark: str
    table: int
    rule_priority: int
    rule_protocol: str
    route_action: str
    pod_interfaces: tuple[str, ...] = ()
    exclude_cidrs: tuple[str, ...] = ()
    exempt_ports: tuple[int, ...] = ()
    clamp_mss: bool = True
    settled: tuple[str, ...] = ()
    settled_for_pods: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    strict_rp_filter: tuple[str, ...] = ()
    profile: str = "overlay"
    route_protocol: str = "87"
    gateways: Mapping[str, str] = field(default_factory=dict)

    @property
    def tables(self) -> tuple[int, int]:
        """The table of all packets, and that of pods' packets to nodes."""
        return self.table, self.table + 1

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Steering:
        """Return what `dataclasses.asdict` described."""
        return cls(**_with_tuples(data))


@dataclass(frozen=True)
class NodePlan:
    """One node. addresses: its own, without lengths, one for each family. enabled: whether it shall encrypt.

    reached: whether this run speaks to it, so that what leads to it can be changed on both sides. leader: the name of the
    node that has the tunnels for it (`node_locations.py`), "" where nobody knows; without locations it is itself.
    """

    addresses: tuple[str, ...]
    pod_cidrs: tuple[str, ...]
    extra_allowed_ips: tuple[str, ...] = ()
    enabled: bool = True
    reached: bool = True
    steering: Steering | None = None
    leader: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], with_steering: bool = True) -> NodePlan:
        """Return what `dataclasses.asdict` described; only its own host needs the steering."""
        steering = data["steering"] if with_steering else None
        return cls(
            tuple(data["addresses"]),
            tuple(data["pod_cidrs"]),
            tuple(data["extra_allowed_ips"]),
            data["enabled"],
            data["reached"],
            None if steering is None else Steering.from_dict(steering),
            data["leader"],
        )


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
