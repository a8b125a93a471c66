# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of every node in the report of a verification."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.coverage_report import (
    coverage_of,
    coverage_table,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import Coverage


def test_table_of_all_nodes() -> None:
    planned = [
        Coverage("n1", "encrypted"),
        Coverage("n2", "encrypted"),
        Coverage("n3", "exempt", "why"),
        Coverage("w9", "not covered", "no host"),
    ]
    nodes = coverage_of([one._asdict() for one in planned], {"n2": 1})
    assert [node["status"] for node in nodes] == ["encrypted", "failed", "exempt", "not covered"]
    assert coverage_table(nodes) == [
        "4 nodes: 1 encrypted, 1 failed, 1 exempt, 1 not covered",
        "node  status       reason",
        "n2    failed       1 of its pairs is not ok",
        "n3    exempt       why",
        "w9    not covered  no host",
        "n1    encrypted",
    ]
    assert coverage_table([]) == []


def test_a_long_table_names_those_that_do_not_encrypt_first() -> None:
    planned = [{"name": f"n{number:03}", "status": "encrypted", "reason": ""} for number in range(70)]
    lines = coverage_table([*planned, {"name": "z", "status": "exempt", "reason": "why"}])
    assert lines[2].startswith("z ") and lines[-1] == "and 11 more" and len(lines) == 63
