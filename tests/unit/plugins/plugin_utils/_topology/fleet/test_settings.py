# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A refused value is reported once: no rule draws a conclusion from the default that replaces it."""

from __future__ import annotations

import planned_hub_spoke
import pytest
from planned_fleet import host, problems
from planned_hub_spoke import hub, spoke

EVERY = {"network": "0.0.0.0/0"}
REFUSED = (
    "network: '0.0.0.0/0' is every IPv4 address; write a private network that nothing else uses, such as 10.42.0.0/24 or "
    "fd42::/64"
)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"addresses": "10.1.0.1", "networks": "192.168.1.0/24"},
        {"network": ["0.0.0.0/0", "10.42.0.0/24"], "addresses": ["10.1.0.1", "10.42.0.1"]},
    ],
)
def test_a_network_of_every_address_is_the_only_problem(variables: dict[str, object]) -> None:
    one = host("h1", {**EVERY, **variables})
    assert problems(one, host("h2", EVERY)) == (f"hosts 'h1', 'h2': mesh_{REFUSED}",)
    assert problems(one, host("h2")) == (f"host 'h1': mesh_{REFUSED}",)


def test_a_refused_address_is_the_only_problem() -> None:
    (problem,) = problems(host("h1", {"network": "", "addresses": "127.0.0.1"}), host("h2"))
    assert problem.startswith("host 'h1': mesh_addresses: '127.0.0.1' is the loopback")


def test_a_network_of_every_address_is_the_only_problem_of_hubs_and_spokes() -> None:
    first = hub("h1", {**EVERY, "masquerade": True})
    second = spoke("h2", {**EVERY, "full_tunnel": True, "addresses": "10.1.0.1"})
    assert planned_hub_spoke.problems(first, second) == (f"hosts 'h1', 'h2': hub_spoke_{REFUSED}",)
    assert planned_hub_spoke.problems(first, spoke("h2")) == (f"host 'h1': hub_spoke_{REFUSED}",)
