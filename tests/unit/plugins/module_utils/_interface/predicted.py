# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as a plan finds it and leaves it: what check mode predicts, as the state to plan from again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import replay
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import WIREGUARD, Link
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface, WantedPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard import state_file
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint, parse_endpoint
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, clamp, public_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import (
    Device,
    Peer,
    Settings,
    change_of,
)

from .._wireguard.cryptokey_model import CryptokeyModel
from ..samples import key

PRIVATE = clamp(key(1000))
OWN = public_key(PRIVATE)
KEY_FILE = "/etc/wireguard/wg0.key"


def wanted_peer(
    number: int, endpoint: str = "", *allowed_ips: str, name: str | None = None, **fields: Any
) -> WantedPeer:
    """Return a wanted peer: host number n of the inventory, named hn unless another name is given."""
    given = {"preshared_key": ZERO, "persistent_keepalive": 0, **fields}
    peer = Peer(key(number), allowed_ips=frozenset(map(parse_prefix, allowed_ips)), **given)
    parsed = parse_endpoint(endpoint) if endpoint else None
    return WantedPeer(peer, parsed, f"h{number}" if name is None else name, (f"10.42.0.{number}",))


def mesh(*peers: WantedPeer, **fields: Any) -> WantedInterface:
    """Return a wanted interface of a mesh."""
    given = {
        "private_key_file": KEY_FILE,
        "listen_port": 51820,
        "mtu": 1420,
        "addresses": (parse_address("10.42.0.100/24"),),
        "peers": peers,
        "purge": True,
        "routes": True,
        "inventory_name": "h100",
        **fields,
    }
    return WantedInterface("wg0", **given)


def after(current: Current, made: Plan) -> Current:
    """Return the host after a plan, its peers as the kernel leaves them."""
    link = made.link[0].after if made.link else current.link
    files = tuple(replay(current.files, made.files).values())
    recorded = next(
        (state_file.parse(file.content) for file in files if file.path == state_file.path_of(made.name)), None
    )
    sysctls = tuple(replay(current.sysctls, made.sysctls).values())
    if link is None:
        return Current(sysctls=sysctls, files=files, recorded=recorded or state_file.StateFile())
    device = current.device or Device(made.name, Settings(ZERO, 0, 0), ZERO)
    kernel = CryptokeyModel.holding(device.peers)
    for operation in made.peers:
        kernel.apply(change_of(operation))
    sent = {name: value for name, value in vars(made.settings).items() if value is not None}
    return Current(
        link,
        Device(
            made.name,
            replace(device.settings, **sent),
            made.own_key if made.settings.private_key else device.public_key,
            tuple(kernel.read().values()),
        ),
        tuple(replay(current.addresses, made.addresses).values()),
        tuple(replay(current.routes, made.routes).values()),
        sysctls,
        files,
        recorded or state_file.StateFile(),
    )


def converged(wanted: WantedInterface, current: Current | None = None, **options: Any) -> Current:
    """Return a host after it was made what is wanted, from nothing unless a state is given."""
    start = current or Current()
    return after(start, plan(start, wanted, PRIVATE, **options))


def again(current: Current, wanted: WantedInterface, **options: Any) -> Plan:
    """Return the plan for a host that has its key."""
    return plan(current, wanted, PRIVATE, **options)


def with_peers(current: Current, *peers: Peer) -> Current:
    """Return a host whose device has other peers, after manual changes or roaming."""
    assert current.device is not None
    return replace(current, device=replace(current.device, peers=peers))


def roamed(current: Current, endpoint: Endpoint) -> Current:
    """Return a host whose peers have all roamed to another endpoint."""
    assert current.device is not None
    return with_peers(current, *(replace(peer, endpoint=endpoint) for peer in current.device.peers))


def foreign(kind: str = WIREGUARD, *, alias: str | None = None, peers: Iterable[Peer] = ()) -> Current:
    """Return a host with a foreign interface."""
    device = Device("wg0", Settings(key(2000), 1234, 0), public_key(key(2000)), tuple(peers))
    return Current(Link("wg0", kind, 1420, True, alias, 7), device if kind == WIREGUARD else None)
