# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The values a topology is planned from and to.

In: one `HostInput` per host. Out: one `FleetPlan`, each host described once, public data only; the document
for one host is expanded from it where that host is applied, so that a plan grows with the number of hosts and
not with its square. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_model import DirectPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_model import IpsecPlan
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import Encryption, NodePlan

VERSION = 3

HUB = "hub"
SPOKE = "spoke"


class HostInput(NamedTuple):
    """What the inventory and the host itself say.

    variables: by name, without the role's prefix, templated, plain.
    unresolved: the variables whose templates could not be evaluated, with the reason.
    fact: what `overlay_facts` returned, None where the host has not been contacted.
    parts: HUB, SPOKE or both, by the groups that the host is in; empty in a mesh.
    heard: results of modules that asked it since, as they were registered.
    reached: whether this run of the play speaks to the host, and has not failed there.
    """

    name: str
    variables: Mapping[str, object]
    ansible_host: str = ""
    fact: Mapping[str, Any] | None = None
    unresolved: Mapping[str, str] = {}
    parts: tuple[str, ...] = ()
    heard: Sequence[Mapping[str, Any]] = ()
    reached: bool = True


@dataclass(frozen=True)
class Endpoints:
    """Where a host is reached, as `host:port` by address family; `name` is resolved by whoever uses it."""

    ipv4: str = ""
    ipv6: str = ""
    name: str = ""

    def __bool__(self) -> bool:
        return bool(self.ipv4 or self.ipv6 or self.name)

    @property
    def texts(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(text for text in (self.ipv4, self.ipv6, self.name) if text)


@dataclass(frozen=True)
class StaticPeer:
    """A peer this collection does not manage. Its preshared key, if any, is never part of a plan."""

    name: str
    public_key: str
    endpoint: str = ""
    allowed_ips: tuple[str, ...] = ()
    persistent_keepalive: int = 0


@dataclass(frozen=True)
class PeerOverride:
    """One host's own view of a peer; None leaves the peer's common value, an empty endpoint means none at all."""

    endpoint: str | None = None
    persistent_keepalive: int | None = None


@dataclass(frozen=True)
class FullTunnel:
    """How a spoke sends everything through its hubs: exits are the families that each takes on, by the hub's name.

    Rules have priorities from the given one on. Without exits, what an earlier run made is taken back.
    """

    table: int
    priority: int
    fwmark: int = 0
    exits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FullTunnel:
        """Return what `dataclasses.asdict` described."""
        return cls(**{**data, "exits": {name: tuple(kinds) for name, kinds in data["exits"].items()}})


@dataclass(frozen=True)
class Device:
    """What only the host itself needs: its device, its unmanaged peers and its views of the others.

    A spoke has a device for each hub; private_key_files and listen_ports are by their names. masquerade: the prefixes
    that a hub hides behind its own address; is_exit: whether any spoke sends everything through it.
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
    masquerade: tuple[str, ...] = ()
    open_firewall: bool = False
    is_exit: bool = False
    full_tunnel: FullTunnel | None = None
    threaded_napi: bool | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Device:
        """Return the device that `dataclasses.asdict` described."""
        fields = dict(data)
        fields["static_peers"] = tuple(
            StaticPeer(**{**peer, "allowed_ips": tuple(peer["allowed_ips"])}) for peer in data["static_peers"]
        )
        fields["masquerade"] = tuple(data["masquerade"])
        if data["full_tunnel"] is not None:
            fields["full_tunnel"] = FullTunnel.from_dict(data["full_tunnel"])
        fields["overrides"] = {name: PeerOverride(**view) for name, view in data["overrides"].items()}
        return cls(**fields)


@dataclass(frozen=True)
class Hub:
    """What makes a host a hub: the name of the device that leads to it, on itself and on every spoke, and its rank.

    Of two hubs the one with the lower priority is preferred; on spokes it is the metric of the routes through it.
    """

    interface: str
    priority: int


@dataclass(frozen=True)
class HostPlan:
    """One member: what its neighbours need to know of it, and its own device.

    public_key is None where nobody knows it; device is None where the host's variables cannot be evaluated
    (it was not contacted, and they depend on facts). Neighbours keep what they hold of either.
    families: the address families it can reach others by.
    hub: set for a hub. public_keys: those of a spoke, by its devices; ports: where these are reached, for a spoke that
    has endpoints. node: set for a Kubernetes node.
    """

    public_key: str | None
    addresses: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    endpoints: Endpoints = Endpoints()
    families: tuple[str, ...] = ("ipv4", "ipv6")
    device: Device | None = None
    hub: Hub | None = None
    public_keys: Mapping[str, str | None] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    node: NodePlan | None = None

    def key_on(self, interface: str) -> str | None:
        """Return the host's public key on a device; a mesh member and a hub have one device, whatever its name."""
        return self.public_keys.get(interface) if self.public_keys else self.public_key

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], with_device: bool = True) -> HostPlan:
        """Return the host that `dataclasses.asdict` described; reading 1,000 devices to use one is a waste."""
        device = data["device"] if with_device else None
        return cls(
            data["public_key"],
            tuple(data["addresses"]),
            tuple(data["networks"]),
            Endpoints(**data["endpoints"]),
            tuple(data["families"]),
            None if device is None else Device.from_dict(device),
            None if data["hub"] is None else Hub(**data["hub"]),
            data["public_keys"],
            data["ports"],
            None if data["node"] is None else NodePlan.from_dict(data["node"], with_device),
        )


