# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The document of a host: the options of the module `overlay_apply`, as the planner builds them.

Only what the planner sets is here; the options are documented with the module.
This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict


class _Peer(TypedDict):
    public_key: str
    name: str
    endpoint: str | None
    allowed_ips: list[str]
    persistent_keepalive: int
    addresses: list[str]


class PeerEntry(_Peer, total=False):
    """A peer of an interface. addresses: its overlay addresses, without lengths.

    exit: whether all traffic is sent to it (full tunnel). routed: whether it gets routes. endpoint_family: the family of the
    address that the host uses for a name. keep_preshared_key: whether it keeps its preshared key if it is a peer already.
    All as in `overlay_apply`.
    """

    exit: bool
    routed: bool
    endpoint_family: str
    keep_preshared_key: bool


class _Named(TypedDict):
    name: str


class InterfaceNotes(TypedDict, total=False):
    """What a host records of an interface in its state file."""

    notes: Mapping[str, str]


class InterfaceEntry(_Named, InterfaceNotes, total=False):
    """An interface."""

    state: str
    remove_private_key: bool
    private_key_file: str
    new_key: str
    inventory_name: str
    listen_port: int
    fwmark: int
    mtu: int
    threaded_napi: bool
    addresses: Sequence[str]
    peers: list[PeerEntry]
    unknown_peers: list[str]
    revoked: Mapping[str, str]
    routes: bool
    routes_except: Sequence[str]
    route_metric: int
    purge: bool
    userspace: bool
    adopt: bool
    adopt_allow_loss: bool
    persistence: str
    allow_mass_removal: bool
    sysctls: Mapping[str, str]


class _Destination(TypedDict):
    destination: str


class RouteEntry(_Destination, total=False):
    """A route of a table."""

    type: str
    family: str
    dev: str
    via: str
    src: str
    metric: int
    mtu: int
    scope: str


class _Table(TypedDict):
    table: str
    purge: bool
    routes: list[RouteEntry]


class RouteTable(_Table, total=False):
    """All managed routes of a table."""

    protocol: str


RuleEntry = TypedDict(
    "RuleEntry",
    {
        "priority": int,
        "family": str,
        "table": str,
        "from": str,
        "iif": str,
        "fwmark": str,
        "invert": bool,
        "ipproto": str,
        "sport": str,
        "dport": str,
        "suppress_prefixlength": int,
    },
    total=False,
)


class RuleOwnership(TypedDict, total=False):
    """The priorities, tables and protocol of managed rules, and those without a table."""

    priorities: str
    tables: list[str]
    exceptions: list[RuleEntry]
    protocol: str
    purge: bool


class RuleSection(RuleOwnership):
    """All managed rules."""

    rules: list[RuleEntry]


class Aead(TypedDict):
    """The algorithm of a state, and the name of its key in `xfrm_keys`."""

    algorithm: str
    key_name: str
    icv_bits: int


class _State(TypedDict):
    src: str
    dst: str
    spi: str
    reqid: int
    aead: Aead


class StateEntry(_State, total=False):
    """An IPsec state."""

    mark: str
    output_mark: str
    key_survives_reboot: bool
    replay_window: int
    esn: bool
    receive_only: bool


class Template(TypedDict, total=False):
    """The template of a policy."""

    src: str
    dst: str
    spi: str
    mode: str
    reqid: int
    level: str


class PolicySelector(TypedDict, total=False):
    """What a policy selects by, besides addresses."""

    proto: str
    sport: int
    dport: int
    type: int


class _Policy(TypedDict):
    dir: str
    src: str
    dst: str


class PolicyEntry(_Policy, PolicySelector, total=False):
    """An IPsec policy."""

    state: str
    action: str
    mark: str
    priority: int
    templates: list[Template]


class XfrmOwnership(TypedDict):
    """The reqids of managed states or policies."""

    purge: bool
    owned_reqids: str


class StateSection(XfrmOwnership, total=False):
    """All managed states."""

    states: list[StateEntry]
    allow_nonce_reuse: bool


class PolicySection(XfrmOwnership):
    """All managed policies."""

    policies: list[PolicyEntry]


class BootNode(TypedDict):
    """Another node, as recorded on a node."""

    index: int
    epoch: int
    phase: int


class BootSection(TypedDict, total=False):
    """The boot files of IPsec. ahead: by epoch the states for sending after as many reboots. outside: names by address of nodes
    that the run does not change; no state with them is replaced. hosts: nodes with encrypted traffic to this node itself, except
    for the TCP ports in ports.
    """

    state: str
    epoch: int
    index: int
    ahead: dict[str, list[StateEntry]]
    slots: dict[str, list[int]]
    nodes: dict[str, BootNode]
    outside: dict[str, str]
    hosts: list[str]
    ports: list[int]


class ForwardEntry(TypedDict, total=False):
    """Forwarded packets that are accepted."""

    iif: str
    oif: str


class MarkEntry(TypedDict, total=False):
    """Packets that get a mark."""

    mark: str
    iif: str
    not_iif: list[str]
    saddr: list[str]
    daddr: list[str]
    ct_saddr: list[str]
    udp_dport: int
    l4proto: str


class DroppedHosts(TypedDict, total=False):
    """The nodes to which plaintext is dropped, and those to which that of pods is."""

    hosts: list[str]
    pod_hosts: list[str]
    pods: list[str]
    ports: list[int]
    mark: str
    tcp_ports: list[int]


_Dropped = TypedDict(
    "_Dropped", {"directions": list[str], "networks": list[str], "except": list[str], "interfaces": list[str]}
)


class DropEntry(_Dropped, DroppedHosts, total=False):  # pylint: disable=inconsistent-mro  # one base is made by a call
    """Plaintext that is dropped."""

    ipsec: bool
    own: list[str]
    except_in: list[str]


class FilterSection(TypedDict, total=False):
    """The part of the packet filter for an interface, or another name."""

    forward: list[ForwardEntry]
    isolate: bool
    masquerade: list[dict[str, str]]
    clamp_mss: bool
    set_mark: list[MarkEntry]
    mark_arp: MarkEntry
    drop_plaintext: DropEntry
    keep: list[str]


class HostDocument(TypedDict, total=False):
    """The options of `overlay_apply`."""

    interfaces: list[InterfaceEntry]
    preshared_keys: dict[str, dict[str, str]]
    ip_routes: list[RouteTable]
    ip_rules: RuleSection
    nftables: dict[str, FilterSection]
    xfrm_states: StateSection
    xfrm_policies: PolicySection
    xfrm_keys: dict[str, str]
    xfrm_boot: BootSection
    node_names: dict[str, str]
    keep_masqueraded: bool
    temporary_sysctls: dict[str, str]
    boot_name: str
    forwards: dict[str, list[str]]
    open_firewall: bool
