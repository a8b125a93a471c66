# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a node's packets reach the tunnel: sysctls, routing tables and rules, and gateways.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from socket import AF_INET
from typing import Any

from ...fleet.device import FORWARDING
from ...fleet.member import Member
from ...fleet.observation import FAMILIES
from ...plan_model.nodes import Gateway, Steering
from .. import locations, node_fact
from ..profiles import OVERLAY
from ..settings import STRICT_ACTIONS
from .fleet import NodeFleet


def sysctls(nodes: NodeFleet, member: Member, families: Collection[int]) -> dict[str, str]:
    """Return the sysctls of the source check (Linux, ip-sysctl: rp_filter, src_valid_mark) if IPv4 passes tunnels.

    families: of the node's networks and addresses for which others have tunnels.
    """
    if AF_INET not in families:
        return _forwarding(nodes, member)
    found = {f"net/ipv4/conf/{member.settings.interface}/rp_filter": "2"}
    if nodes.encryption.host_encryption or nodes.node_settings[member.name].profile == OVERLAY:
        # With host encryption the source addresses of the tunnel's own packets are routed into the tunnel, without it those
        # of replies to masqueraded pods. Only their mark excludes them.
        found["net/ipv4/conf/all/src_valid_mark"] = "1"
    return {**found, **_forwarding(nodes, member)}


def _forwarding(nodes: NodeFleet, member: Member) -> dict[str, str]:
    """Return the sysctls with which a leader forwards packets of the other nodes of its location."""
    if member.name not in nodes.forwarding:
        return {}
    kinds = {FAMILIES[own.address.family] for own in nodes.discoveries[member.name].addresses}
    return {FORWARDING[kind]: "1" for kind in sorted(kinds)}


def steering(nodes: NodeFleet, member: Member) -> Steering:
    """Return what leads packets of a node and its pods into the tunnel: mark, table, rules and source checks."""
    settings, found, host = nodes.node_settings[member.name], nodes.discoveries[member.name], nodes.inputs[member.name]
    fwmark, interface = member.settings.fwmark, member.settings.interface
    fact: Mapping[str, Any] = host.fact or {}
    in_use = [name for name in (interface, nodes.encryption.retiring) if name]
    settled = node_fact.routes_through(fact, settings.table, in_use)
    dropped = node_fact.routes_without_device(fact, settings.table, STRICT_ACTIONS)
    closed = node_fact.dropped_directions(fact, in_use)
    # Pods of other nodes may be reached through other interfaces than the nodes themselves.
    underlay = [own.interface for own in found.addresses if own.interface and own.family == 4]
    underlay += [*found.gateway_interfaces, *nodes.pods_on_links.get(member.name, ())]
    return Steering(
        mark=f"{fwmark:#x}/{settings.fwmask or fwmark:#x}",
        table=settings.table,
        rule_priority=settings.rule_priority,
        rule_protocol=settings.rule_protocol,
        route_protocol=settings.route_protocol,
        route_action=settings.strict_action,
        pod_interfaces=settings.pod_interfaces or found.pod_interfaces,
        exclude_cidrs=settings.exclude_cidrs,
        exempt_ports=settings.exempt_ports,
        profile=settings.profile,
        clamp_mss=settings.mss_clamp,
        settled=settled,
        settled_for_pods=node_fact.routes_through(fact, settings.table + 1, in_use),
        closed=closed,
        dropped=tuple(set(dropped).difference(settled)),
        plain=node_fact.routes_without_device(fact, settings.table, ("throw",)) if closed else (),
        strict_rp_filter=node_fact.strict_interfaces(fact, dict.fromkeys(underlay)),
        loosened=node_fact.is_loosened(fact, underlay),
        accepted=node_fact.accepted(fact),
        gateways=_gateways(nodes, member.name),
        virtual_ips=tuple(address.host for address in settings.virtual_ips),
    )


def _gateways(nodes: NodeFleet, name: str) -> tuple[Gateway, ...]:
    """Return the addresses of a node's leader with their interfaces; if the leader is unknown, those in use."""
    fact, leader = nodes.inputs[name].fact or {}, nodes.leaders[name]
    if leader == name:
        return ()
    addresses = [own.address for own in nodes.discoveries[leader].addresses] if leader else []
    in_use = node_fact.gateways_in_use(fact, nodes.node_settings[name].table)
    found = locations.on_link(fact, addresses) or in_use
    return tuple(Gateway(*one) for one in found.items())
