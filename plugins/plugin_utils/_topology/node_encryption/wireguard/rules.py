# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on Kubernetes nodes: networks of pods, marks of others on the same host, and what is closed to plain text.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from .....module_utils._ip.prefix import Prefix
from ...._prefix_index import PrefixIndex
from ...._problems import Problem, host_list, possessive
from ...fleet.member import Member
from .. import node_fact
from ..inputs import is_reached
from ..profiles import CALICO, CILIUM, OWNERS
from ..rules import differing, left_behind, owned_by_its_own, runs_plugin
from ..settings import FWMARK, NodeSettings
from .fleet import NodeFleet

# Bits of packet marks that others set on a Kubernetes node. kube-proxy: KUBE-MARK-DROP and KUBE-MARK-MASQ; Cilium:
# pkg/datapath/linux/linux_defaults (MagicMark*); Calico: the default of felix's IptablesMarkMask.
MARKS = {"kube-proxy": 0xC000, "Cilium": 0x0F00}
CALICO_MARKS = 0xFFFF0000
_FREE_BESIDE_CALICO = 0x1000
_FREE_PORT = 51830
_LOWEST_PRIORITY = 3
_NAMED = 3


def violations(nodes: NodeFleet) -> Iterator[Problem]:
    """Yield the problems of the nodes."""
    members = [member for member in nodes.fleet.resolved if nodes.node_settings[member.name].enabled]
    yield from _networks(nodes)
    for member in members:
        yield from _marks(nodes, member)
        yield from _port(nodes, member)
        yield from _profile(nodes, member)
        yield from _closed(nodes, member)
    yield from _node_addresses(nodes, {member.name for member in members})
    yield from _same(nodes, members)
    yield from _exempt(nodes, members)


def warnings(nodes: NodeFleet, remembered: Collection[str]) -> Iterator[Problem]:
    """Yield warnings. remembered: names of nodes that are recorded as encrypting, by themselves or by others."""
    for discovery in nodes.discoveries.values():
        yield from discovery.warnings
    limited = [
        member.name
        for member in nodes.fleet.resolved
        if nodes.node_settings[member.name].enabled and member.public_key and not nodes.inputs[member.name].reached
    ]
    if limited and any(map(is_reached, nodes.inputs.values())):
        text = "so traffic with it stays as it is, encrypted or not, dropped or not"
        for name in limited:
            absence = nodes.inputs[name].absence
            text_of_host = f"the host {absence.words}, {text}; {absence.remedy()}"
            yield Problem(name, nodes.fleet.prefix + "enabled", text_of_host)
    inputs = {name: host for name, host in nodes.inputs.items() if name not in nodes.fleet.excluded}
    yield from left_behind(inputs, nodes.node_settings, remembered, nodes.fleet.prefix)


def _networks(nodes: NodeFleet) -> Iterator[Problem]:
    """Yield pod networks inside those of another node. Equal ones are found with the allowed IPs."""
    owned = [(cidr, name) for name, found in sorted(nodes.discoveries.items()) for cidr in found.pod_cidrs]
    index = PrefixIndex(owned)
    for cidr, name in owned:
        around = index.around(cidr)
        if around and around[1] != name:
            text = f"{cidr} is inside {around[0]} of {around[1]!r}; a pod address belongs to one node"
            yield Problem(name, nodes.fleet.prefix + "pod_cidrs", text)
    for member in nodes.fleet.resolved:
        # The other node, which has no route to it, would send it back.
        for cidr in nodes.node_settings[member.name].extra_allowed_ips:
            around = index.around(cidr)
            if around and around[1] != member.name:
                text = f"{cidr} is inside {around[0]}, pods of {around[1]!r}; list networks outside of the pod networks of others"
                yield Problem(member.name, nodes.fleet.prefix + "extra_allowed_ips", text)
    for name, found in sorted(nodes.discoveries.items()):
        for own in found.addresses:
            for cidr in nodes.node_settings[name].cluster_cidrs:
                if cidr.contains(own.address):
                    text = f"{cidr} contains the node's own address {own.address.bare}; list pod networks only"
                    yield Problem(name, nodes.fleet.prefix + "cluster_cidrs", text)


