# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changed objects of an interface for a summary: by name, without what hosts cannot have in common."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.module_utils._engine.shown import Change
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.changes import changes, renamed
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import WantedInterface
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan

from ..samples import key, key_text
from .predicted import again, converged, mesh, wanted_peer

BETA = wanted_peer(1, "192.0.2.1:51820", "10.42.0.1/32", "10.77.0.0/16")
NAMES = {key(number): f"h{number}" for number in range(1, 5)}


def found(made: Plan) -> list[Change]:
    return list(changes(made, lambda public_key: NAMES.get(public_key, "")))


def test_a_new_interface_is_the_same_on_all_hosts() -> None:
    made = found(again(Current(), mesh(BETA, wanted_peer(2))))
    assert made == [Change("interface", "create", "wg0"), Change("peer", "create"), Change("peer", "create")]


def test_changes_of_an_interface_are_named() -> None:
    host = converged(mesh(BETA, wanted_peer(2), wanted_peer(7, name="")))
    made = found(again(host, mesh(wanted_peer(2, persistent_keepalive=5), wanted_peer(3), listen_port=1, mtu=1400)))
    assert made == [
        Change("interface", "update", "wg0", ("mtu", "listen_port")),
        *sorted(
            [Change("peer", "update", "h2", ("persistent_keepalive",)), Change("peer", "create", "h3")],
            key=lambda one: key(int(one.name[1:])),
        ),
        *sorted(
            [Change("peer", "delete", "h1"), Change("peer", "delete", key_text(7))],
            key=lambda one: key(1) if one.name == "h1" else key(7),
            reverse=True,
        ),
        Change("route", "delete", "10.77.0.0/16"),
    ]


def test_a_removed_interface_takes_its_peers_along() -> None:
    made = plan(converged(mesh(BETA, persistence="wg_quick")), WantedInterface("wg0", present=False), None)
    assert found(made) == [
        Change("interface", "delete", "wg0"),
        Change("peer", "delete", "h1"),
        Change("file", "delete", "/etc/wireguard/wg0.conf"),
    ]


def test_the_state_file_is_not_among_the_changes() -> None:
    host = converged(mesh(BETA))
    made = again(host, mesh(BETA, notes={"a": "b"}))
    assert made.files and found(made) == []


def test_another_name_of_a_peer_or_of_the_host_is_a_recorded_name() -> None:
    recorded = converged(mesh(BETA, wanted_peer(2), wanted_peer(3, name=""))).recorded
    wanted = mesh(wanted_peer(1, name="beta"), wanted_peer(2), wanted_peer(3, name="h3"), wanted_peer(4))
    assert list(renamed(wanted, recorded)) == [Change("recorded name", "update", "beta", ("was h1",))]
    own = mesh(BETA, inventory_name="gamma")
    assert list(renamed(own, recorded)) == [Change("recorded name", "update", "gamma", ("was h100",))]
    assert list(renamed(WantedInterface("wg0", present=False), recorded)) == []
    assert list(renamed(mesh(inventory_name=""), recorded)) == [], "a single module"
