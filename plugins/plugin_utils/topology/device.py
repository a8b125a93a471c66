# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a member's own device shall be: its packet size, its files, its unmanaged peers, what makes it forward.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.plugin_utils import mtu as packet_size
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import kind_of, override_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Member
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Device, PeerOverride
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import AUTO, NONE, endpoint_of

FORWARDING = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}


def device_of(member: Member, mtu: int, ports: Mapping[str, int], sysctls: Mapping[str, str]) -> Device:
    """Return a member's device. ports: the listen ports of all members, for endpoints that are given without one."""
    settings = member.settings
    return Device(
        private_key_file=settings.private_key_file,
        listen_port=settings.port,
        fwmark=settings.fwmark,
        mtu=mtu,
        persistent_keepalive=settings.persistent_keepalive,
        persistence=_persistence(member),
        routes=settings.routes,
        purge=settings.purge,
        userspace=settings.userspace,
        adopt=settings.adopt,
        allow_mass_removal=settings.allow_mass_removal,
        sysctls=dict(sysctls),
        static_peers=settings.static_peers,
        overrides=_overrides(settings.peer_overrides, ports),
        threaded_napi=settings.threaded_napi,
    )


def _overrides(views: Mapping[str, PeerOverride], ports: Mapping[str, int]) -> dict[str, PeerOverride]:
    """Return a host's views of the other members, with complete endpoints."""
    return {
        name: view if view.endpoint is None else replace(view, endpoint=override_endpoint(view.endpoint, ports[name]))
        for name, view in views.items()
        if name in ports
    }


def _persistence(member: Member) -> str:
    if member.settings.persistence != AUTO:
        return member.settings.persistence
    return member.observation.persistence if member.observation else NONE


def forwarding(member: Member) -> dict[str, str]:
    """Return what makes a host forward: for the families of the networks behind it, else of its own addresses.

    IPv6 forwarding is not touched without need, because a host that forwards IPv6 stops listening to router
    advertisements (Linux, ip-sysctl: accept_ra).
    """
    wanted, networks = member.settings.forward, member.settings.networks
    if wanted is False or (wanted is None and not networks):
        return {}
    texts = networks or tuple(address.host for address in member.addresses)
    kinds = {kind_of(str(text).partition("/")[0]) for text in texts}
    return {FORWARDING[kind]: "1" for kind in sorted(kinds)}


def packet_sizes(members: Iterable[Member], kinds: Mapping[str, Iterable[str]]) -> dict[str, packet_size.Choice]:
    """Return each member's MTU. kinds: what carries the tunnels of each: "ipv4", "ipv6", "name", "" for nothing."""
    found = {}
    for member in members:
        outer = _outer_families(member, kinds[member.name])
        found[member.name] = packet_size.choose(member.settings.mtu, member.underlay_mtus, outer)
    return found


def _outer_families(member: Member, kinds: Iterable[str]) -> set[str]:
    """Return what carries the tunnels of a member; where nothing does yet, what it could be reached by."""
    outer = {kind for kind in kinds if kind}
    outer.update(kind_of(_host(peer.endpoint)) for peer in member.settings.static_peers if peer.endpoint)
    for view in member.settings.peer_overrides.values():
        if view.endpoint and view.endpoint != NONE:
            outer.add(kind_of(_host(view.endpoint)))
    return outer or set(member.families if member.observation and member.observation.underlay else ())


def _host(text: str) -> str:
    """Return the host of an endpoint that may have a port, without judging it: that is done elsewhere."""
    try:
        return endpoint_of(text, 1).host
    except ValueError:
        return text
