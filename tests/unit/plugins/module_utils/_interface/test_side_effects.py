# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel removes with a change of the link: predicted, refused where it is to stay, and named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import Route
from ansible_collections.wirewright.overlay.plugins.module_utils._host.addresses import InterfaceAddress
from ansible_collections.wirewright.overlay.plugins.module_utils._host.links import Link
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.diff import describe
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan, plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.rollback import plan_rollback
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.side_effects import (
    lost_families,
    lost_routes,
    warning,
    without_planned,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.table_route import Hop, TableRoute

from .predicted import PRIVATE, converged, mesh

UP = Link("wg0", "wireguard", 1420, True, "wirewright.overlay", 7)
DOWN, SMALL = replace(UP, up=False), replace(UP, mtu=1279)
FOUR, SIX = 2, 10


def changed(before: Link | None, after: Link | None, *routes: Operation[Route]) -> Plan:
    return Plan("wg0", (Operation(before, after),), routes=routes)


@pytest.mark.parametrize(
    ("before", "after", "families"),
    [
        (None, UP, ()),
        (UP, replace(UP, mtu=1300), ()),
        (DOWN, UP, ()),
        (SMALL, UP, ()),
        (SMALL, replace(SMALL, mtu=1000), ()),
        (DOWN, replace(DOWN, mtu=1300), ()),
        (UP, SMALL, (SIX,)),
        (DOWN, replace(SMALL, up=False), (SIX,)),
        (UP, DOWN, (FOUR, SIX)),
        (UP, replace(SMALL, up=False), (FOUR, SIX)),
        (UP, None, (FOUR, SIX)),
    ],
)
def test_families_that_lose_their_routes(before: Link | None, after: Link | None, families: tuple[int, ...]) -> None:
    assert lost_families(changed(before, after)) == families


def held(text: str, table: int = 254, protocol: int = 4, metric: int = 0) -> TableRoute:
    return TableRoute(parse_prefix(text), table, metric, protocol=protocol, hops=(Hop(interface_index=7),))


ROUTES = (held("10.9.0.0/16"), held("fd09::/48", 77, 87), held("10.8.0.0/16", protocol=87, metric=5))


def test_routes_of_others_are_lost() -> None:
    planned = Operation(Route(parse_prefix("10.8.0.0/16"), "wg0", metric=5), None)
    assert lost_routes(ROUTES, changed(UP, DOWN)) == ROUTES
    assert lost_routes(ROUTES, changed(UP, DOWN, planned)) == ROUTES[:2], "the plan has the third"
    assert lost_routes(ROUTES, changed(UP, SMALL)) == ROUTES[1:2]
    own = [Route(parse_prefix("10.8.0.0/16"), "wg0", metric=5)]
    assert lost_routes(ROUTES, changed(UP, None), own) == ROUTES[:2], "the rollback of the interface has the third"
    assert lost_routes(ROUTES, changed(UP, DOWN), own) == ROUTES
    assert not lost_routes(ROUTES, changed(DOWN, UP))


def test_routes_that_another_section_deletes_are_left_to_it() -> None:
    lost = replace(changed(UP, None), lost=ROUTES)
    assert without_planned(lost, {ROUTES[1]}).lost == (ROUTES[0], ROUTES[2])


def test_lost_routes_are_named() -> None:
    text = warning("wg0", ROUTES)
    assert "wg0: " in text and "fd09::/48 dev wg0 table 77 proto 87" in text
    assert warning("wg0", ROUTES * 3).endswith(" and 4 more")
    shown = describe(replace(changed(UP, DOWN), lost=ROUTES[:1]), lambda _key: "")[0]
    assert (shown.before["routes"], shown.after["routes"]) == (["10.9.0.0/16 dev wg0 table 254 proto 4"], [])


def address(text: str) -> InterfaceAddress:
    return InterfaceAddress(parse_address(text))


def test_ipv6_addresses_that_are_to_stay_refuse_a_small_mtu() -> None:
    host = replace(converged(mesh()), addresses=(address("10.42.0.100/24"), address("fd42::1/64")))
    left_alone = replace(mesh(mtu=1200), addresses=None)
    with pytest.raises(Refused, match=r"below 1280, here fd42::1/64 with 1200: raise O\(mtu\)"):
        plan(host, left_alone, PRIVATE)
    assert plan(host, mesh(mtu=1200), PRIVATE).held == (address("10.42.0.100/24"),)
    assert plan(host, replace(left_alone, mtu=1280), PRIVATE)
    small = replace(converged(mesh(mtu=1200)))
    both = (parse_address("10.42.0.100/24"), parse_address("fd42::1/64"))
    with pytest.raises(Refused, match="fd42::1/64 with 1200"):
        plan(small, mesh(mtu=None, addresses=both), PRIVATE)


def test_addresses_that_are_left_out_are_held_when_the_link_changes() -> None:
    host = replace(converged(mesh()), addresses=(address("10.42.0.100/24"), address("fe80::5/64")))
    made = plan(host, mesh(up=False), PRIVATE)
    assert not made.addresses and made.held == host.addresses
    assert plan_rollback(host, host, made).held == host.addresses
    assert plan_rollback(Current(), Current(), made).held is None


def test_boot_files_have_the_listed_addresses_only() -> None:
    host = replace(converged(mesh()), addresses=(address("10.42.0.100/24"), address("fe80::5/64")))
    made = plan(host, mesh(persistence="wg_quick"), PRIVATE)
    (text,) = [one.after.content for one in made.files if one.after and one.after.path.endswith(".conf")]
    assert "Address = 10.42.0.100/24\n" in text and "fe80" not in text
    listed = (parse_address("10.42.0.100/24"), parse_address("fe80::5/64"))
    then = plan(host, mesh(persistence="wg_quick", addresses=listed), PRIVATE)
    assert "Address = fe80::5/64\n" in "".join(one.after.content for one in then.files if one.after)
