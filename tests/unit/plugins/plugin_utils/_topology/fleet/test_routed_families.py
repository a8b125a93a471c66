# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Families in which a host has no default route, but a route to a peer."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_fleet import host, peers, planned, warnings
from planned_hub_spoke import hub, spoke
from planned_hub_spoke import peers as hub_spoke_peers
from planned_hub_spoke import planned as hub_spoke_planned

ON_LINK = "2001:db8:1::/64\teth0\t256\tconnected"
CONTAINERS = "fd00:1::/64\tdocker0\t256\tconnected"
ONLY_IPV6 = {"ipv4": "", "ipv6": "2001:db8:1::13"}


def having(one: HostInput, routes: str) -> HostInput:
    """Return a host with routes to networks."""
    assert one.fact is not None
    return one._replace(fact={**one.fact, "routes": routes})


def test_a_route_to_the_network_of_an_only_endpoint_adds_a_family() -> None:
    plan = planned(host("h1"), having(host("h2"), ON_LINK), host("h3", **ONLY_IPV6))
    assert peers(plan, "h2")["h3"]["endpoint"] == "[2001:db8:1::13]:51820"
    assert peers(plan, "h2")["h1"]["endpoint"] == "198.51.100.1:51820"
    assert peers(plan, "h1")["h3"]["endpoint"] is None
    plan = hub_spoke_planned(hub("h1", **ONLY_IPV6), having(spoke("h2"), ON_LINK))
    assert hub_spoke_peers(plan, "h2")["h1"]["endpoint"] == "[2001:db8:1::13]:51820"


@pytest.mark.parametrize(
    ("variables", "routes"),
    [
        ({}, CONTAINERS),
        ({}, ""),
        ({"endpoint_family": "ipv4"}, ON_LINK),
        ({}, ON_LINK.replace("eth0", "wg0")),
    ],
    ids=["other network", "no route", "restricted", "its own tunnel"],
)
def test_other_routes_add_no_family(variables: dict[str, Any], routes: str) -> None:
    (line,) = (
        one for one in warnings(having(host("h2", variables), routes), host("h3", **ONLY_IPV6)) if "endpoint" in one
    )
    assert line == (
        "host 'h2': mesh_endpoint: neither end has an endpoint of the other, so no tunnel comes up between 'h2' and 'h3'; 'h2' "
        "reaches IPv4 and has an endpoint of IPv4 and 'h3' reaches IPv6 and has an endpoint of IPv6: set mesh_endpoint of one to "
        "an address or name that the other reaches"
    )
