# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans as plain data."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan
from planned_fleet import host, key_of, planned

FULL = {
    "static_peers": [{"name": "phone", "public_key": key_of("phone"), "allowed_ips": ["10.42.0.9"]}],
    "peer_overrides": {"h2": {"endpoint": "192.0.2.1"}},
    "networks": ["192.168.1.0/24"],
    "revoked": ["h3"],
}


def test_round_trip() -> None:
    plan = planned(host("h1", FULL), host("h2"), host("h3"))
    data = json.loads(json.dumps(plan.to_dict()))
    assert FleetPlan.from_dict(data) == plan
    assert FleetPlan.from_dict(data).to_dict() == data


def test_a_document_needs_one_device() -> None:
    plan = planned(host("h1", FULL), host("h2", {"port": 99}))
    read = FleetPlan.from_dict(plan.to_dict(), device_of="h1")
    assert read.hosts["h2"].device is None
    assert host_document(read, "h1") == host_document(plan, "h1")


@pytest.mark.parametrize("data", [None, {}, [], {"version": 1}, {"version": "1"}])
def test_data_that_is_not_a_plan(data: Any) -> None:
    with pytest.raises(ValueError, match="not a fleet plan of version 3"):
        FleetPlan.from_dict(data)
