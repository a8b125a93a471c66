# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning by classes of reachability gives what comparing all pairs gives."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.endpoints import BOTH, choose
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.member import Fleet, Member, tunnel_kinds
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import Endpoints, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.settings import read_settings
from hypothesis import given
from hypothesis import strategies as st

PLAIN = Member("", read_settings(HostInput("h", {}), "", []), None, None, (), Endpoints(), BOTH)
FAMILIES = st.sampled_from([("ipv4",), ("ipv6",), BOTH, ()])
OFFERS = st.builds(
    Endpoints, ipv4=st.sampled_from(["", "4"]), ipv6=st.sampled_from(["", "6"]), name=st.sampled_from(["", "n"])
)


@given(st.lists(st.tuples(FAMILIES, OFFERS), max_size=8))
def test_as_comparing_all_pairs(classes: list[tuple[tuple[str, ...], Endpoints]]) -> None:
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
