# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fact of a host after a run."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._facts_after import facts_after, predicted_addresses

KEY = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
BEFORE: dict[str, Any] = {
    "boot_id": "b",
    "addresses": {"wg1": ["10.43.0.1"]},
    "interfaces": {
        "wg0": {"public_key": KEY, "addresses": [], "peers": "", "key_age_days": 3},
        "wg1": {"public_key": KEY, "addresses": ["10.43.0.1/24"], "peers": ""},
    },
}
NOW: dict[str, Any] = {"public_key": KEY, "addresses": ["10.42.0.7/24", "fd42::7/64"], "peers": "p", "revoked": {}}


def test_a_changed_interface_has_its_new_addresses_and_keeps_what_the_run_does_not_know() -> None:
    after = facts_after(BEFORE, {"wg0": NOW}, {})
    assert after["addresses"] == {"wg0": ["10.42.0.7", "fd42::7"], "wg1": ["10.43.0.1"]}
    assert after["interfaces"]["wg0"] == {**NOW, "key_age_days": 3}
    assert after["interfaces"]["wg1"] == BEFORE["interfaces"]["wg1"]
    assert after["boot_id"] == "b"


def test_a_removed_interface_is_gone() -> None:
    after = facts_after(BEFORE, {"wg1": None}, {})
    assert set(after["interfaces"]) == {"wg0"}
    assert after["addresses"] == {}


def test_a_prediction_changes_only_the_addresses_because_plans_read_the_rest() -> None:
    predicted = predicted_addresses(
        [
            {"name": "wg0", "addresses": NOW["addresses"]},
            {"name": "wg1", "state": "absent"},
            {"name": "wg2", "mtu": 1420},
        ]
    )
    assert facts_after(BEFORE, {}, predicted) == {**BEFORE, "addresses": {"wg0": ["10.42.0.7", "fd42::7"]}}


def test_facts_of_the_wrong_shape_are_replaced() -> None:
    assert facts_after({"interfaces": 7}, {"wg0": NOW}, {})["interfaces"] == {"wg0": NOW}
