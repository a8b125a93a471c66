# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of each overlay that a run has planned, also of those before the last."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.wirewright.overlay.plugins.lookup.members import LookupModule
from planned_fleet import host, planned


def plan(interface: str, network: str) -> dict[str, Any]:
    variables = {"network": network, "port": 51820, "interface": interface}
    return planned(*(host(name, variables) for name in ("h1", "h2"))).to_dict()


MESH = {"plan": plan("wg1", "10.43.0.0/24"), "earlier": [plan("wg0", "10.42.0.0/24")]}


def members(*terms: str, **variables: Any) -> Any:
    (found,) = LookupModule().run(list(terms), {"inventory_hostname": "h1", **variables})
    return found


def test_each_planned_overlay_has_its_own_addresses() -> None:
    for interface, start in (("wg0", "10.42.0."), ("wg1", "10.43.0.")):
        found = members(interface, __mesh_plan=MESH)
        assert list(found) == ["h1", "h2"]
        assert all(address.startswith(start) for entry in found.values() for address in entry["addresses"])


def test_without_a_name_there_is_one_planned_interface() -> None:
    assert list(members(__mesh_plan={"plan": MESH["plan"]})) == ["h1", "h2"]
    with pytest.raises(AnsibleLookupError, match="name one interface; those planned in this run are wg0, wg1"):
        members(__mesh_plan=MESH)
    with pytest.raises(AnsibleLookupError, match="no role of this run has planned 'wg7'"):
        members("wg7", __mesh_plan=MESH)
