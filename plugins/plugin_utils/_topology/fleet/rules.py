# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules across the hosts of a fleet, for every topology.

A violation prevents the plan; a warning does not. Rules on prefixes and on endpoints are in files of their own.
This plugin util is private to the collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

from ....module_utils._wireguard.keys import key_identity
from ..._problems import Problem, host_list
from . import endpoint_rules, prefix_rules
from .adoption_rules import awaits_adoption
from .different_networks import different_networks
from .identity import replace_key
from .member import Fleet, Member
from .mtu import MINIMUM_IPV6, Choice
from .settings import AUTO, NONE


def mesh_violations(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield problems between the members of a mesh."""
    yield from _interfaces(fleet)
    # A host without a network has addresses of its own: those of its variables, or of an adopted interface.
    yield from different_networks(fleet, [member for member in fleet.resolved if member.settings.network])
    for member in fleet.resolved:
        yield from endpoint_rules.unreached(member, member.settings.port, fleet.prefix + "port")
    yield from violations(fleet, mtus)


def mesh_warnings(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield warnings about a mesh."""
    yield from _alone(fleet)
    yield from warnings(fleet, mtus)
    yield from endpoint_rules.warnings(fleet)


def violations(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield problems between hosts in any topology."""
    yield from _duplicate_keys(fleet)
    yield from _revoked_keys(fleet)
    yield from _static_peers(fleet)
    yield from _overrides(fleet)
    yield from _mtu_bounds(fleet, mtus)
    yield from _disabled_ipv6(fleet)
    yield from prefix_rules.violations(fleet)
    yield from endpoint_rules.violations(fleet)


def warnings(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield warnings in any topology."""
    yield from _unknown(fleet)
    yield from _silent_static_peers(fleet)
    yield from _gone_after_a_boot(fleet)
    yield from _different_mtus(fleet, mtus)
    yield from prefix_rules.warnings(fleet)


def _interfaces(fleet: Fleet) -> Iterator[Problem]:
    used: dict[str, list[str]] = {}
    for member in fleet.resolved:
        used.setdefault(member.settings.interface, []).append(member.name)
    if len(used) < 2:
        return
    words = "; ".join(f"{interface} on {host_list(used[interface])}" for interface in sorted(used))
    for member in fleet.resolved:
        yield Problem(
            member.name, fleet.prefix + "interface", "a mesh needs the same interface name on all hosts: " + words
        )


def _duplicate_keys(fleet: Fleet) -> Iterator[Problem]:
    first: dict[bytes, Member] = {}
    for member in fleet.members:
        if member.public_key is None:
            continue
        other = first.setdefault(key_identity(member.public_key), member)
        if other is not member:
            text = (
                f"this host has the same key as {other.name!r}, as cloned machines have; "
                f"{replace_key('on the clone', member.settings.private_key_file)}, and run again"
            )
            yield Problem(member.name, fleet.prefix + "private_key_file", text)


def _revoked_keys(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.members:
        if member.public_key is not None and member.public_key in fleet.revoked:
            text = (
                f"the host's key is revoked ({fleet.revoked_by[member.public_key]}); "
                f"{replace_key('there', member.settings.private_key_file)}, and run again"
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
                text = f"{label} has the key of member {keys[peer.public_key]!r}; a member cannot be a static peer"
                yield Problem(member.name, variable, text)
            if peer.public_key in fleet.revoked:
                yield Problem(member.name, variable, f"the key of {label} is revoked")
            if peer.public_key in seen:
                yield Problem(member.name, variable, f"the key of {label} is listed twice")
            if peer.name in names:
                yield Problem(member.name, variable, f"{label} has the name of a member; choose another name")
            seen.add(peer.public_key)


def _gone_after_a_boot(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.resolved:
        seen = member.observation
        if member.settings.persistence == AUTO and seen is not None and seen.persistence == NONE:
            variable = fleet.prefix + "persistence"
            text = "the host runs no systemd, so nothing sets up the overlay after a reboot: run this play after each reboot"
            yield Problem(member.name, variable, f"{text}. If that is intended, set {variable} to none for this host")


def _silent_static_peers(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.resolved:
        for peer in member.settings.static_peers:
            if not peer.allowed_ips:
                text = f"{host_list([peer.name or peer.public_key])} has no allowed_ips, so no packet goes to or comes from it"
                yield Problem(member.name, fleet.prefix + "static_peers", f"{text}; list its address and its networks")


def _overrides(fleet: Fleet) -> Iterator[Problem]:
    names = {member.name for member in fleet.members} | fleet.excluded
    for member in fleet.resolved:
        for name in member.settings.peer_overrides:
            if name == member.name or name not in names:
                text = f"{host_list([name])} is not another member"
                yield Problem(member.name, fleet.prefix + "peer_overrides", text)


def _mtu_bounds(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    variable = fleet.prefix + "mtu"
    for member in fleet.resolved:
        choice = mtus[member.name]
        has_ipv6 = socket.AF_INET6 in {
            *(a.family for a in member.addresses),
            *(n.family for n in member.settings.networks),
        }
        if has_ipv6 and choice.mtu < MINIMUM_IPV6:
            text = f"{choice.mtu} is less than the {MINIMUM_IPV6} that IPv6 needs (RFC 8200)"
            yield Problem(member.name, variable, f"{text}; raise the underlay's MTU, or use IPv4 only")
        if member.settings.mtu and choice.ceiling is not None and member.settings.mtu > choice.ceiling:
            text = f"{member.settings.mtu} does not fit into the underlay, which allows {choice.ceiling}"
            yield Problem(member.name, variable, f"{text}; set it to 0 for the automatic MTU")


def _disabled_ipv6(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.resolved:
        refused = [address.bare for address in member.addresses if address.family == socket.AF_INET6]
        if refused and member.observation is not None and member.observation.without_ipv6:
            others = [address.bare for address in member.addresses if address.family == socket.AF_INET]
            remedy = f"set it to {others}" if others else "set it to an IPv4 address"
            text = (
                f"IPv6 is disabled on this host (net.ipv6.conf.default.disable_ipv6), so it cannot have {', '.join(refused)}; "
                f"{remedy}, or enable IPv6"
            )
            yield Problem(member.name, fleet.prefix + "addresses", text)


def _unknown(fleet: Fleet) -> Iterator[Problem]:
    for member in fleet.members:
        if member.refused:
            continue  # has a warning of its own
        where, remedy = member.absence.words, member.absence.remedy()
        if not member.resolved:
            reasons = " and ".join(f"{fleet.prefix}{name} {why}" for name, why in member.unresolved.items())
            text = f"the host {where}, and {reasons or 'its networks are unknown'}, without its facts; other hosts keep their "
            text += "state of this peer"
        elif member.public_key is not None or awaits_adoption(member.observation, member.settings):
            continue
        elif member.outside and member.observation is not None:
            text = "the host is not in this run and has no key yet, so it gets no tunnels; run it too"
        else:
            absent = f"the host {where}, and " if member.observation is None else ""
            text = (
                f"{absent}the public key of the host is unknown, so it gets no new tunnels and other hosts keep theirs; "
                f"{remedy}, or set {fleet.prefix}public_key"
            )
        yield Problem(member.name, fleet.prefix + "public_key", text)


def _alone(fleet: Fleet) -> Iterator[Problem]:
    if len(fleet.members) == 1 and not fleet.members[0].settings.static_peers:
        name = fleet.members[0].name
        yield Problem(name, fleet.prefix + "interface", "this is the only member, so it has no peers")


def _different_mtus(fleet: Fleet, mtus: Mapping[str, Choice]) -> Iterator[Problem]:
    """Yield one warning if MTUs differ; the assumed MTUs of unreachable hosts do not count."""
    hosts: dict[int, list[str]] = {}
    for member in fleet.resolved:
        if mtus[member.name].certain:
            hosts.setdefault(mtus[member.name].mtu, []).append(member.name)
    if len(hosts) < 2:
        return
    words = "; ".join(f"{size} on {host_list(hosts[size])}" for size in sorted(hosts))
    text = (
        f"the members' MTUs differ: {words}; large packets to the smaller ones can be lost; "
        f"set {fleet.prefix}mtu to {min(hosts)} for all"
    )
    for name in hosts[min(hosts)]:
        yield Problem(name, fleet.prefix + "mtu", text)
