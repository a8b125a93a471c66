# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule that spans the hosts of a fleet.

Violations must not be planned; advice is on what works, but not as its owner may think. Rules on prefixes, on
endpoints and on hubs have files of their own. This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ansible_collections.wirewright.overlay.plugins.plugin_utils import validation_endpoints, validation_prefixes
from ansible_collections.wirewright.overlay.plugins.plugin_utils.mtu import MINIMUM_IPV6, Choice
from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import Problem, host_list
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Fleet, Member


def mesh_violations(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield everything that is wrong between the members of a mesh."""
    yield from _interfaces(fleet)
    yield from violations(fleet, mtus)


def mesh_advice(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield everything in a mesh that is worth a warning."""
    yield from _alone(fleet)
    yield from advice(fleet, mtus)
    yield from validation_endpoints.advice(fleet)


def violations(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield what is wrong between hosts in any topology."""
    yield from _duplicate_keys(fleet)
    yield from _revoked_keys(fleet)
    yield from _static_peers(fleet)
    yield from _overrides(fleet)
    yield from _mtu_bounds(fleet, mtus)
    yield from validation_prefixes.violations(fleet)
    yield from validation_endpoints.violations(fleet)


def advice(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield what is worth a warning in any topology."""
    yield from _unknown(fleet)
    yield from _different_mtus(fleet, mtus)
    yield from validation_prefixes.advice(fleet)


def _interfaces(fleet: Fleet) -> Iterator[Problem]:
    used: dict[str, list[str]] = {}
    for member in fleet.resolved:
        used.setdefault(member.settings.interface, []).append(member.name)
    if len(used) < 2:
        return
    words = "; ".join(f"{interface} on {host_list(used[interface])}" for interface in sorted(used))
    for member in fleet.resolved:
        yield Problem(member.name, fleet.prefix + "interface", "a mesh has one interface name, not several: " + words)


def _duplicate_keys(fleet: Fleet) -> Iterator[Problem]:
    first: dict[str, Member] = {}
    for member in fleet.members:
        if member.public_key is None:
            continue
        other = first.setdefault(member.public_key, member)
        if other is not member:
            text = (
                f"this host has the same key as {other.name!r}, as cloned machines do; "
                f"remove {member.settings.private_key_file} on the one that is the copy, and run again"
            )
            yield Problem(member.name, fleet.prefix + "private_key_file", text)


def _revoked_keys(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.members:
        if member.public_key is not None and member.public_key in fleet.revoked:
            text = (
                f"the host's key is revoked ({fleet.revoked_by[member.public_key]}); "
                f"remove {member.settings.private_key_file} there, so that it makes a new one"
            )
            yield Problem(member.name, fleet.prefix + "private_key_file", text)


def _static_peers(fleet: Fleet) -> Iterator[Problem]:
    keys = {member.public_key: member.name for member in fleet.members if member.public_key}
    names = {member.name for member in fleet.members}
    variable = fleet.prefix + "static_peers"
    for member in fleet.resolved:
        seen: set[str] = set()
        for peer in member.settings.static_peers:
            label = host_list([peer.name or peer.public_key])
            if peer.public_key in keys:
                text = f"{label} has the key of member {keys[peer.public_key]!r}; a member is no static peer"
                yield Problem(member.name, variable, text)
            if peer.public_key in fleet.revoked:
                yield Problem(member.name, variable, f"the key of {label} is revoked")
            if peer.public_key in seen:
                yield Problem(member.name, variable, f"the key of {label} stands here twice")
            if peer.name in names:
                yield Problem(member.name, variable, f"{label} has the name of a member; choose another name")
            seen.add(peer.public_key)


def _overrides(fleet: Fleet) -> Iterator[Problem]:
    names = {member.name for member in fleet.members} | fleet.excluded
    for member in fleet.resolved:
        for name in member.settings.peer_overrides:
            if name == member.name or name not in names:
                text = f"{host_list([name])} is no other member"
                yield Problem(member.name, fleet.prefix + "peer_overrides", text)


def _mtu_bounds(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    variable = fleet.prefix + "mtu"
    for member in fleet.resolved:
        choice = mtus[member.name]
        has_ipv6 = any(":" in str(address) for address in member.addresses + member.settings.networks)
        if has_ipv6 and choice.mtu < MINIMUM_IPV6:
            text = f"{choice.mtu} is less than the {MINIMUM_IPV6} that IPv6 needs (RFC 8200)"
            yield Problem(member.name, variable, f"{text}; raise the underlay's MTU, or use IPv4 only")
        if member.settings.mtu and choice.ceiling is not None and member.settings.mtu > choice.ceiling:
            text = f"{member.settings.mtu} does not fit into the underlay, which leaves room for {choice.ceiling}"
            yield Problem(member.name, variable, f"{text}; set it to 0 for an automatic one")


def _unknown(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.members:
        if not member.resolved:
            text = "the host was not heard from, and its variables depend on its facts; the others keep what they hold"
            yield Problem(member.name, fleet.prefix + "public_key", text)
        elif member.public_key is None:
            text = (
                "nobody knows the host's public key, so it gets no tunnels now and the others keep what they hold; "
                f"bring it up and run again, or set {fleet.prefix}public_key"
            )
            yield Problem(member.name, fleet.prefix + "public_key", text)


def _alone(fleet: Fleet) -> Iterator[Problem]:
    if len(fleet.members) == 1 and not fleet.members[0].settings.static_peers:
        name = fleet.members[0].name
        yield Problem(name, fleet.prefix + "interface", "this is the only member, so there is nobody to talk to")


def _different_mtus(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield one warning if MTUs differ; guesses about hosts that were not heard from do not count."""
    hosts: dict[int, list[str]] = {}
    for member in fleet.resolved:
        if mtus[member.name].certain:
            hosts.setdefault(mtus[member.name].mtu, []).append(member.name)
    if len(hosts) < 2:
        return
    words = "; ".join(f"{size} on {host_list(hosts[size])}" for size in sorted(hosts))
    text = (
        f"the members' MTUs differ: {words}; large packets towards the smaller ones may be lost; "
        f"set {fleet.prefix}mtu to {min(hosts)} for all"
    )
    for name in hosts[min(hosts)]:
        yield Problem(name, fleet.prefix + "mtu", text)
