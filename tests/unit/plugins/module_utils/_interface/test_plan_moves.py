# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and routes that move between the interfaces of one run."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import route
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import OWNER_ALIAS, Link
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.moves import Moves
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan_moves import Planned, with_moves
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import ZERO, clamp, encode_key
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.model import Device, Peer, Settings

KEY = clamp(b"k" * 32)
NET = parse_prefix("10.77.0.0/16")
PEER = {"public_key": encode_key(b"p" * 32), "allowed_ips": ["10.77.0.0/16"]}


def there(name: str, port: int, metric: int = 0) -> Current:
    """Return the state of an interface with one peer and the route to it."""
    peer = Peer(b"p" * 32, ZERO, None, 0, frozenset({NET}))
    return Current(
        Link(name, "wireguard", 1420, True, OWNER_ALIAS, 7),
        Device(name, Settings(KEY, port, 0), b"K" * 32, (peer,)),
        routes=(route(NET, name, metric),),
    )


def wanted(name: str, port: int, metric: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": name, "listen_port": port, "route_metric": metric, "peers": [PEER], **more}


def moves(current: dict[str, Current], *documents: dict[str, Any]) -> dict[str, Plan]:
    interfaces = parse_document(documents, {})
    found = [
        Planned(one, current.get(one.name, Current()), plan(current.get(one.name, Current()), one, KEY))
        for one in interfaces
    ]
    return {one.name: one for one in with_moves(found)}


def key(metric: int) -> Any:
    return route(NET, "any", metric).key()


def test_a_new_interface_takes_port_and_routes_of_one_that_is_removed() -> None:
    found = moves({"wg0": there("wg0", 51820)}, wanted("wg1", 51820), {"name": "wg0", "state": "absent"})
    assert found["wg1"].moves == Moves(takes_port=True, routes_taken=frozenset({key(0)}))
    assert found["wg0"].moves == Moves(gives_port=True, routes_given=frozenset({key(0)}))
    assert found["wg0"].settings == Settings(), "it is removed, so no port is set"


def test_two_interfaces_trade_ports_and_metrics() -> None:
    current = {"wg0": there("wg0", 51820, 100), "wg1": there("wg1", 51821, 200)}
    found = moves(current, wanted("wg0", 51821, 200), wanted("wg1", 51820, 100))
    assert found["wg0"].moves == Moves(True, True, frozenset({key(100)}), frozenset({key(200)}))
    assert found["wg1"].moves == Moves(True, True, frozenset({key(200)}), frozenset({key(100)}))
    assert {name: one.settings.listen_port for name, one in found.items()} == {"wg0": 51821, "wg1": 51820}


def test_an_interface_that_accepts_any_port_gives_its_own_to_one_that_needs_it() -> None:
    current = {"wg0": there("wg0", 51820, 1), "wg1": there("wg1", 40000, 2)}
    found = moves(current, wanted("wg0", 0, 1), wanted("wg1", 51820, 2))
    assert found["wg0"].settings == Settings(listen_port=0) and found["wg0"].moves == Moves(gives_port=True)
    assert found["wg0"] and found["wg1"].moves == Moves(takes_port=True)
    again = {"wg0": there("wg0", 45678, 1), "wg1": there("wg1", 51820, 2)}
    assert not any(
        moves(again, wanted("wg0", 0, 1), wanted("wg1", 51820, 2))[name].settings.listen_port for name in again
    )


def test_a_port_that_its_interface_keeps_is_not_taken() -> None:
    current = {"wg0": there("wg0", 51820, 1), "wg1": there("wg1", 40000, 2)}
    found = moves(current, wanted("wg0", 51820, 1), wanted("wg1", 51820, 2))
    assert all(one.moves is None for one in found.values())


def test_an_interface_that_stays_down_takes_nothing() -> None:
    found = moves({"wg0": there("wg0", 51820)}, wanted("wg1", 51820, up=False), {"name": "wg0", "state": "absent"})
    assert all(one.moves is None for one in found.values())


def test_nothing_moves_where_an_interface_is_only_removed_or_only_added() -> None:
    current = {"wg0": there("wg0", 51820, 1), "wg1": there("wg1", 40000, 2)}
    removed = moves(current, {"name": "wg0", "state": "absent"}, wanted("wg1", 40000, 2))
    added = moves({"wg0": current["wg0"]}, wanted("wg0", 51820, 1), wanted("wg1", 40000, 2))
    assert all(one.moves is None for one in (*removed.values(), *added.values()))
