# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules on Kubernetes nodes: networks of pods, marks of others on the same host, and what is closed to plain text.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.kubernetes.host_fact import read_fact
from ansible_collections.wirewright.overlay.plugins.plugin_utils.prefix_index import PrefixIndex
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list, possessive
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import ALL
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_profiles import CALICO, CILIUM, OWNERS

if TYPE_CHECKING:
    from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import HostInput
    from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_encryption import NodeFleet
    from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_settings import NodeSettings

# Bits of packet marks that others set on a Kubernetes node. kube-proxy: KUBE-MARK-DROP and KUBE-MARK-MASQ; Cilium:
# pkg/datapath/linux/linux_defaults (MagicMark*); Calico: the default of felix's IptablesMarkMask.
MARKS = {"kube-proxy": 0xC000, "Cilium": 0x0F00}
CALICO_MARKS = 0xFFFF0000
_FREE_BESIDE_CALICO = 0x1000


def violations(nodes: NodeFleet) -> Iterator[Problem]:
    """Yield what is wrong between nodes."""
    members = [member for member in nodes.fleet.resolved if nodes.extras[member.name].enabled]
    yield from _networks(nodes)
    for member in members:
        yield from _marks(nodes, member)
        yield from _profile(nodes, member)
        yield from _closed(nodes, member)
        yield from _node_addresses(nodes, member)
    yield from _same(nodes, members)
    yield from _exempt(nodes, members)


def advice(nodes: NodeFleet, remembered: Collection[str]) -> Iterator[Problem]:
    """Yield what is worth a warning. remembered: names of nodes that others, or they themselves, know as encrypting."""
    for discovery in nodes.discoveries.values():
        yield from discovery.warnings
    limited = [
        member.name
        for member in nodes.fleet.resolved
        if nodes.extras[member.name].enabled and member.public_key and not nodes.inputs[member.name].reached
    ]
    reached = [name for name, host in nodes.inputs.items() if host.reached and host.fact is not None]
    if limited and reached:
        text = (
            "this run does not speak to the host, so what leads to it stays as it is, encrypted or not; "
            "run without --limit and serial, when it can be reached"
        )
        yield from (Problem(name, nodes.fleet.prefix + "enabled", text) for name in limited)
    inputs = {name: host for name, host in nodes.inputs.items() if name not in nodes.fleet.excluded}
    yield from left_behind(inputs, nodes.extras, remembered, nodes.fleet.prefix)


def run_problems(extras: Mapping[str, NodeSettings], prefix: str) -> Iterator[Problem]:
    """Yield what is wrong with how nodes are to be taken through the phases, whatever encrypts."""
    yield from _differing(extras, _OF_THE_RUN, prefix)
    for name, extra in extras.items():
        if extra.rotate and extra.phase != ALL:
            text = (
                f"{extra.phase} would end the run halfway, and keys are changed in one; leave it out, or {prefix}rotate"
            )
            yield Problem(name, prefix + "phase", text)


def left_behind(
    inputs: Mapping[str, HostInput], extras: Mapping[str, NodeSettings], remembered: Collection[str], prefix: str
) -> Iterator[Problem]:
    """Yield the nodes that shall not encrypt any more, and that a run which takes it from others does not speak to.

    What is absent may have been forgotten by the others in a run before, so that is said again until the node is there.
    """
    away = [name for name, host in inputs.items() if not host.reached or host.fact is None]
    if len(away) == len(inputs):
        return
    for name in away:
        if extras[name].absent or (name in remembered and not extras[name].enabled):
            text = (
                "this run does not speak to the host, so it goes on encrypting if it did so, and nodes that it did speak "
                "to do not take that any more; run again when it can be reached, without --limit"
            )
            yield Problem(name, prefix + ("state" if extras[name].absent else "enabled"), text)


def _networks(nodes: NodeFleet) -> Iterator[Problem]:
    """Yield networks of pods inside those of another node; equal ones are found with the allowed IPs."""
    owned = [
        (parse_prefix(cidr), name) for name, found in sorted(nodes.discoveries.items()) for cidr in found.pod_cidrs
    ]
    index = PrefixIndex(owned)
    for cidr, name in owned:
        around = index.around(cidr)
        if around and around[1] != name:
            text = f"{cidr} is inside {around[0]} of {around[1]!r}; a pod's address belongs to one node"
            yield Problem(name, nodes.fleet.prefix + "pod_cidrs", text)
    for name, found in sorted(nodes.discoveries.items()):
        for own in found.addresses:
            address = parse_prefix(own.address)
            for cidr in nodes.extras[name].cluster_cidrs:
                if cidr.contains(address):
                    text = f"{cidr} holds the node's own address {own.address}; list the networks of pods only"
                    yield Problem(name, nodes.fleet.prefix + "cluster_cidrs", text)


