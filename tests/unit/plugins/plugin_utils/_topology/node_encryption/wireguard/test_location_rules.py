# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locations that share a network: one short line for each location, and linear work."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import Problem, format_problems
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.wireguard.location_rules import (
    violations,
)
from counted_calls import calls


def in_one_network(locations: Sequence[str]) -> Any:
    """Return nodes n0, n1, ... of 10.0.0.0/16, each with its location; what other rules read is in order."""
    names = [f"n{number}" for number in range(len(locations))]
    own = {name: f"10.0.{number // 256}.{number % 256}" for number, name in enumerate(names)}
    facts = {
        name: {"node": {"interfaces": [{"name": "eth0", "up": True, "addresses": [f"{address}/16"]}]}}
        for name, address in own.items()
    }
    given = {
        name: SimpleNamespace(enabled=True, granularity="", location=location, is_leader=False, table=7100)
        for name, location in zip(names, locations, strict=True)
    }
    addresses = {
        name: SimpleNamespace(address=parse_prefix(f"{address}/32"), family=2) for name, address in own.items()
    }
    members = [SimpleNamespace(name=name, observation=None, endpoints=True) for name in names]
    return SimpleNamespace(
        fleet=SimpleNamespace(resolved=members, prefix="node_encryption_"),
        node_settings=given,
        leaders={name: name for name in names},
        inputs={name: SimpleNamespace(fact=fact, reached=True) for name, fact in facts.items()},
        discoveries={name: SimpleNamespace(addresses=[one]) for name, one in addresses.items()},
    )


def found(nodes: Any) -> list[Problem]:
    return list(violations(cast(Any, nodes)))


def test_nodes_of_a_location_share_a_line() -> None:
    lines = format_problems(found(in_one_network(["a", "a", "b", "b", "b"])))
    remedy = "set one location for all of them, or use separate networks"
    assert lines == [
        "hosts 'n0', 'n1': node_encryption_location: 10.0.0.2 of 'n2' and 2 more nodes in 'b' are in 10.0.0.0/16, a network "
        f"of 'a'; {remedy}",
        "hosts 'n2', 'n3', 'n4': node_encryption_location: 10.0.0.0 of 'n0' and 1 more node in 'a' are in 10.0.0.0/16, a "
        f"network of 'b'; {remedy}",
    ]


def test_first_locations_are_named_and_the_rest_is_counted() -> None:
    problems = found(in_one_network([f"site{number:03}" for number in range(50)]))
    assert len(problems) == 50
    assert problems[0].text.startswith(
        "10.0.0.1 of 'n1' in 'site001', 10.0.0.2 of 'n2' in 'site002', 10.0.0.3 of 'n3' in 'site003', and nodes of 46 more "
        "locations are in 10.0.0.0/16"
    )
    assert max(len(problem.text) for problem in problems) < 400


def test_one_location_is_no_problem() -> None:
    assert found(in_one_network(["a"] * 5)) == []


@pytest.mark.parametrize("number", [2, 1000])
def test_the_work_is_linear(number: int) -> None:
    """number: of locations, all of them in one network."""
    small, large = (in_one_network([f"site{one % number}" for one in range(count)]) for count in (50, 200))
    few, many = calls(lambda: found(small)), calls(lambda: found(large))
    assert many < 5 * few, f"{many / few:.1f} times as many calls for 4 times the nodes"
