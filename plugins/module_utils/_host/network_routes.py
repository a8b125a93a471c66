# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The networks that a host reaches by itself, as a fact: routes of the main table that an overlay must not take.

A router can have a million routes. So the kernel is asked for the protocols of networks only, not for those of routing
daemons, and what is read and returned is limited.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from .._ip.prefix import Prefix, parse_prefix
from .._netlink import limited_dump
from .._netlink import messages as nl
from .._netlink import route as codec

# rtnetlink(7): networks of the host's addresses, and those learned from router advertisements and DHCP.
_KERNEL, _BOOT, _STATIC, _RA, _DHCP = 2, 3, 4, 9, 16
_CONNECTED = (_KERNEL, _RA, _DHCP)
_PROTOCOLS = (*_CONNECTED, _BOOT, _STATIC, codec.PROTOCOL)
# Per family and protocol, and of one host.
_READ, _RETURNED = 2048, 512
_NO_TABLE = (errno.ENOENT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP)
# No other host is in these networks: loopback, link-local and multicast.
_APART = [parse_prefix(text) for text in ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "fe80::/10", "ff00::/8")]

Dump = Callable[[bytes, int], list[bytes]]


class NetworkRoute(NamedTuple):
    """A route to a network. is_connected: hosts of the network are on the link, and this is not only a path to it."""

    destination: Prefix
    interface: str
    metric: int
    is_connected: bool
    is_managed: bool = False

    def __str__(self) -> str:
        """The fields, separated by tabs."""
        kind = "connected" if self.is_connected else "routed"
        return f"{self.destination}\t{self.interface}\t{self.metric}\t{kind}"


def read(own: Collection[str] = (), dump: Dump = limited_dump.routes) -> list[NetworkRoute]:
    """Return the routes to networks, connected ones first. own: interfaces whose managed routes are left out.

    Default routes and routes to single hosts are left out. dump: asks the kernel.
    """
    found: dict[NetworkRoute, None] = {}
    names: dict[int, str] = {}
    for message in _messages(dump):
        if _is_apart(message.destination):
            continue
        index, is_managed = message.interface_index, message.protocol == codec.PROTOCOL
        if index not in names:
            names[index] = _name_of(index)
        if is_managed and names[index] in own:
            continue
        is_connected = message.protocol in _CONNECTED and not message.has_gateway and bool(index)
        found.setdefault(NetworkRoute(message.destination, names[index], message.metric, is_connected, is_managed))
    return sorted(found, key=lambda one: (not one.is_connected, one.is_managed, one))[:_RETURNED]


def _messages(dump: Dump) -> Iterator[codec.RouteMessage]:
    for family in (int(socket.AF_INET), int(socket.AF_INET6)):
        for protocol in _PROTOCOLS:
            request = codec.encode_dump(family, codec.RT_TABLE_MAIN, 0, protocol, codec.RTN_UNICAST)
            try:
                payloads = dump(request, _READ)
            except nl.NetlinkError as exc:
                if exc.errno in _NO_TABLE:  # a table without routes, or booted without IPv6
                    continue
                raise
            for payload in payloads:
                message = codec.decode_route(payload)
                # Kernels before 4.20 ignore the filter.
                if message is None or (message.table, message.type) != (codec.RT_TABLE_MAIN, codec.RTN_UNICAST):
                    continue
                if message.protocol == protocol and message.destination.family == family:
                    yield message


def _is_apart(destination: Prefix) -> bool:
    """Return whether a destination is no network with other hosts."""
    is_one_host = destination.length == len(destination.packed) * 8
    return not destination.length or is_one_host or any(network.contains(destination) for network in _APART)


def _name_of(index: int) -> str:
    try:
        return socket.if_indextoname(index) if index else ""
    except OSError:  # removed meanwhile
        return ""
