# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbered peers, set on a device and read back by our own code and by `wg show`."""

from __future__ import annotations

import hashlib
import socket
import struct
from collections.abc import Iterable

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.backend import backend_for
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, encode_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import (
    Device,
    Peer,
    Settings,
    change_of,
    plan_peers,
)
from managed_host import ManagedHost, key

DumpLine = tuple[str, str, str, frozenset[str], str]


def create_device(host: ManagedHost, **options: object) -> None:
    """Create wg0 on a host, with a key, on the backend of this run; down, so that it sends nothing."""
    path = "/etc/wireguard/wg0.key"
    host.write(path, key(f"private {host.name}") + "\n")
    base = {"interface": "wg0", "up": False, "userspace": True, "private_key_file": path}
    made = host.module("wg_interface", **{**base, **options})  # type: ignore[arg-type]
    assert made.changed


def raw(*seed: object) -> bytes:
    """Return 32 bytes that depend only on the seed."""
    return hashlib.sha256(repr(seed).encode()).digest()


def numbered_peer(number: int) -> Peer:
    """Return a peer whose options depend on its number: every combination occurs."""
    ipv4 = Prefix(socket.AF_INET, struct.pack(">I", (10 << 24) + number), 32)
    ipv6 = Prefix(socket.AF_INET6, bytes.fromhex("fd42") + bytes(10) + struct.pack(">I", number), 128)
    # Hosts with no route to them: wireguard-go sends a handshake to each peer that follows one with a keepalive in a
    # request, and blocks for ever once enough of them wait for neighbours that do not answer.
    hosts = (None, f"198.51.100.{number % 200 + 20}", f"2001:db8:ffff::{number % 200 + 0x100:x}")
    host = hosts[number % 3]
    return Peer(
        raw("peer", number),
        raw("psk", number) if number % 2 else ZERO,
        Endpoint(host, 1024 + number % 60000) if host else None,
        number % 5 * 10,
        frozenset((ipv4, ipv6) if number % 7 else ()),
    )


def networks(count: int) -> frozenset[Prefix]:
    """Return as many networks, IPv4 and IPv6 in turn."""
    return frozenset(
        parse_prefix(f"fd00:{number:x}::/32" if number % 2 else f"10.{number // 256}.{number % 256}.0/24")
        for number in range(count)
    )


def put(host: ManagedHost, peers: Iterable[Peer]) -> tuple[int, Device]:
    """Make these the only peers of wg0; return the number of requests, and the device as read afterwards."""
    return host.call(_put, tuple(peers))


def _put(peers: tuple[Peer, ...]) -> tuple[int, Device]:
    backend = backend_for("wg0")
    before = backend.read("wg0")
    assert before is not None
    operations = plan_peers(before.peers, peers, purge=True)
    requests = backend.write("wg0", Settings(), [change_of(operation) for operation in operations])
    after = backend.read("wg0")
    assert after is not None
    assert plan_peers(after.peers, peers, purge=True) == []
    return requests, after


def as_dumped(peer: Peer) -> DumpLine:
    """Return a peer as `wg show IF dump` prints it, without handshake and counters."""
    return (
        encode_key(peer.public_key),
        "(none)" if peer.preshared_key in (None, ZERO) else encode_key(peer.preshared_key or ZERO),
        str(peer.endpoint or "(none)"),
        frozenset(map(str, peer.allowed_ips or ())),
        str(peer.persistent_keepalive or "off"),
    )


def dumped(host: ManagedHost) -> set[DumpLine]:
    """Return the peers of wg0 as shown by `wg`."""
    found = set()
    for fields in host.wg_dump()[1:]:
        allowed = frozenset() if fields[3] == "(none)" else frozenset(fields[3].split(","))
        found.add((fields[0], fields[1], fields[2], allowed, fields[7]))
    return found
