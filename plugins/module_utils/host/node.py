# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What a Kubernetes node can tell of its addresses and its pods, gathered and not yet judged.

Needs neither root nor a package. This module is private to the collection.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..fib import tables, ways
from ..fib.routes import PROTOCOL
from ..netlink import link as link_codec
from ..netlink import route as route_codec
from ..netlink.connection import Connection
from ..netlink.link import LinkMessage
from ..netlink.messages import NetlinkError
from ..netlink.table_route import TableRoute
from ..prefix import Address, parse_prefix
from . import cni, sysctls
from .links import OWNER_ALIAS

# Nobody reaches a node by these (RFC 3927, RFC 4291).
_UNREACHABLE = [parse_prefix(text) for text in ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")]
_IPV6_UNSTABLE = (
    link_codec.IFA_F_TEMPORARY | link_codec.IFA_F_DADFAILED | link_codec.IFA_F_DEPRECATED | link_codec.IFA_F_TENTATIVE
)
_TYPES = {number: name for name, number in tables.TYPES.items()}
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EOPNOTSUPP)
_FAMILY_NAMES: dict[int, str] = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_MULTICAST = 0xFF  # the first byte of IPv6 ones
_ROUTER_SOLICITED = 9  # RTPROT_RA


class AddressedLink(NamedTuple):
    """An interface with the addresses that others can reach it by."""

    link: LinkMessage
    addresses: tuple[Address, ...]


def gather(can_reach: Sequence[str] = (), cni_directories: Sequence[str] = ()) -> dict[str, Any]:
    """Return the raw facts: nodename, interfaces, rp_filter, routes, cni, flannel, can_reach and notes.

    can_reach: addresses or names whose way is looked up. Raises OSError where the kernel does not answer; a file that
    cannot be read, or is damaged, is a note.
    """
    with ways.open_connection() as connection:
        links = read_links(connection)
        local_routes = _own_routes(tables.read(connection, route_codec.RT_TABLE_MAIN), links)
    configuration, notes = cni.read_configuration(cni_directories or cni.DIRECTORIES)
    flannel, flannel_notes = cni.read_flannel()
    addressed = [entry for entry in links if entry.addresses]
    names = {entry.link.interface_index: entry.link.name for entry in links}
    reached, unknown_names = _reach(can_reach)
    return {
        "nodename": os.uname().nodename,
        "interfaces": [_described(entry) for entry in addressed],
        "rp_filter": _rp_filters(["all", *(entry.link.name for entry in addressed)]),
        "routes": [_described_route(route, names) for route in local_routes],
        "cni": configuration,
        "flannel": flannel,
        "can_reach": reached,
        "notes": notes + flannel_notes + unknown_names,
    }


def read_links(connection: Connection) -> list[AddressedLink]:
    """Return all interfaces by index, and of each the addresses that others can reach, in the kernel's order.

    Left out are loopback and link-local addresses, and IPv6 ones that are temporary, deprecated or not (yet) usable.
    """
    links = [
        link_codec.decode_link(payload)
        for payload in connection.dump(link_codec.RTM_GETLINK, link_codec.encode_dump_links())
    ]
    addresses: dict[int, list[Address]] = {}
    for payload in connection.dump(link_codec.RTM_GETADDR, link_codec.encode_dump_addresses(0)):
        message = link_codec.decode_address(payload)
        if message is None or any(network.contains(message.address.host) for network in _UNREACHABLE):
            continue
        if message.address.family == socket.AF_INET6 and message.flags & _IPV6_UNSTABLE:
            continue
        addresses.setdefault(message.interface_index, []).append(message.address)
    links.sort(key=lambda link: link.interface_index)
    return [AddressedLink(link, tuple(addresses.get(link.interface_index, ()))) for link in links]


def _described(entry: AddressedLink) -> dict[str, Any]:
    link = entry.link
    return {
        "name": link.name,
        "index": link.interface_index,
        "kind": link.kind,
        "ours": link.alias == OWNER_ALIAS,
        "up": link.up,
        "mtu": link.mtu,
        "addresses": [str(address) for address in entry.addresses],
    }


def _own_routes(routes: Iterable[TableRoute], links: Iterable[AddressedLink]) -> list[TableRoute]:
    """Return the routes that can tell where the node's own pods are.

    These lead out of an interface without a gateway, or by way of the node's own address (Cilium), or nowhere (the
    blocks that Calico gave the node). Routes through other nodes are theirs, and as many as there are nodes.
    """
    own = {address.packed for entry in links for address in entry.addresses}
    return [route for route in routes if _tells_of_own_pods(route, own)]


def _tells_of_own_pods(route: TableRoute, own: set[bytes]) -> bool:
    destination = route.destination
    if not destination.length or route.protocol in (PROTOCOL, _ROUTER_SOLICITED):
        return False
    if any(network.contains(destination) for network in _UNREACHABLE) or destination.packed[0] == _MULTICAST:
        return False
    if route.type != route_codec.RTN_UNICAST:
        return route.type in _TYPES
    return len(route.hops) == 1 and (not route.hops[0].via or route.hops[0].via in own)


def _described_route(route: TableRoute, names: Mapping[int, str]) -> dict[str, Any]:
    hop = route.hops[0] if route.hops else None
    return {
        "destination": str(route.destination),
        "type": _TYPES[route.type],
        "interface": names.get(hop.interface_index, "") if hop else "",
        "protocol": route.protocol,
    }


def _rp_filters(names: Iterable[str]) -> dict[str, str]:
    found = {name: sysctls.read(f"net/ipv4/conf/{name}/rp_filter") for name in names}
    return {name: parameter.value for name, parameter in found.items() if parameter is not None}


def _reach(destinations: Iterable[str]) -> tuple[dict[str, dict[str, str | None]], list[str]]:
    """Return by destination and family the source address that the kernel chooses, and notes on unknown names."""
    found: dict[str, dict[str, str | None]] = {}
    notes = []
    for destination in destinations:
        addresses = _resolve(destination)
        if not addresses:
            notes.append(f"can_reach: no name service of the host knows {destination!r}")
        found[destination] = {family: _source(address) for family, address in addresses.items()}
    return found, notes


def _resolve(destination: str) -> dict[str, str]:
    """Return by family the first address of a destination; no name service is asked about an address."""
    found: dict[str, str] = {}
    try:
        answers = socket.getaddrinfo(destination, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return {}
    for family, _type, _protocol, _name, address in answers:
        if family in _FAMILY_NAMES:
            found.setdefault(_FAMILY_NAMES[family], str(address[0]))
    return found


def _source(destination: str) -> str | None:
    try:
        way = ways.lookup(destination.partition("%")[0])
    except NetlinkError as error:
        if error.errno in _NO_FAMILY:  # booted without IPv6
            return None
        raise
    return way[1] if way else None
