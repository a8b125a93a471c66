# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The device of a member: MTU, files, unmanaged peers, sysctls for forwarding.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ....module_utils._ip.prefix import Address, Prefix
from ..plan_model.fleet import Device, HostPlan, PeerOverride
from . import mtu as packet_size
from .endpoints import kind_of, only_family
from .keepalive import keepalive_of
from .member import Member
from .observation import FAMILIES
from .settings import AUTO, NONE, with_port

FORWARDING = {"ipv4": "net.ipv4.ip_forward", "ipv6": "net.ipv6.conf.all.forwarding"}


def device_of(
    member: Member,
    mtu: int,
    ports: Mapping[str, int],
    sysctls: Mapping[str, str],
    former: tuple[str, ...] = (),
) -> Device:
    """Return the device of a member.

    ports: the listen ports of all members, for endpoints without a port. former: the interfaces of the overlay on this host
    that are no longer planned; they are removed, like peers, unless the host keeps what is not planned.
    """
    settings = member.settings
    return Device(
        private_key_file=settings.private_key_file,
        listen_port=settings.port,
        fwmark=settings.fwmark,
        mtu=mtu,
        persistent_keepalive=keepalive_of(member),
        persistence=_persistence(member),
        routes=settings.routes,
        purge=settings.purge,
        userspace=settings.userspace,
        adopt=settings.adopt,
        adopt_allow_loss=settings.adopt_allow_loss,
        adopted=settings.adopted,
        allow_mass_removal=settings.allow_mass_removal,
        sysctls=dict(sysctls),
        static_peers=settings.static_peers,
        overrides=_overrides(settings.peer_overrides, ports),
        threaded_napi=settings.threaded_napi,
        endpoint_family=only_family(settings),
        routes_except=settings.routes_except,
        retired=former if settings.purge else (),
        open_firewall=settings.open_firewall,
    )


def host_plan(member: Member, device: Device) -> HostPlan:
    """Return a member as the plan holds it, without a device if it has no facts: then the host itself is not applied."""
    own = None if member.observation is None else device
    return HostPlan(
        member.public_key, member.addresses, member.settings.networks, member.endpoints, member.families, own
    )


def _overrides(views: Mapping[str, PeerOverride], ports: Mapping[str, int]) -> dict[str, PeerOverride]:
    """Return the overrides for peers of a host, with complete endpoints."""
    return {
        name: replace(view, endpoint=view.endpoint and with_port(view.endpoint, ports[name]))
        for name, view in views.items()
        if name in ports
    }


def _persistence(member: Member) -> str:
    if member.settings.persistence != AUTO:
        return member.settings.persistence
    return member.observation.persistence if member.observation else NONE


def forwarding(member: Member) -> dict[str, str]:
    """Return the sysctls for forwarding: for the families of the networks behind a host, else of its addresses.

    IPv6 forwarding is set only if needed: a host that forwards IPv6 ignores router advertisements (ip-sysctl.rst,
    accept_ra).
    """
    wanted, networks = member.settings.forward, member.settings.networks
    if wanted is False or (wanted is None and not networks):
        return {}
    return forwarding_of(networks or member.addresses)


def forwards(device: Device) -> bool:
    """Return whether a host forwards packets: it has the sysctls for it."""
    return not set(FORWARDING.values()).isdisjoint(device.sysctls)


def forwarding_of(values: Iterable[Prefix | Address]) -> dict[str, str]:
    """Return the sysctls that make a host forward the families of some addresses and networks."""
    return {FORWARDING[kind]: "1" for kind in sorted({FAMILIES[value.family] for value in values})}


def without_redirects(sysctls: Mapping[str, str], interface: str) -> dict[str, str]:
    """Return the sysctls of an interface; if the host forwards IPv4, with those that keep it from sending ICMP redirects.

    What comes out of a tunnel and goes into it again, from one peer to another, is no detour: peers have no link. The kernel
    sends redirects if either the value of the interface or that of `all` is 1, so that of `all` has to be 0; other interfaces
    go on by their own values. WireGuard in the kernel sets the same two (drivers/net/wireguard/device.c, wg_open).
    """
    if sysctls.get(FORWARDING["ipv4"]) != "1":
        return dict(sysctls)
    return {**sysctls, "net.ipv4.conf.all.send_redirects": "0", f"net/ipv4/conf/{interface}/send_redirects": "0"}


def packet_sizes(members: Iterable[Member], kinds: Mapping[str, Iterable[str]]) -> dict[str, packet_size.Choice]:
    """Return the MTU of each member. kinds: outer families of its tunnels: "ipv4", "ipv6", "name", "" for none."""
    found = {}
    for member in members:
        outer = _outer_families(member, kinds[member.name])
        found[member.name] = packet_size.choose(member.settings.mtu, member.underlay_mtus, outer)
    return found


def _outer_families(member: Member, kinds: Iterable[str]) -> set[str]:
    """Return the outer families of the tunnels of a member; without tunnels, those of its underlay."""
    outer = {kind for kind in kinds if kind}
    given = [peer.endpoint for peer in member.settings.static_peers]
    given += [view.endpoint for view in member.settings.peer_overrides.values()]
    outer.update(kind_of(endpoint.host) for endpoint in given if endpoint)
    return outer or set(member.families if member.observation and member.observation.underlay else ())
