# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of all sizes, read back exactly; and a change that sends no more than it must."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import encode_key
from managed_host import ManagedHost, ModuleResult, run_module
from numbered_peers import as_dumped, create_device, dumped, networks, numbered_peer, put

pytestmark = pytest.mark.both


@pytest.mark.sampled(3)
@pytest.mark.parametrize("count", [0, 1, 20, 21, 22, 33, 255, 1000, pytest.param(10000, marks=pytest.mark.long)])
def test_device_is_read_back_exactly(host: ManagedHost, count: int) -> None:
    create_device(host)
    wanted = {numbered_peer(number) for number in range(count)}
    _requests, device = put(host, wanted)
    assert set(device.peers) == wanted and len(device.peers) == count
    assert dumped(host) == {as_dumped(peer) for peer in wanted}


@pytest.mark.parametrize("count", [600, 3000])
def test_peer_with_many_allowed_ips_is_read_back_exactly(host: ManagedHost, count: int) -> None:
    create_device(host)
    wanted = {
        numbered_peer(1),
        replace(numbered_peer(2), allowed_ips=networks(count)),
        numbered_peer(3),
    }
    _requests, device = put(host, wanted)
    assert set(device.peers) == wanted
    assert dumped(host) == {as_dumped(peer) for peer in wanted}


@pytest.mark.slow
def test_allowed_ips_are_added_to_and_taken_from_600(host: ManagedHost) -> None:
    create_device(host)
    all_of_them = networks(601)
    for allowed_ips in (networks(600), all_of_them, all_of_them - networks(1), networks(2), frozenset()):
        wanted = replace(numbered_peer(2), allowed_ips=frozenset(allowed_ips))
        _requests, device = put(host, [wanted])
        assert device.peers == (wanted,)
        assert dumped(host) == {as_dumped(wanted)}


def as_argument(number: int, **changes: object) -> dict[str, Any]:
    """Return a numbered peer as an entry of wg_peer's option `peers`."""
    peer = numbered_peer(number)
    return {
        "public_key": encode_key(peer.public_key),
        "preshared_key": encode_key(peer.preshared_key) if peer.preshared_key and any(peer.preshared_key) else "",
        "endpoint": str(peer.endpoint) if peer.endpoint else None,
        "persistent_keepalive": peer.persistent_keepalive,
        "allowed_ips": [str(prefix) for prefix in peer.allowed_ips or ()],
        **changes,
    }


def listen_in(*arguments: Any) -> tuple[ModuleResult, bytes]:
    """Run a module and return with its result all that Python's sockets sent meanwhile."""
    sent: list[bytes] = []
    plain = socket.socket.sendall

    def spying(self: socket.socket, data: bytes, *flags: int) -> None:
        sent.append(bytes(data))
        plain(self, data, *flags)

    socket.socket.sendall = spying  # type: ignore  # this process ends with the module
    return run_module(*arguments), b"".join(sent)


@pytest.mark.slow
@pytest.mark.long
def test_one_change_among_1000_sends_one_peer(host: ManagedHost) -> None:
    create_device(host)
    entries = [as_argument(number) for number in range(1000)]
    arguments = {"interface": "wg0", "purge": True, "peers": entries}
    first = host.module("wg_peer", **arguments)  # type: ignore[arg-type]
    assert first.data["peers"] == {"created": 1000, "updated": 0, "deleted": 0}

    result, sent = host.call(listen_in, "wg_peer", arguments, False)
    assert not result.changed and result.data["requests"] == 0
    assert keys_in(sent) == []

    entries[500] = as_argument(500, persistent_keepalive=77)
    result, sent = host.call(listen_in, "wg_peer", arguments, False)
    assert result.data["peers"] == {"created": 0, "updated": 1, "deleted": 0} and result.data["requests"] == 1
    assert keys_in(sent) == [500]

    entries[250] = {"public_key": entries[250]["public_key"], "state": "absent"}
    result, sent = host.call(listen_in, "wg_peer", arguments, False)
    assert result.data["peers"] == {"created": 0, "updated": 0, "deleted": 1} and result.data["requests"] == 1
    assert keys_in(sent) == [250]
    assert len(dumped(host)) == 999


def keys_in(sent: bytes) -> list[int]:
    """Return the numbers of the peers whose public keys were sent, raw or in hexadecimal."""
    found = []
    for number in range(1000):
        public_key = numbered_peer(number).public_key
        found += [number] * (sent.count(public_key) + sent.count(public_key.hex().encode()))
    return found
