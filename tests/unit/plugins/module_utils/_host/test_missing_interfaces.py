# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that check mode has only predicted."""

from __future__ import annotations

import socket

from ansible_collections.wirewright.overlay.plugins.module_utils._host.missing_interfaces import MissingInterfaces
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.missing_devices import without_missing_devices


def test_a_missing_interface_has_a_negative_index_and_a_warning() -> None:
    found = MissingInterfaces()
    assert found.index_of("lo") == socket.if_nametoindex("lo") and found.warnings() == []
    assert [found.index_of(name) for name in ("none1", "none2", "none1")] == [-1, -2, -1]
    assert [found.name_of(index) for index in (-1, -2, 1)] == ["none1", "none2", ""]
    assert [text.split(" yet")[0] for text in found.warnings()] == [
        "there is no interface none1",
        "there is no interface none2",
    ]


def test_states_and_policies_lose_only_devices_that_are_missing() -> None:
    policy = {"dir": "out", "dev": "none1"}
    assert without_missing_devices({"policies": [policy, {"dev": "lo"}], "purge": True}, "policies")[0] == {
        "policies": [{"dir": "out", "dev": None}, {"dev": "lo"}],
        "purge": True,
    }
    state = {"sel": {"src": "10.0.0.0/8", "dev": "none1"}, "offload": {"dev": "none2", "dir": "out"}}
    options, warnings = without_missing_devices({"states": [state]}, "states")
    assert options["states"] == [{"sel": {"src": "10.0.0.0/8", "dev": None}, "offload": None}]
    assert len(warnings) == 2 and state["offload"], "the options themselves are not changed"
