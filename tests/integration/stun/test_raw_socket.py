# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The raw socket next to a UDP socket on the same port: packets of both, and privileges."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.channel import Arrived, Reported, open_raw
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from nat import Internet

MESSAGE = bytes(4) + bytes.fromhex("2112a442") + bytes(12)
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
FAMILIES = pytest.mark.parametrize("family", list(LOOPBACK), ids=["ipv4", "ipv6"])


def send_to_a_held_port(family: int) -> tuple[list[Arrived | Reported], list[bytes], Endpoint]:
    """Send to a port of a UDP socket and a raw one; return the packets of both, and the sender."""
    here = LOOPBACK[socket.AddressFamily(family)]
    with (
        socket.socket(family, socket.SOCK_DGRAM) as holder,
        socket.socket(family, socket.SOCK_DGRAM) as neighbour,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        for link in (holder, neighbour, sender):
            link.bind((here, 0))
        port = holder.getsockname()[1]
        channel = open_raw(family, port)
        with closing(channel.link):
            # Within one machine a packet is in both sockets when sendto() returns.
            sender.sendto(b"of WireGuard", (here, port))
            sender.sendto(MESSAGE, neighbour.getsockname()[:2])
            sender.sendto(MESSAGE, (here, port))
            arrived = list(channel.receive())
            source = Endpoint(here, sender.getsockname()[1])
            channel.send(MESSAGE, Endpoint(here, port), source)
            answered = sender.recvfrom(100)
        assert answered == (MESSAGE, holder.getsockname())
        return arrived, [holder.recv(100) for _each in range(2)], source


@FAMILIES
def test_raw_socket_receives_only_stun_messages_and_the_udp_socket_all(internet: Internet, family: int) -> None:
    arrived, held, source = internet.node("host").call(send_to_a_held_port, family)
    assert arrived == [Arrived(MESSAGE, source)]
    assert held == [b"of WireGuard", MESSAGE]


def test_raw_socket_requires_root(internet: Internet) -> None:
    host = internet.node("host")

    def as_nobody() -> str:
        os.setgid(65534)
        os.setuid(65534)
        try:
            open_raw(socket.AF_INET, 51820)
        except PermissionError:
            return "refused"
        return "allowed"

    assert host.call(as_nobody) == "refused"