def _marks(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    settings, fwmark = nodes.node_settings[member.name], member.settings.fwmark
    if settings.profile == CILIUM:
        return  # its interface sets no mark
    mask = settings.fwmask or fwmark
    variable = nodes.fleet.prefix + "fwmark"
    if not fwmark:
        text = f"0 marks no packet, and rules tell encrypted packets by their mark; use another, such as {FWMARK:#x}"
        yield Problem(member.name, variable, text)
    elif fwmark & ~mask:
        text = f"{fwmark:#x} has bits outside of its mask {mask:#x}; use a mark within the mask"
        yield Problem(member.name, variable, text)
    others = dict(MARKS)
    if settings.profile != CALICO and runs_plugin(nodes.inputs[member.name], OWNERS[CALICO]):
        others["Calico"] = CALICO_MARKS
    for owner, bits in others.items():
        if mask & bits:
            text = f"{fwmark:#x}/{mask:#x} shares bits with the marks of {owner} ({bits:#x})"
            yield Problem(member.name, variable, f"{text}; use another, such as {_FREE_BESIDE_CALICO:#x}")


def _port(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    """Yield the port of a new device that is in use: other roles have the same default."""
    settings, fact = member.settings, nodes.inputs[member.name].fact
    if fact is None or settings.adopt or not node_fact.port_in_use(fact, settings.interface, settings.port):
        return
    alternate = nodes.node_settings[member.name].alternate_interface
    others = node_fact.other_interfaces(fact, (settings.interface, alternate))
    whose = f", perhaps by {' or '.join(others)}" if others else ""
    variable = "alternate_port" if settings.interface == alternate else "port"
    text = f"UDP port {settings.port} is in use on the host{whose}; use another, such as {_FREE_PORT}"
    yield Problem(member.name, nodes.fleet.prefix + variable, text)


def _profile(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    settings, prefix = nodes.node_settings[member.name], nodes.fleet.prefix
    owner = OWNERS.get(settings.profile, "")
    if owner and runs_plugin(nodes.inputs[member.name], owner):
        yield Problem(member.name, prefix + "profile", owned_by_its_own(settings.profile))
    if settings.profile == CILIUM and settings.host_encryption:
        text = "the profile cilium encrypts traffic between pods only; use another profile, or unset this variable"
        yield Problem(member.name, prefix + "host_encryption", text)
    if settings.profile == CILIUM and settings.virtual_ips:
        text = "the profile cilium routes by marks only and has no rule for addresses that move; use another profile"
        yield Problem(member.name, prefix + "virtual_ips", f"{text}, or unset this variable")
    if settings.profile != CILIUM and settings.rule_priority < _LOWEST_PRIORITY:
        text = f"exceptions need two lower priority numbers; use {_LOWEST_PRIORITY} or more"
        yield Problem(member.name, prefix + "rule_priority", text)


def _closed(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    settings = nodes.node_settings[member.name]
    variable = nodes.fleet.prefix + "cluster_cidrs"
    if settings.strict and not settings.cluster_cidrs:
        text = "strict encryption needs all pod networks, also those of future nodes; list them here"
        yield Problem(member.name, variable, text)


def _node_addresses(nodes: NodeFleet, enabled: Collection[str]) -> Iterator[Problem]:
    """Yield the enabled nodes that share an address with another node."""
    owners: dict[Prefix, list[str]] = {}
    for name, found in nodes.discoveries.items():
        for address in dict.fromkeys(own.address for own in found.addresses):
            owners.setdefault(address, []).append(name)
    for address, names in owners.items():
        for name in names if len(names) > 1 else ():
            # A wrong group variable gives one address to all nodes: the first few are named.
            others = [other for other in names[: _NAMED + 1] if other != name][:_NAMED]
            for other in others if name in enabled else ():
                text = f"{address.bare} is also {possessive(other)}; set {nodes.fleet.prefix}node_ip for one of them"
                yield Problem(name, nodes.fleet.prefix + "node_ip", text)


_SAME: dict[str, Callable[[NodeSettings], object]] = {
    "host_encryption": lambda settings: settings.host_encryption,
    "strict": lambda settings: settings.strict,
    "cluster_cidrs": lambda settings: settings.cluster_cidrs,
    "profile": lambda settings: settings.profile,
    "granularity": lambda settings: settings.granularity,
    "virtual_ips": lambda settings: settings.virtual_ips,
}


def _same(nodes: NodeFleet, members: list[Member]) -> Iterator[Problem]:
    yield from differing(
        {member.name: nodes.node_settings[member.name] for member in members}, _SAME, nodes.fleet.prefix
    )


def _exempt(nodes: NodeFleet, members: list[Member]) -> Iterator[Problem]:
    variable = nodes.fleet.prefix + "exempt_hosts"
    exempt = set(nodes.encryption.exempt_hosts)
    for name in sorted(exempt - set(nodes.inputs)):
        for member in members:
            if name in nodes.node_settings[member.name].exempt_hosts:
                yield Problem(member.name, variable, f"{host_list([name])} is not a node of the group")
    if nodes.encryption.closed:
        for member in nodes.fleet.resolved:
            if not nodes.node_settings[member.name].enabled and member.name not in exempt:
                text = (
                    "the node does not encrypt, and the others drop plaintext; "
                    f"add it to {variable} of the others, or unset {nodes.fleet.prefix}strict"
                )
                yield Problem(member.name, nodes.fleet.prefix + "enabled", text)
