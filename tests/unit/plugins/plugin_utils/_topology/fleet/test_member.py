# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning by classes of reachability equals comparing all pairs."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.endpoints import BOTH, choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.member import (
    Fleet,
    Member,
    tunnel_kinds,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.settings import read_settings
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import Endpoints, HostInput
from hypothesis import given
from hypothesis import strategies as st

PLAIN = Member("", read_settings(HostInput("h", {}), "", []), None, None, (), Endpoints(), BOTH)
FAMILIES = st.sampled_from([("ipv4",), ("ipv6",), BOTH, ()])
OFFERS = st.builds(
    Endpoints,
    ipv4=st.sampled_from([None, Endpoint("192.0.2.1", 1)]),
    ipv6=st.sampled_from([None, Endpoint("fd00::1", 1)]),
    name=st.sampled_from([None, Endpoint("n", 1)]),
    name_family=st.sampled_from(["", "ipv4", "ipv6"]),
)


@given(st.lists(st.tuples(FAMILIES, OFFERS), max_size=8))
def test_tunnel_kinds_equal_those_of_all_pairs(classes: list[tuple[tuple[str, ...], Endpoints]]) -> None:
    members = [
        replace(PLAIN, name=str(number), families=families, endpoints=endpoints)
        for number, (families, endpoints) in enumerate(classes)
    ]
    kinds = tunnel_kinds(Fleet(members, ""))
    for one in members:
        pairs = [
            choose(one.families, other.endpoints)[0] or choose(other.families, one.endpoints)[0]
            for other in members
            if other is not one
        ]
        assert kinds[one.name] == set(pairs)
