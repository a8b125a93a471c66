# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of preflight checks of several hosts as one table; what a host reports is hostile input."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._preflight_report import preflight_report
from hypothesis import given
from hypothesis import strategies as st

PORT = {"check": "port", "level": "error", "cause": "UDP port 1 is in use", "remedy": "choose another port"}
BOOT = {"check": "boot", "level": "warning", "cause": "no systemd", "remedy": ""}


def result(*findings: dict[str, Any]) -> dict[str, Any]:
    return {"findings": list(findings), "ready": True, "changed": False}


def test_hosts_with_the_same_finding_share_a_line() -> None:
    report = preflight_report({"h2": result(BOOT), "h1": result(BOOT, PORT), "h10": result(BOOT), "h3": result()})
    assert report.table == [
        "error    port  h1           UDP port 1 is in use. Remedy: choose another port",
        "warning  boot  h1, h10, h2  no systemd",
        "3 of 4 hosts are ready",
    ]
    assert report.ready == ["h10", "h2", "h3"]


def test_a_host_without_a_result_is_not_ready() -> None:
    results = {
        "h1": {"unreachable": True, "msg": "x"},
        "h2": {"failed": True, "msg": "no python3\nat all"},
        "h3": None,
        "h4": {"changed": False},
    }
    report = preflight_report(results)
    assert report.ready == []
    assert (
        "error  connection  h2      the check failed: no python3 at all. Remedy: correct that, and run again"
        in report.table
    )
    assert any("h1, h3" in line and "unreachable" in line for line in report.table)


def test_many_hosts_are_counted() -> None:
    report = preflight_report({f"h{number:03}": result(BOOT) for number in range(50)})
    assert report.table[0].startswith(
        "warning  boot  h000, h001, h002, h003, h004, h005, h006, h007, h008, h009 and 40 more  "
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*PORT, "findings", "failed", "x"]), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_no_result_of_a_host_breaks_the_table(value: Any) -> None:
    report = preflight_report({"liar": value, "h1": result()})
    assert "h1" in report.ready
    assert all(line.isprintable() for line in report.table)
    lying = preflight_report({"liar": {"findings": [value, PORT]}, "h1": result()})
    assert "liar" not in lying.ready and "h1" in lying.ready
