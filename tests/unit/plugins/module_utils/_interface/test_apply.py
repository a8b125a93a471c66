# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which the plan for an interface is applied."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._fib.link_routes import Route, route
from ansible_collections.wirewright.overlay.plugins.module_utils._host.addresses import InterfaceAddress
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.apply import routes_before_addresses
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Plan
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix


def added(destination: str, metric: int = 0) -> Operation[Route]:
    return Operation(None, route(parse_prefix(destination), "wg0", metric))


def test_routes_are_added_before_the_address_goes_that_had_one_to_the_same_network() -> None:
    goes = Operation(InterfaceAddress(parse_address("10.8.0.2/24")), None)
    whole, site, same_metric = added("10.8.0.0/24", 100), added("10.77.0.0/24"), added("10.8.0.0/24")
    deleted = Operation(route(parse_prefix("10.9.0.0/24"), "wg0"), None)
    plan = Plan("wg0", addresses=(goes,), routes=(whole, site, same_metric, deleted))
    assert routes_before_addresses(plan) == ([whole, site], [same_metric, deleted])
    wider = Operation(InterfaceAddress(parse_address("fd08::2/64")), InterfaceAddress(parse_address("fd08::2/128")))
    plan = Plan("wg0", addresses=(wider,), routes=(added("fd08::/64", 256), added("fd08::/64")))
    assert [one.after.metric for one in routes_before_addresses(plan)[0] if one.after] == [1024]


def test_routes_are_not_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand peers have as many routes."""

    def compare(_self: object, _other: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(Operation, "__eq__", compare)
    early, late = routes_before_addresses(Plan("wg0", routes=tuple(added(f"10.77.{n}.0/24") for n in range(9))))
    assert len(early) == 9 and not late