@dataclass(frozen=True)
class FleetPlan:
    """Everything that is to be, once: hosts by name, members nobody knows a key of, revoked keys and their names.

    networks: those of the overlay, which spokes route to their hubs. isolate: spokes reach hubs only.
    retired: the devices that led to hubs which are revoked. direct: the tunnels between spokes, None without any.
    encryption: what holds for all Kubernetes nodes; ipsec: the same, and of each of them, where they encrypt by IPsec.
    overlay: what hosts remember their devices to belong to, "" to leave that open.
    """

    interface: str
    hosts: Mapping[str, HostPlan]
    unknown: tuple[str, ...] = ()
    revoked: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    topology: str = "mesh"
    version: int = VERSION
    networks: tuple[str, ...] = ()
    isolate: bool = False
    retired: tuple[str, ...] = ()
    direct: DirectPlan | None = None
    encryption: Encryption | None = None
    overlay: str = ""
    ipsec: IpsecPlan | None = None

    @property
    def hubs(self) -> list[tuple[str, Hub]]:
        """The hubs with their names, the preferred one first."""
        found = [(name, host.hub) for name, host in self.hosts.items() if host.hub is not None]
        return sorted(found, key=lambda entry: (entry[1].priority, entry[0]))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain data, in a stable order."""
        return {
            "version": self.version,
            "topology": self.topology,
            "interface": self.interface,
            "hosts": {name: _plain(asdict(self.hosts[name])) for name in sorted(self.hosts)},
            "unknown": list(self.unknown),
            "revoked": dict(sorted(self.revoked.items())),
            "excluded": list(self.excluded),
            "networks": list(self.networks),
            "isolate": self.isolate,
            "retired": list(self.retired),
            "direct": None if self.direct is None else _plain(asdict(self.direct)),
            "encryption": None if self.encryption is None else _plain(asdict(self.encryption)),
            "overlay": self.overlay,
            "ipsec": None if self.ipsec is None else self.ipsec.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], device_of: str | None = None) -> FleetPlan:
        """Return the plan that `to_dict` described, with the device of one host or (by default) of all.

        Raises ValueError for what is no plan of this version.
        """
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            raise ValueError(f"not a fleet plan of version {VERSION}")
        return cls(
            data["interface"],
            {
                name: HostPlan.from_dict(host, device_of is None or name == device_of)
                for name, host in data["hosts"].items()
            },
            tuple(data["unknown"]),
            dict(data["revoked"]),
            tuple(data["excluded"]),
            data["topology"],
            networks=tuple(data["networks"]),
            isolate=data["isolate"],
            retired=tuple(data["retired"]),
            direct=None if data["direct"] is None else DirectPlan.from_dict(data["direct"], device_of),
            encryption=None if data["encryption"] is None else Encryption.from_dict(data["encryption"]),
            overlay=data["overlay"],
            ipsec=None if data["ipsec"] is None else IpsecPlan.from_dict(data["ipsec"]),
        )


@dataclass(frozen=True)
class Outcome:
    """A plan, unless there are problems; both problems and warnings are lines ready to be shown.

    direct: what a role needs to know to make and report direct tunnels between spokes, None where nobody wants any.
    """

    plan: FleetPlan | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    direct: Mapping[str, Any] | None = None


def _plain(value: Any) -> Any:
    """Return nested data with lists for tuples, as it comes back from JSON."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value
