# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why no key is made on a host."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._preparation import refusals

NAMED = {
    "interface": "mesh_interface",
    "interfaces": "hub_spoke_interface",
    "private_key_file": "mesh_private_key_file",
    "groups": "mesh_group",
}
SECRET = base64.b64encode(b"canary-private-key-0123456789abc").decode()


@pytest.mark.parametrize("name", ["wg 0", "../wg0", "interface-too-long", "all", "wg0;reboot", ""])
def test_names_that_no_interface_can_have_are_refused_with_the_variable(name: str) -> None:
    found = refusals("h1", interface=name, variables=NAMED)
    assert bool(found) is bool(name), "an empty name is an option that is not given"
    assert all(text.startswith(f"mesh_interface: {name!r} cannot name an interface") for text in found)
    assert len(refusals("h1", interfaces=["wg0", name or "/", "wg1"], variables=NAMED)) == 1
    for nothing in ("", None):
        (text,) = refusals("h1", interfaces=["wg0", nothing], variables=NAMED)
        assert text.startswith("hub_spoke_interface: '' cannot name an interface")


def test_a_relative_path_is_quoted_and_a_key_in_its_place_is_not() -> None:
    assert refusals("h1", private_key_file="keys/wg0.key", variables=NAMED) == [
        "mesh_private_key_file: 'keys/wg0.key' is not a plain absolute path"
    ]
    (found,) = refusals("h1", private_key_file=SECRET)
    assert SECRET not in found


def test_a_host_outside_the_group_is_refused_by_name() -> None:
    groups = {"vpn": ["h1", "h2"]}
    assert refusals("h1", interface="wg0", groups=groups) == []
    (found,) = refusals("h5", interface="wg0", groups=groups, variables=NAMED)
    assert found.startswith("mesh_group: 'h5' is not in 'vpn', so it would get a key and no overlay")
    assert refusals("h5", groups={"hubs": ["h1"], "spokes": ["h5"]}) == []
    assert refusals("h5", groups={}) == []


def test_all_errors_are_reported_together() -> None:
    assert len(refusals("h5", interface="wg 0", private_key_file="x", groups={"vpn": ["h1"]})) == 3
