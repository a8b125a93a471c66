# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The tunnels that the connection goes through by which a change comes, and whether their peers stay as they are.

This module is private to the collection.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..fib import management
from ..fib.management import UDP, Flow
from ..netlink import route as route_codec
from ..netlink.connection import Connection
from ..netlink.messages import NetlinkError
from ..prefix import Prefix
from ..reconcile import replay
from ..refusal import Refused
from ..wireguard.keys import encode_key
from ..wireguard.model import Device, Peer
from .apply import Prepared, read_device

_MOST_NESTED = 4


class Way(NamedTuple):
    """The flows from inside out: the connection, then the packets of each tunnel that the one before goes through.

    interface: by which the connection's own packets leave, "" where that is not known. through: by name of a WireGuard
    interface, the flow that goes through it.
    """

    flows: Sequence[Flow]
    interface: str
    through: Mapping[str, Flow]


def find(connection: Connection) -> Way:
    """Return how the connection goes by which this process was started; without flows where there is none."""
    flows: list[Flow] = []
    through: dict[str, Flow] = {}
    interface = ""
    flow = management.find(connection, os.environ)
    while flow is not None and len(flows) < _MOST_NESTED:
        flows.append(flow)
        name = _interface_of(connection, flow)
        interface = interface or name
        device = read_device(name) if name and name not in through else None
        if device is None:
            break
        through[name] = flow
        flow = outer_flow(device, flow)
    return Way(flows, interface, through)


def _interface_of(connection: Connection, flow: Flow) -> str:
    try:
        sender = route_codec.Sender(flow.source, flow.protocol, flow.source_port, flow.destination_port)
        lookup = route_codec.encode_lookup(flow.family, flow.destination, flow.mark, sender)
        replies = connection.request(route_codec.RTM_GETROUTE, lookup)
        return socket.if_indextoname(route_codec.decode_lookup(replies[0]).interface_index)
    except (NetlinkError, OSError, IndexError):
        return ""


def carrier(peers: Iterable[Peer], flow: Flow) -> Peer | None:
    """Return the peer that a device sends a flow to: that with the longest allowed IP around its destination."""
    address = Prefix(flow.family, flow.destination, len(flow.destination) * 8)
    found = [
        (prefix.length, peer)
        for peer in peers
        for prefix in peer.allowed_ips or ()
        if prefix.length <= address.length and prefix.contains(address)
    ]
    return max(found, key=lambda entry: entry[0])[1] if found else None


def outer_flow(device: Device, flow: Flow) -> Flow | None:
    """Return the packets of a device's tunnel in which a flow goes; None where it goes nowhere."""
    peer = carrier(device.peers, flow)
    if peer is None or peer.endpoint is None or not peer.endpoint.is_address:
        return None
    host, _percent, scope = peer.endpoint.host.partition("%")
    family = int(socket.AF_INET6 if ":" in host else socket.AF_INET)
    packed = socket.inet_pton(family, host)
    settings = device.settings
    return Flow(
        family,
        bytes(len(packed)),
        packed,
        settings.listen_port or 0,
        peer.endpoint.port,
        scope or None,
        UDP,
        settings.fwmark or 0,
    )


def refuse_loss(prepared: Iterable[Prepared], way: Way) -> None:
    """Raise Refused where a tunnel that the connection goes through would lose its peer, or this host's key."""
    for one in prepared:
        flow, planned = way.through.get(one.name), one.outcome.plan
        if flow is None or planned.device_before is None or not one.wanted.present:
            continue
        before = carrier(planned.device_before.peers, flow)
        peers: dict[bytes, Peer] = replay(planned.device_before.peers, planned.peers)  # type: ignore[assignment]
        after = carrier(peers.values(), flow)
        if before is None:
            continue
        if after is None or after.public_key != before.public_key:
            now = "to nobody" if after is None else f"to peer {encode_key(after.public_key)}"
            text = f"packets to {flow.to} go to peer {encode_key(before.public_key)} now, and would go {now} then"
        elif planned.settings.private_key is not None:
            text = "it would get another private key, which its peers do not know"
        else:
            continue
        raise Refused(
            f"the connection by which this change comes goes through {one.name}: {text}; "
            "come another way, or set allow_management_change if that is meant"
        )