def _marks(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    extra, fwmark = nodes.extras[member.name], member.settings.fwmark
    if extra.profile == CILIUM:
        return  # its device marks nothing
    mask = extra.fwmask or fwmark
    variable = nodes.fleet.prefix + "fwmark"
    if fwmark & ~mask or not mask:
        text = f"{fwmark:#x} has bits outside of its mask {mask:#x}; write a mark within the mask"
        yield Problem(member.name, variable, text)
    others = dict(MARKS)
    if extra.profile != CALICO and runs_plugin(nodes.inputs[member.name], OWNERS[CALICO]):
        others["Calico"] = CALICO_MARKS
    for owner, bits in others.items():
        if mask & bits:
            text = f"{fwmark:#x}/{mask:#x} shares bits with the marks of {owner} ({bits:#x})"
            yield Problem(member.name, variable, f"{text}; write another, such as {_FREE_BESIDE_CALICO:#x}")


def runs_plugin(host: HostInput, plugin_type: str) -> bool:
    """Return whether a host has a CNI plugin of this type."""
    found = read_fact(host.fact)
    return found is not None and any(plugin.type == plugin_type for plugin in found.plugins)


def owned_by_its_own(profile: str) -> str:
    """Return why a profile is refused where that runs which it looks like."""
    return (
        f"{profile} looks as what runs on this host, whose agent removes what it did not make under its own names; "
        "leave the profile out"
    )


def _profile(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    extra, prefix = nodes.extras[member.name], nodes.fleet.prefix
    owner = OWNERS.get(extra.profile, "")
    if owner and runs_plugin(nodes.inputs[member.name], owner):
        yield Problem(member.name, prefix + "profile", owned_by_its_own(extra.profile))
    if extra.profile == CILIUM and extra.host_encryption:
        text = "the profile cilium encrypts what pods say to pods; take another profile, or leave this out"
        yield Problem(member.name, prefix + "host_encryption", text)
    if extra.profile != CILIUM and extra.rule_priority == 1:
        text = "1 leaves no room for exceptions above it; write 2 or more"
        yield Problem(member.name, prefix + "rule_priority", text)


def _closed(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    extra = nodes.extras[member.name]
    variable = nodes.fleet.prefix + "cluster_cidrs"
    if extra.strict and not extra.cluster_cidrs:
        text = "closing needs to know all networks of pods, those of nodes to come as well; list them here"
        yield Problem(member.name, variable, text)
        return
    for text in nodes.discoveries[member.name].pod_cidrs:
        # Also where nothing is closed: a node that names other networks would get what is meant for these.
        if extra.cluster_cidrs and not _within(parse_prefix(text), extra.cluster_cidrs):
            listed = ", ".join(map(str, extra.cluster_cidrs))
            yield Problem(member.name, variable, f"{listed} does not hold {text} of this node; add what holds it")


def _within(cidr: Prefix, networks: tuple[Prefix, ...]) -> bool:
    return any(network == cidr or network.contains(cidr) for network in networks)


def _node_addresses(nodes: NodeFleet, member: Member) -> Iterator[Problem]:
    for own in nodes.discoveries[member.name].addresses:
        for name, found in nodes.discoveries.items():
            if name != member.name and any(other.address == own.address for other in found.addresses):
                text = f"{own.address} is also {possessive(name)}; write {nodes.fleet.prefix}node_ip for one of them"
                yield Problem(member.name, nodes.fleet.prefix + "node_ip", text)


_SAME: dict[str, Callable[[NodeSettings], object]] = {
    "host_encryption": lambda extra: extra.host_encryption,
    "strict": lambda extra: extra.strict,
    "cluster_cidrs": lambda extra: extra.cluster_cidrs,
    "profile": lambda extra: extra.profile,
    "granularity": lambda extra: extra.granularity,
}


_OF_THE_RUN: dict[str, Callable[[NodeSettings], object]] = {
    "flip_serial": lambda extra: extra.flip_serial,
    "phase": lambda extra: extra.phase,
}


def _same(nodes: NodeFleet, members: list[Member]) -> Iterator[Problem]:
    yield from _differing({member.name: nodes.extras[member.name] for member in members}, _SAME, nodes.fleet.prefix)


def _differing(
    extras: Mapping[str, NodeSettings], same: Mapping[str, Callable[[NodeSettings], object]], prefix: str
) -> Iterator[Problem]:
    for variable, value in same.items():
        by_value: dict[object, list[str]] = {}
        for name, extra in extras.items():
            by_value.setdefault(value(extra), []).append(name)
        if len(by_value) > 1:
            groups = " and ".join(sorted(host_list(names) for names in by_value.values()))
            for name in extras:
                text = f"nodes differ, {groups}; write one value for all of them, in their group"
                yield Problem(name, prefix + variable, text)


def _exempt(nodes: NodeFleet, members: list[Member]) -> Iterator[Problem]:
    variable = nodes.fleet.prefix + "exempt_hosts"
    exempt = set(nodes.encryption.exempt_hosts)
    for name in sorted(exempt - set(nodes.inputs)):
        for member in members:
            if name in nodes.extras[member.name].exempt_hosts:
                yield Problem(member.name, variable, f"{host_list([name])} is no node of the group")
    if nodes.encryption.closed:
        for member in nodes.fleet.resolved:
            if not nodes.extras[member.name].enabled and member.name not in exempt:
                text = (
                    "the node does not encrypt, and the others are closed to plain text; "
                    f"add it to {variable} of the others, or leave {nodes.fleet.prefix}strict out"
                )
                yield Problem(member.name, nodes.fleet.prefix + "enabled", text)
