# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter as called by a template."""

from __future__ import annotations

import re

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wirewright.overlay.plugins.filter.imported_variables import FilterModule
from ansible_collections.wirewright.overlay.plugins.plugin_utils._fleet_variables import variables_of_roles
from ansible_collections.wirewright.overlay.plugins.plugin_utils._variable_names import COMMON
from ansible_collections.wirewright.overlay.tests.unit.plugins.plugin_utils.test_imported import found, peer

imported_variables = FilterModule().filters()["imported_variables"]


def test_filter_returns_variables_of_a_role() -> None:
    results = {"h1": found("h1", peer("h2")), "h2": found("h2", peer("h1"))}
    hosts = imported_variables(results, role="hub_spoke", interface="wg0")
    assert hosts["h2"]["variables"]["hub_spoke_adopt"] is True
    assert hosts["h2"]["variables"]["hub_spoke_endpoint"] == "192.0.2.2:51820"
    assert imported_variables({"h1": {}})["h1"]["variables"] == {}


@pytest.mark.parametrize("role", ["mesh", "hub_spoke"])
def test_notes_name_variables_that_the_role_has(role: str) -> None:
    phone = peer("p9", name="phone", preshared_key=True)
    results = {"h1": found("h1", peer("h2", preshared_key=True), phone), "h2": found("h2", peer("h1"))}
    notes = (
        imported_variables(results, role=role)["h1"]["notes"] + imported_variables({"h1": {}}, role=role)["h1"]["notes"]
    )
    named = [name for note in notes for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", note)]
    assert named == ["preshared_key", f"{role}_static_peers", f"{role}_psk_master", "overlay_import_interface"]
    assert {f"{role}_static_peers", f"{role}_psk_master"} <= variables_of_roles()
    assert "overlay_import_interface" in COMMON


def test_several_interfaces_of_a_host_are_named() -> None:
    one, other = (found("h1", name=name)["interfaces"][0] for name in ("wg0", "wg1"))
    host = imported_variables({"h1": {"interfaces": [one, other, {"name": "{{ x }}"}]}})["h1"]
    assert (host["variables"], host["interfaces"]) == ({}, ["wg0", "wg1"])
    assert host["notes"] == ["there are several interfaces, wg0, wg1: name one with overlay_import_interface"]
    assert imported_variables({"h1": found("h1")})["h1"]["interfaces"] == ["wg0"]


def test_a_result_nested_too_deeply_is_that_of_its_host_alone() -> None:
    deep: list[object] = []
    for _level in range(100_000):
        deep = [deep]
    well = {"interfaces": [{"name": "wg0", "addresses": ["10.8.0.1/24"]}]}
    found = imported_variables({"h1": {"interfaces": deep}, "h2": well})
    assert found["h1"]["variables"] == {} and found["h2"]["variables"]["mesh_interface"] == "wg0"


def test_other_input_is_an_error_of_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match="a dictionary of results"):
        imported_variables([])
    with pytest.raises(AnsibleFilterError, match="role is one of mesh, hub_spoke"):
        imported_variables({}, role="star")
