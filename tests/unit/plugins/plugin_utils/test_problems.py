# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for people."""

from __future__ import annotations

from ansible_collections.wirewright.overlay.plugins.plugin_utils.problems import (
    Problem,
    host_list,
    one_line_each,
    possessive,
)


def test_one_mistake_is_one_line() -> None:
    same = [Problem(f"h{number}", "mesh_port", "wrong") for number in range(1000, 2000)]
    lines = one_line_each([*same, Problem("b", "mesh_mtu", "small"), Problem("a", "mesh_mtu", "large")])
    assert lines == [
        "host 'a': mesh_mtu: large",
        "host 'b': mesh_mtu: small",
        "hosts 'h1000', 'h1001', 'h1002' and 997 more: mesh_port: wrong",
    ]


def test_no_name_breaks_a_line() -> None:
    (line,) = one_line_each([Problem("a\nb", "mesh_port", f"it is {possessive(chr(10))}")])
    assert "\n" not in line


def test_lists_are_sorted() -> None:
    assert host_list({"c", "a", "b"}) == "'a', 'b', 'c'"
    assert host_list([]) == ""
