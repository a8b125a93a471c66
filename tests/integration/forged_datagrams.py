# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 datagrams with a spoofed source address, and a socket to receive them."""

from __future__ import annotations

import socket
import struct

from node_cluster import Place

PORT = 7778


def listen(place: Place) -> socket.socket:
    """Return a UDP socket bound in a place."""

    def bind() -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.bind(("", PORT))
        found.settimeout(30)
        return found

    return place.quick(bind)


def send_as(place: Place, source: str, destination: str, payload: bytes) -> None:
    """Send a datagram from a place with any source address."""
    datagram = struct.pack("!HHHH", PORT, PORT, 8 + len(payload), 0) + payload
    ends = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, socket.IPPROTO_UDP, 0)
    with place.quick(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)) as sender:
        sender.sendto(header + ends + datagram, (destination, 0))
