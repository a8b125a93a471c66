# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Gather raw facts on the addresses and pods of a Kubernetes node. The controller evaluates them.

Needs neither root nor a package. This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .._fib import route_table as tables
from .._fib.link_routes import PROTOCOL
from .._host import sysctls
from .._host.links import OWNER_ALIAS
from .._ip.answers import choose, family_of, look_up
from .._ip.prefix import Address, parse_prefix
from .._netlink import link as link_codec
from .._netlink import route as route_codec
from .._netlink.connection import Connection
from .._netlink.link import LinkMessage
from .._netlink.messages import NetlinkError
from .._netlink.route_lookup import lookup, open_connection
from .._netlink.table_route import TableRoute
from . import cni

# Loopback and link-local networks (RFC 3927, RFC 4291): no node is reached at these.
_UNREACHABLE = [parse_prefix(text) for text in ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")]
_IPV6_UNSTABLE = (
    link_codec.IFA_F_TEMPORARY | link_codec.IFA_F_DADFAILED | link_codec.IFA_F_DEPRECATED | link_codec.IFA_F_TENTATIVE
)
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP)
_RESOLVE_SECONDS = 5.0
_FAMILY_NAMES: dict[int, str] = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_MULTICAST = 0xFF  # first byte of IPv6 multicast
_ROUTER_SOLICITED = 9  # RTPROT_RA of linux/rtnetlink.h


class AddressedLink(NamedTuple):
    """An interface with its addresses that other hosts can reach. leased: those with a lifetime, of DHCP or a router."""

    link: LinkMessage
    addresses: tuple[Address, ...]
    leased: tuple[Address, ...] = ()


def gather(can_reach: Sequence[str] = (), cni_directories: Sequence[str] = ()) -> dict[str, Any]:
    """Return the raw facts: nodename, interfaces, rp_filter, gateway_interfaces, routes, cni, flannel, can_reach and notes.

    can_reach: addresses or names whose route is looked up. Raises OSError for failed kernel requests. An unreadable or
    damaged file is a note.
    """
    with open_connection() as connection:
        links = read_links(connection)
        routes = tables.read(connection, route_codec.RT_TABLE_MAIN)
        local_routes = _own_routes(routes, links)
    configuration, notes = cni.read_configuration(cni_directories or cni.DIRECTORIES)
    flannel, flannel_notes = cni.read_flannel()
    addressed = [entry for entry in links if entry.addresses]
    names = {entry.link.interface_index: entry.link.name for entry in links}
    gateways = _gateway_interfaces(routes, links)
    reached, unknown_names = _reach(can_reach)
    return {
        "nodename": os.uname().nodename,
        "interfaces": [_described(entry) for entry in addressed],
        "rp_filter": _rp_filters(dict.fromkeys(["all", *(entry.link.name for entry in addressed), *gateways])),
        "gateway_interfaces": gateways,
        "routes": [_described_route(route, names) for route in local_routes],
        "cni": configuration,
        "flannel": flannel,
        "can_reach": reached,
        "notes": notes + flannel_notes + unknown_names,
    }


def read_links(connection: Connection) -> list[AddressedLink]:
    """Return all interfaces by index, with the addresses that other hosts can reach, in the kernel's order.

    Loopback and link-local addresses are left out, and IPv6 addresses that are temporary, deprecated or tentative.
    """
    links = [
        link_codec.decode_link(payload)
        for payload in connection.dump(link_codec.RTM_GETLINK, link_codec.encode_dump_links())
    ]
    addresses: dict[int, list[Address]] = {}
    leased: dict[int, list[Address]] = {}
    for payload in connection.dump(link_codec.RTM_GETADDR, link_codec.encode_dump_addresses(0)):
        message = link_codec.decode_address(payload)
        if message is None or any(network.contains(message.address.host) for network in _UNREACHABLE):
            continue
        if message.address.family == socket.AF_INET6 and message.flags & _IPV6_UNSTABLE:
            continue
        addresses.setdefault(message.interface_index, []).append(message.address)
        if not message.flags & link_codec.IFA_F_PERMANENT:
            leased.setdefault(message.interface_index, []).append(message.address)
    links.sort(key=lambda link: link.interface_index)
    return [
        AddressedLink(link, tuple(addresses.get(index, ())), tuple(leased.get(index, ())))
        for index, link in ((link.interface_index, link) for link in links)
    ]


