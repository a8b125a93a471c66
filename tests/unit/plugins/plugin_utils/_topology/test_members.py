# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of an overlay, from plans and from facts."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.state_file import KnownPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.members import (
    planned_interfaces,
    planned_members,
    reported_members,
)
from planned_fleet import fact_of, host, key_of, planned, silent
from planned_hub_spoke import SECOND, device_key, hub, spoke
from planned_hub_spoke import planned as planned_hub_spoke

H1, H2 = "h1", "h2"


def test_a_planned_mesh_has_all_members_unreachable_ones_too() -> None:
    unreachable = silent(H2, {"addresses": "10.42.0.2", "public_key": key_of(H2)}, "198.51.100.2")
    plan = planned(host(H1, {"addresses": "10.42.0.1"}), unreachable).to_dict()
    assert planned_interfaces(plan) == ["wg0"]
    assert planned_members(plan, "wg0") == {
        H1: {"addresses": ["10.42.0.1"], "public_key": key_of(H1)},
        H2: {"addresses": ["10.42.0.2"], "public_key": key_of(H2)},
    }


def test_a_spoke_has_another_key_towards_each_hub() -> None:
    plan = planned_hub_spoke(hub("h1"), hub("h2", SECOND), spoke("h3", {"addresses": "10.43.0.3"})).to_dict()
    assert planned_interfaces(plan) == ["wg0", "wg1"]
    for interface in ("wg0", "wg1"):
        member = planned_members(plan, interface)["h3"]
        assert member == {"addresses": ["10.43.0.3"], "public_key": device_key("h3", interface)}


def test_a_host_reports_itself_and_its_peers() -> None:
    peers = peer_lines({key_of(H2): KnownPeer(H2, ("10.42.0.2",)), key_of("phone"): KnownPeer()})
    own = fact_of(H1, addresses=["10.42.0.1/24"], peers=peers)
    assert reported_members(own, "wg0", H1) == {
        H1: {"addresses": ["10.42.0.1"], "public_key": key_of(H1)},
        H2: {"addresses": ["10.42.0.2"], "public_key": key_of(H2)},
    }
    assert reported_members(own, "wg7", H1) == {}
