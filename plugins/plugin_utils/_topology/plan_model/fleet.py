# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input and output of the planner.

Input: one `HostInput` per host. Output: one `FleetPlan`, which describes each host once and holds public data only.
The document of a host is expanded from it when the host is applied, so the size of a plan is linear in the number of
hosts.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from ....module_utils._ip.prefix import Address, Prefix
from ....module_utils._wireguard.endpoint import Endpoint
from .direct import DirectPlan
from .ipsec_plan import IpsecPlan
from .nodes import Coverage, Encryption, NodePlan
from .plain_data import from_plain_data, to_plain_data

VERSION = 3

HUB = "hub"
SPOKE = "spoke"


class Absence(Enum):
    """Why a host takes no part in a run: the verb of a sentence for one host and for several, and what to do."""

    OUTSIDE = "is not in this run", "are not in this run", "run {} too"
    LATER = (
        "is in a later batch of this run",
        "are in a later batch of this run",
        "run all hosts at once, without serial",
    )
    UNREACHABLE = "is unreachable", "are unreachable", "run again when {} reachable"
    FAILED = "failed earlier in this run", "failed earlier in this run", "correct that failure and run again"
    # Ansible has no variable that tells a host that failed in an earlier play or batch from one that is unreachable.
    LOST = (
        "is unreachable or failed earlier in this run",
        "are unreachable or failed earlier in this run",
        "correct that and run again",
    )
    SILENT = "has no facts in this run", "have no facts in this run", "run the task that gathers them (overlay_prepare)"

    @property
    def words(self) -> str:
        """The end of a sentence about one host."""
        return str(self.value[0])

    def of(self, names: Collection[str]) -> str:
        """Return the end of a sentence about hosts."""
        return str(self.value[0 if len(names) == 1 else 1])

    def remedy(self, names: Collection[str] = ("",)) -> str:
        """Return what to do about hosts, by default about one."""
        pronoun = ("it", "it is") if len(names) == 1 else ("them", "they are")
        return str(self.value[2]).format(pronoun[self is Absence.UNREACHABLE])