def _described(entry: AddressedLink) -> dict[str, Any]:
    link = entry.link
    return {
        "name": link.name,
        "index": link.interface_index,
        "kind": link.kind,
        "managed": link.alias == OWNER_ALIAS,
        "up": link.up,
        "mtu": link.mtu,
        "addresses": [str(address) for address in entry.addresses],
        "leased": [str(address) for address in entry.leased],
    }


def _own_routes(routes: Iterable[TableRoute], links: Iterable[AddressedLink]) -> list[TableRoute]:
    """Return the routes that may lead to the node's own pods.

    These have no gateway, or the node's own address as gateway (Cilium), or are blackholes (Calico's blocks of the
    node). Routes through other nodes lead to pods of these.
    """
    own = {address.packed for entry in links for address in entry.addresses}
    return [route for route in routes if _may_lead_to_own_pods(route, own)]


def _gateway_interfaces(routes: Iterable[TableRoute], links: Iterable[AddressedLink]) -> list[str]:
    """Return the interfaces by which routes lead through other hosts: packets of other nodes' pods arrive there.

    The routes of this collection do not count, nor its interfaces.
    """
    links = list(links)
    own = {address.packed for entry in links for address in entry.addresses}
    names = {entry.link.interface_index: entry.link.name for entry in links if entry.link.alias != OWNER_ALIAS}
    found = {
        hop.interface_index
        for route in routes
        if route.type == route_codec.RTN_UNICAST and route.protocol != PROTOCOL
        for hop in route.hops
        if hop.via and hop.via not in own
    }
    return [name for index, name in sorted(names.items()) if index in found]


def _may_lead_to_own_pods(route: TableRoute, own: set[bytes]) -> bool:
    destination = route.destination
    if not destination.length or route.protocol in (PROTOCOL, _ROUTER_SOLICITED):
        return False
    if any(network.contains(destination) for network in _UNREACHABLE) or destination.packed[0] == _MULTICAST:
        return False
    if route.type != route_codec.RTN_UNICAST:
        return route.type in tables.TYPE_NAMES
    return len(route.hops) == 1 and (not route.hops[0].via or route.hops[0].via in own)


def _described_route(route: TableRoute, names: Mapping[int, str]) -> dict[str, Any]:
    hop = route.hops[0] if route.hops else None
    return {
        "destination": str(route.destination),
        "type": tables.TYPE_NAMES[route.type],
        "interface": names.get(hop.interface_index, "") if hop else "",
        "protocol": route.protocol,
    }


def _rp_filters(names: Iterable[str]) -> dict[str, str]:
    found = {name: sysctls.read(f"net/ipv4/conf/{name}/rp_filter") for name in names}
    return {name: parameter.value for name, parameter in found.items() if parameter is not None}


def _reach(destinations: Iterable[str]) -> tuple[dict[str, dict[str, str | None]], list[str]]:
    """Return the kernel's source address by destination and family, and notes on names that do not resolve."""
    found: dict[str, dict[str, str | None]] = {}
    notes = []
    for destination in destinations:
        addresses = _resolve(destination)
        if not addresses:
            notes.append(f"can_reach: {destination!r} does not resolve on the host")
        found[destination] = {family: _source(address) for family, address in addresses.items()}
    return found, notes


def _resolve(destination: str) -> dict[str, str]:
    """Return the first address of a destination by family that packets can have; an address is not looked up in DNS."""
    if family_of(destination):
        return {family_of(destination): destination}
    addresses = look_up([destination], _RESOLVE_SECONDS)[destination]
    chosen = {family: choose(addresses, family=family).address for family in _FAMILY_NAMES.values()}
    return {family: address for family, address in chosen.items() if address}


def _source(destination: str) -> str | None:
    try:
        found = lookup(destination.partition("%")[0])
    except NetlinkError as error:
        if error.errno in _NO_FAMILY:  # booted without IPv6
            return None
        raise
    return found[1] if found else None
