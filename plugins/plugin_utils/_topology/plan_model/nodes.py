# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a plan that only Kubernetes nodes have.

This plugin util is private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ....module_utils._ip.prefix import Prefix

RECEIVE, SEND, STOP, ENFORCE = "receive", "send", "stop", "enforce"
PHASES = (RECEIVE, SEND, STOP, ENFORCE)
# Where a run may end: after ALL phases, before the first (PREPARE), after one of them, or when all sessions exist.
ALL, PREPARE, VERIFY = "all", "prepare", "verify"
ENDS = (ALL, PREPARE, RECEIVE, VERIFY, SEND, STOP)
IN, OUT = "in", "out"
# The managed chains that drop plaintext (_nftables/table.py).
DROP_CHAINS = {IN: "drop_ingress", OUT: "drop_egress"}


# Whether the traffic of a node of the cluster is encrypted.
ENCRYPTED, EXEMPT, NOT_COVERED = "encrypted", "exempt", "not covered"


class Coverage(NamedTuple):
    """A node of the cluster or a host of the group: its name, one of ENCRYPTED, EXEMPT and NOT_COVERED, and why."""

    name: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Encryption:
    """The settings that all nodes share.

    cluster_cidrs: the networks of all pods, also of future ones. closed: the directions, of IN and OUT, in which plaintext is
    dropped. host_encryption: whether traffic between the nodes themselves is encrypted. exempt_hosts: the names of members
    that may receive plaintext. retiring: the device that a key rotation removes, and its port.
    located: whether only traffic between locations is encrypted, that of nodes included.
    """

    cluster_cidrs: tuple[Prefix, ...] = ()
    closed: tuple[str, ...] = ()
    host_encryption: bool = False
    exempt_hosts: tuple[str, ...] = ()
    retiring: str = ""
    retiring_port: int = 0
    located: bool = False


class Gateway(NamedTuple):
    """A leader's address, as a /32 or /128, and the interface in whose network it is."""

    address: Prefix
    interface: str


@dataclass(frozen=True)
class Steering:
    """The routing of one node's packets into the tunnel, desired and current.

    mark: `value/mask` of the tunnel's own packets. route_action: the type of the route for pods without a node. settled: the
    destinations that are routed through the device now; settled_for_pods: the same for packets of pods. closed: the directions
    in which plaintext is dropped now. dropped: the destinations outside of the device whose packets the table drops now;
    plain: those that it leaves to the main table while plaintext of others is dropped. strict_rp_filter: the interfaces to
    other nodes and their pods with a strict source check. loosened: whether an interrupted run left any of them loose.
    accepted: the destinations of settled whose plaintext is accepted while that of others is dropped. profile: one of
    `profiles.PROFILES`. route_protocol: a number or a name. gateways: the addresses of the leader of the node's location, or
    those in use now; none on a leader. virtual_ips: addresses that move between nodes.
    """

    mark: str
    table: int
    rule_priority: int
    rule_protocol: str
    route_action: str
    pod_interfaces: tuple[str, ...] = ()
    exclude_cidrs: tuple[Prefix, ...] = ()
    exempt_ports: tuple[int, ...] = ()
    clamp_mss: bool = True
    settled: tuple[Prefix, ...] = ()
    settled_for_pods: tuple[Prefix, ...] = ()
    closed: tuple[str, ...] = ()
    dropped: tuple[Prefix, ...] = ()
    plain: tuple[Prefix, ...] = ()
    strict_rp_filter: tuple[str, ...] = ()
    loosened: bool = False
    accepted: tuple[Prefix, ...] = ()
    profile: str = "overlay"
    route_protocol: str = "87"
    gateways: tuple[Gateway, ...] = ()
    virtual_ips: tuple[Prefix, ...] = ()

    @property
    def tables(self) -> tuple[int, int, int]:
        """The table of all packets, that of packets of pods to nodes, and that of exempt ports to pods."""
        return self.table, self.table + 1, self.table + 2


@dataclass(frozen=True)
class NodePlan:
    """One node. addresses: its own, as a /32 or /128, first those of its tunnels, one per family. enabled: whether it encrypts.

    reached: whether it is in this run, so that both ends of a route to it can be changed. leader: the name of the node with
    its tunnels (`locations.py`), "" if unknown; without locations the node itself.
    """

    addresses: tuple[Prefix, ...]
    pod_cidrs: tuple[Prefix, ...]
    extra_allowed_ips: tuple[Prefix, ...] = ()
    enabled: bool = True
    reached: bool = True
    steering: Steering | None = None
    leader: str = ""