class HostInput(NamedTuple):
    """The variables and facts of one host.

    variables: by name, without the role's prefix, templated, plain.
    unresolved: the variables whose templates could not be evaluated, with the reason.
    fact: the result of `overlay_prepare`, None for a host without facts.
    parts: HUB, SPOKE or both, by the groups of the host; empty in a mesh.
    probe_results: registered results of `probe_info` and `stun_info` on it.
    reached: whether the host is in this batch of the play and has not failed, so that it is changed together with others.
    shared: the variables whose values come from those of all roles, `overlay_...`.
    outside: whether it is not in this run at all, for example because of `--limit`. lost: why a host in the run takes no
    further part in it, None if it does; without a fact it is unreachable then.
    """

    name: str
    variables: Mapping[str, object]
    ansible_host: str = ""
    fact: Mapping[str, Any] | None = None
    unresolved: Mapping[str, str] = {}
    parts: tuple[str, ...] = ()
    probe_results: Sequence[Mapping[str, Any]] = ()
    reached: bool = True
    outside: bool = False
    lost: Absence | None = None
    shared: frozenset[str] = frozenset()

    @property
    def absence(self) -> Absence:
        """Why this host is not changed, if it is not."""
        if self.outside:
            return Absence.OUTSIDE
        if self.lost or self.fact is None:
            return self.lost or Absence.UNREACHABLE
        return Absence.SILENT if self.reached else Absence.LATER


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of a host by address family. Each peer resolves `name` itself.

    name_family: the only family of the name's addresses that peers may use, "" for both.
    """

    ipv4: Endpoint | None = None
    ipv6: Endpoint | None = None
    name: Endpoint | None = None
    name_family: str = ""

    def __bool__(self) -> bool:
        return bool(self.ipv4 or self.ipv6 or self.name)

    @property
    def known(self) -> tuple[Endpoint, ...]:
        """The endpoints that exist."""
        return tuple(one for one in (self.ipv4, self.ipv6, self.name) if one)


@dataclass(frozen=True)
class StaticPeer:
    """An unmanaged peer. Its preshared key, if any, is never part of a plan."""

    name: str
    public_key: str
    endpoint: Endpoint | None = None
    allowed_ips: tuple[Prefix, ...] = ()
    persistent_keepalive: int = 0


@dataclass(frozen=True)
class PeerOverride:
    """The override of a host for one peer; None keeps the common value.

    no_endpoint: the host never initiates to this peer.
    """

    endpoint: Endpoint | None = None
    persistent_keepalive: int | None = None
    no_endpoint: bool = False


@dataclass(frozen=True)
class FullTunnel:
    """The full tunnel of a spoke. exits: by name of a hub, the families whose traffic is sent through it.

    priority: that of the first rule. former_fwmark: the mark of an earlier run, 0 if unknown. Without exits, the rules and
    routes of an earlier run are removed.
    """

    table: int
    priority: int
    fwmark: int = 0
    exits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    former_fwmark: int = 0


@dataclass(frozen=True)
class Device:
    """The part of a plan that only the host itself needs: its device, unmanaged peers and overrides.

    A spoke has a device for each hub; private_key_files, listen_ports and keepalives are by their names. masquerade: the
    prefixes that a hub hides behind its own address; is_exit: whether any spoke sends everything through it.
    endpoint_family: the only family of the addresses that the host uses for names, "" for both. routes_except: networks
    that get no route. retired: the interfaces of this overlay that the host still has and the run removes.
    adopted: notes of values that come from an adopted interface.
    """

    private_key_file: str
    listen_port: int
    fwmark: int
    mtu: int
    persistent_keepalive: int
    persistence: str
    routes: bool = True
    purge: bool = True
    userspace: bool = False
    adopt: bool = False
    allow_mass_removal: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    static_peers: tuple[StaticPeer, ...] = ()
    overrides: Mapping[str, PeerOverride] = field(default_factory=dict)
    private_key_files: Mapping[str, str] = field(default_factory=dict)
    listen_ports: Mapping[str, int] = field(default_factory=dict)
    keepalives: Mapping[str, int] = field(default_factory=dict)
    masquerade: tuple[Prefix, ...] = ()
    open_firewall: bool = False
    is_exit: bool = False
    full_tunnel: FullTunnel | None = None
    threaded_napi: bool | None = None
    endpoint_family: str = ""
    routes_except: tuple[Prefix, ...] = ()
    retired: tuple[str, ...] = ()
    adopt_allow_loss: bool = False
    adopted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hub:
    """What makes a host a hub: the name of the device that leads to it, on itself and on every spoke, and its rank.

    Of two hubs the one with the lower priority is preferred; on spokes it is the metric of the routes through it.
    """

    interface: str
    priority: int


@dataclass(frozen=True)
class HostPlan:
    """One member: what other members need of it, and its own device.

    public_key: None if unknown; then other members keep their state of this peer. device: None without facts of the host.
    families: the address families over which it can reach others.
    hub: set for a hub. public_keys: those of a spoke, by its devices; ports: where these are reached, for a spoke that
    has endpoints. static_prefixes: of a hub, the overlay addresses of its unmanaged peers. node: set for a Kubernetes node.
    """

    public_key: str | None
    addresses: tuple[Address, ...] = ()
    networks: tuple[Prefix, ...] = ()
    endpoints: Endpoints = Endpoints()
    families: tuple[str, ...] = ("ipv4", "ipv6")
    device: Device | None = None
    hub: Hub | None = None
    public_keys: Mapping[str, str | None] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    static_prefixes: tuple[Prefix, ...] = ()
    node: NodePlan | None = None

    def key_on(self, interface: str) -> str | None:
        """Return the public key of the host on a device; a mesh member and a hub have one device, whatever its name."""
        return self.public_keys.get(interface) if self.public_keys else self.public_key


@dataclass(frozen=True)
class FleetPlan:
    """The desired state of a fleet: hosts by name, members with an unknown key, revoked keys and their names.

    networks: those of the overlay, which spokes route to their hubs. isolate: spokes reach hubs only.
    retired: the devices towards revoked hubs. direct: the tunnels between spokes, None without any.
    encryption: settings of all Kubernetes nodes with WireGuard; ipsec: the plan of those with IPsec.
    overlay: name of the overlay, which hosts record for their devices; "" keeps the record. groups: those of all members,
    recorded, too; "" for others than whole groups.
    variables: by option of a module, the variable that sets it, for messages. absent: the members that are not changed
    together with the hosts of this run. coverage: of the nodes of a cluster, whether they encrypt. refused: the members that are
    not planned because of what they report, or others report of them, with the reason. refusals: by host, the keys that it alone
    refuses, with names. left: by host, its note on the addresses of revoked hosts. silent: why hosts of this run without facts
    have none, and what to do. former_names: of peers that may be silent members, so that they are kept.
    """

    interface: str
    hosts: Mapping[str, HostPlan]
    unknown: tuple[str, ...] = ()
    revoked: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    topology: str = "mesh"
    version: int = VERSION
    networks: tuple[Prefix, ...] = ()
    isolate: bool = False
    retired: tuple[str, ...] = ()
    direct: DirectPlan | None = None
    encryption: Encryption | None = None
    overlay: str = ""
    ipsec: IpsecPlan | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    coverage: tuple[Coverage, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    refusals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    groups: str = ""
    former_names: tuple[str, ...] = ()

    def refuses(self, name: str, public_key: str | None) -> bool:
        """Return whether a host refuses a key for itself, which others may accept."""
        return public_key in self.refusals.get(name, ())

    @property
    def hubs(self) -> list[tuple[str, Hub]]:
        """The hubs with their names, the preferred one first."""
        found = [(name, host.hub) for name, host in self.hosts.items() if host.hub is not None]
        return sorted(found, key=lambda entry: (entry[1].priority, entry[0]))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data, in a stable order."""
        ordered = replace(self, hosts=dict(sorted(self.hosts.items())), revoked=dict(sorted(self.revoked.items())))
        data: dict[str, Any] = to_plain_data(ordered)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], device_of: str | None = None) -> FleetPlan:
        """Return the plan that `to_dict` described, with the device of one host or (by default) of all.

        Raises ValueError for data that is not a plan of this version.
        """
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            raise ValueError(f"not a fleet plan of version {VERSION}")
        return from_plain_data(cls, data if device_of is None else _without_other_devices(data, device_of))


def _without_other_devices(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a plan as plain data without the parts that only other hosts need, so that these are not decoded."""
    hosts, direct = data["hosts"], data["direct"]
    return {
        **data,
        "hosts": {
            other: host
            if other == name
            else {**host, "device": None, "node": host["node"] and {**host["node"], "steering": None}}
            for other, host in hosts.items()
        },
        "direct": direct and {**direct, "pairs": [pair for pair in direct["pairs"] if name in pair["names"]]},
    }


class Newcomers(NamedTuple):
    """The new hosts of a run, and the members that get them as a peer with their next run, or in a later batch of this one."""

    hosts: tuple[str, ...]
    next_run: tuple[str, ...] = ()
    later_batch: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanResult:
    """A plan, unless there are problems; both problems and warnings are lines ready to be shown.

    direct: what the role needs to probe and report direct tunnels between spokes, None without any. lacking: the members
    whose keys hosts of this run need, and nobody in it knows. newcomers: None without any.
    """

    plan: FleetPlan | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    direct: Mapping[str, Any] | None = None
    lacking: tuple[str, ...] = ()
    newcomers: Newcomers | None = None
