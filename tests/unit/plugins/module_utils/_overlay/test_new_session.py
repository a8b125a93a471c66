# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which peers are replaced, so that the confirmation of a run needs a new handshake."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._host.ssh_connection import Flow
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.prepare import PreparedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.new_session import with_new_session
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.tunnel_path import TunnelPath
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings

OLD, NEW = bytes(31) + b"\1", bytes(31) + b"\2"
HUB = Peer(bytes(31) + b"\3", OLD, None, 25, frozenset({parse_prefix("10.42.0.0/24")}))
SPOKE = Peer(bytes(31) + b"\4", OLD, None, 0, frozenset({parse_prefix("10.42.0.7/32")}))


def planned(name: str, *operations: Operation[Peer]) -> PreparedInterface:
    device = Device(name, Settings(bytes(32), 51820, 0), bytes(32), (HUB, SPOKE))
    return PreparedInterface(WantedInterface(name), Plan(name, peers=operations, device_before=device), Current())


def path(client: str, name: str = "wg0") -> TunnelPath:
    flow = Flow(parse_prefix("10.42.0.1/32"), parse_prefix(f"{client}/32"))
    return TunnelPath([flow], [name], {name: flow})


def with_key(peer: Peer) -> Operation[Peer]:
    return Operation(peer, replace(peer, preshared_key=NEW))


def test_the_peer_that_carries_the_connection_is_replaced() -> None:
    (done,) = with_new_session([planned("wg0", with_key(HUB), with_key(SPOKE))], path("10.42.0.9"))
    new_hub = replace(HUB, preshared_key=NEW)
    assert done.plan.peers == (Operation(HUB, None), Operation(None, new_hub), with_key(SPOKE))


def test_other_peers_interfaces_and_changes_keep_their_sessions() -> None:
    for one, where in (
        (planned("wg0", with_key(HUB)), path("10.42.0.7")),
        (planned("wg1", with_key(HUB)), path("10.42.0.9")),
        (planned("wg0", Operation(HUB, replace(HUB, persistent_keepalive=9))), path("10.42.0.9")),
        (planned("wg0", Operation(HUB, None)), path("10.42.0.9")),
        (planned("wg0", with_key(HUB)), path("192.0.2.9")),
    ):
        assert with_new_session([one], where) == [one]
