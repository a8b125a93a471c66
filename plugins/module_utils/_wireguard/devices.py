# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The WireGuard devices of a host and their peers, as facts.

This module is private to the collection.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Any

from .._netlink.generic import FamilyMissing
from . import kernel, state_file
from .backend import backend_for
from .keys import encode_key
from .model import Device
from .uapi_socket import is_running


def session_lines(name: str, now: float) -> str:
    """Return the peers of a device that completed a handshake, as lines of three fields separated by tabs.

    The fields are public key, endpoint, and age of the handshake in seconds. now: seconds since the epoch. Without a
    device there are no lines.
    """
    device = _device(name)
    peers = sorted(device.peers, key=lambda peer: peer.public_key) if device else ()
    return "\n".join(
        f"{encode_key(peer.public_key)}\t{peer.endpoint or ''}\t{max(int(now - peer.latest_handshake), 0)}"
        for peer in peers
        if peer.latest_handshake
    )


def devices() -> Iterator[Device]:
    """Yield the WireGuard devices of this host that can be read; without rights, none can."""
    try:
        for name in wireguard_interfaces():
            found = _device(name)
            if found is not None:
                yield found
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EACCES):
            raise


def mark_of(name: str) -> int:
    """Return the mark of the packets that a WireGuard device sends, 0 for none or another kind of device."""
    device = _device(name)
    return (device.settings.fwmark or 0) if device else 0


def _device(name: str) -> Device | None:
    try:
        return backend_for(name).read(name)
    except (FamilyMissing, kernel.NotWireGuard):
        return None


def wireguard_interfaces() -> list[str]:
    """Return the names of all WireGuard interfaces of this host, including those of userspace processes."""
    names = [name for _index, name in socket.if_nameindex()]
    return sorted({*kernel.among(names), *(name for name in names if is_running(name))})


def device_info(device: Device) -> dict[str, Any]:
    """Return a device as wg_info shows it: the fields of `wg show` without secrets, and the names of peers."""
    stored = state_file.load(device.name)
    peers = []
    for peer in device.peers:
        text = encode_key(peer.public_key)
        known = stored.peers.get(text, state_file.KnownPeer())
        peers.append(
            {
                "public_key": text,
                "name": known.name,
                **peer.describe(),
                "latest_handshake": peer.latest_handshake,
                "rx_bytes": peer.rx_bytes,
                "tx_bytes": peer.tx_bytes,
            }
        )
        peers[-1]["preshared_key"] = bool(peers[-1]["preshared_key"])
    peers.sort(key=lambda entry: (entry["name"], entry["public_key"]))
    return {
        "name": device.name,
        "public_key": encode_key(device.public_key) if any(device.public_key) else None,
        "listen_port": device.settings.listen_port,
        "fwmark": device.settings.fwmark,
        "peers": peers,
    }
