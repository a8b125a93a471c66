# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The tunnels that carry the management connection, and whether a run keeps their peers.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .._engine.errors import Refused
from .._engine.reconcile import replay
from .._fib import management_flow as management
from .._host.ssh_connection import Flow
from .._interface.prepare import PreparedInterface
from .._interface.read import read_device
from .._ip.prefix import host_prefix
from .._netlink import route as route_codec
from .._netlink.connection import Connection
from .._netlink.messages import NetlinkError
from .._wireguard.keys import encode_key
from .._wireguard.model import Device, Peer

_MOST_NESTED = 4


class TunnelPath(NamedTuple):
    """The flows from the inside out: the management connection, then the packets of each tunnel that carries it.

    interfaces: the one that sends each flow, "" where unknown. through: the flow that each WireGuard interface carries, by
    name.
    """

    flows: Sequence[Flow]
    interfaces: Sequence[str]
    through: Mapping[str, Flow]


def find(connection: Connection) -> TunnelPath:
    """Return the path of the management connection; without flows where the process has none."""
    flows: list[Flow] = []
    through: dict[str, Flow] = {}
    interfaces: list[str] = []
    flow = management.find(connection, os.environ)
    while flow is not None and len(flows) < _MOST_NESTED:
        flows.append(flow)
        name = _interface_of(connection, flow)
        interfaces.append(name)
        device = read_device(name) if name and name not in through else None
        if device is None:
            break
        through[name] = flow
        flow = outer_flow(device, flow)
    return TunnelPath(flows, interfaces, through)


def _interface_of(connection: Connection, flow: Flow) -> str:
    try:
        sender = route_codec.Sender(flow.source.packed, flow.protocol, flow.source_port, flow.destination_port)
        lookup = route_codec.encode_lookup(flow.family, flow.destination.packed, flow.mark, sender)
        replies = connection.request(route_codec.RTM_GETROUTE, lookup)
        return socket.if_indextoname(route_codec.decode_lookup(replies[0]).interface_index)
    except (NetlinkError, OSError, IndexError):
        return ""


def carrier(peers: Iterable[Peer], flow: Flow) -> Peer | None:
    """Return the peer that a device sends a flow to: the one with the longest allowed IP that contains its destination."""
    address = flow.destination
    found = [
        (prefix.length, peer)
        for peer in peers
        for prefix in peer.allowed_ips or ()
        if prefix.length <= address.length and prefix.contains(address)
    ]
    return max(found, key=lambda entry: entry[0])[1] if found else None


def outer_flow(device: Device, flow: Flow) -> Flow | None:
    """Return the flow of the device's outer packets that carry a flow; None where no peer takes it."""
    peer = carrier(device.peers, flow)
    if peer is None or peer.endpoint is None or not peer.endpoint.is_address:
        return None
    host, _percent, scope = peer.endpoint.host.partition("%")
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    settings = device.settings
    return Flow(
        host_prefix(bytes(len(packed))),
        host_prefix(packed),
        settings.listen_port or 0,
        peer.endpoint.port,
        scope or None,
        int(socket.IPPROTO_UDP),
        settings.fwmark or 0,
    )


def refuse_tunnel_lockout(prepared: Iterable[PreparedInterface], path: TunnelPath, *, one_end: bool = False) -> None:
    """Raise Refused where a tunnel that carries the management connection would lose its peer, or this host's key.

    one_end: whether nothing changes the preshared key of the other end too, as a plan of both ends does.
    """
    for one in prepared:
        flow, planned = path.through.get(one.name), one.plan
        if flow is None or planned.device_before is None or not one.wanted.present:
            continue
        before = carrier(planned.device_before.peers, flow)
        peers: dict[bytes, Peer] = replay(planned.device_before.peers, planned.peers)  # type: ignore[assignment]
        after = carrier(peers.values(), flow)
        if before is None:
            continue
        if after is None or after.public_key != before.public_key:
            now = "to no peer" if after is None else f"to peer {encode_key(after.public_key)}"
            text = f"packets to {flow.to} go to peer {encode_key(before.public_key)} now, and would go {now} then"
        elif planned.settings.private_key is not None:
            text = "it would get another private key, which its peers do not know"
        elif one_end and after.preshared_key not in (None, before.preshared_key):
            text = f"peer {encode_key(after.public_key)} would get another preshared key than the other end has"
        else:
            continue
        raise Refused(
            f"the management connection goes through {one.name}: {text}; "
            "connect by another route, or set O(allow_management_change=true) if that is intended"
        )
