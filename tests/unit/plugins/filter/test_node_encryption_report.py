# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a verification from results of any shape."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wirewright.overlay.plugins.filter.node_encryption_report import FilterModule

report = FilterModule().filters()["node_encryption_report"]
WIRE = {"encrypting": ["n1", "n2", "n3"], "keyless": [], "host_encryption": False, "exempt_hosts": []}


def result(*others: str) -> dict[str, Any]:
    well = {"verdict": "ok", "advice": "", "handshake_age": 1, "rtt_ms": 0.3, "mtu": 1420}
    return {"pairs": [], "probe": {"peers": [{"name": other, **well} for other in others], "refusal": ""}}


@pytest.mark.parametrize("shape", [None, [], "text", {}, {"pairs": [{}]}, {**result(), "probe": {"peers": [{}]}}])
def test_report_of_the_others_stays_right(shape: object) -> None:
    found = report({"n1": result("n2", "n3"), "n2": result("n1", "n3"), "n3": shape}, WIRE)
    assert not found["works"]
    assert {tuple(pair["nodes"]): pair["verdict"] for pair in found["pairs"]} == {
        ("n1", "n2"): "ok",
        ("n1", "n3"): "no_report",
        ("n2", "n3"): "no_report",
    }
    assert [line for line in found["table"] if line.startswith("n3: the result of traffic_info is malformed: ")]


def test_well_formed_results() -> None:
    found = report({"n1": result("n2", "n3"), "n2": result("n1", "n3"), "n3": result("n1", "n2")}, WIRE)
    assert found["works"] and found["summary"] == "3 pairs: 3 ok"


@pytest.mark.parametrize("arguments", [([], WIRE), ({}, None)])
def test_other_arguments_are_refused(arguments: tuple[object, object]) -> None:
    with pytest.raises(AnsibleFilterError, match="node_encryption_report: pass the results"):
        report(*arguments)
