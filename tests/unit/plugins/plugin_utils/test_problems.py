# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of problems."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import (
    Problem,
    format_problems,
    host_list,
    possessive,
)


def test_hosts_with_one_problem_share_a_line() -> None:
    same = [Problem(f"h{number}", "mesh_port", "wrong") for number in range(1000, 2000)]
    lines = format_problems([*same, Problem("b", "mesh_mtu", "small"), Problem("a", "mesh_mtu", "large")])
    assert lines == [
        "host 'a': mesh_mtu: large",
        "host 'b': mesh_mtu: small",
        "hosts 'h1000', 'h1001', 'h1002' and 997 more: mesh_port: wrong",
    ]


def test_names_stay_on_one_line() -> None:
    (line,) = format_problems([Problem("a\nb", "mesh_port", f"it is {possessive(chr(10))}")])
    assert "\n" not in line


def test_lists_are_sorted() -> None:
    assert host_list({"c", "a", "b"}) == "'a', 'b', 'c'"
    assert host_list([]) == ""


def test_lines_of_a_file_are_in_their_order() -> None:
    found = format_problems(Problem("h1", "mesh_adopt", f"/a, line {number}: x") for number in (10, 9, 100))
    assert [text.partition("line ")[2] for text in found] == ["9: x", "10: x", "100: x"]
