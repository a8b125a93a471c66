# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of one host from YAML, `-e` and templates."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._problems import Problem
from ansible_collections.wirewright.overlay.plugins.plugin_utils._variable_reader import Reader, shown, whole_number
from hypothesis import given
from hypothesis import strategies as st

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def reader(value: Any) -> tuple[Reader, list[Problem]]:
    problems: list[Problem] = []
    return Reader("h1", "mesh_", {"x": value}, problems), problems


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7), ("7", 7), (" 7 ", 7), ("0x1F", 31), (True, None), ("7.0", None), (7.0, None), ("-1", None), ([], None)],
)
def test_whole_numbers(value: object, expected: int | None) -> None:
    assert whole_number(value) == expected


@pytest.mark.parametrize("value", [-1, 11, "abc", True, 1.5, [], {}])
def test_numbers_out_of_bounds(value: object) -> None:
    read, problems = reader(value)
    assert read.integer("x", 5, 0, 10) == 5
    assert problems == [Problem("h1", "mesh_x", f"{value!r} is not a whole number from 0 to 10")]


@pytest.mark.parametrize("value", [None, ""])
def test_defaults(value: object) -> None:
    read, problems = reader(value)
    assert (read.integer("x", 5, 0, 9), read.boolean("x", True), read.text("x", "d"), read.entries("x")) == (
        5,
        True,
        "d",
        [],
    )
    assert not problems


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), ("yes", True), ("False", False), (1, True), (0, False), ("off", False)],
)
def test_booleans(value: object, expected: bool) -> None:
    read, problems = reader(value)
    assert read.boolean("x", not expected) is expected
    assert not problems


@pytest.mark.parametrize("value", ["perhaps", 2, [], {}, 1.5])
def test_invalid_booleans(value: object) -> None:
    read, problems = reader(value)
    assert read.boolean("x", True) is True
    assert "neither true nor false" in problems[0].text


@pytest.mark.parametrize("value", ["a\nb", "a\0", 5, ["a"], "\u2028"])
def test_invalid_texts(value: object) -> None:
    read, problems = reader(value)
    assert read.text("x", "d") == "d"
    assert "\n" not in problems[0].text


@pytest.mark.parametrize(
    ("value", "expected"), [("a, b  c", ["a", "b", "c"]), (["a ", "", "b"], ["a", "b"]), ([], []), ("", [])]
)
def test_lists(value: object, expected: list[str]) -> None:
    assert reader(value)[0].entries("x") == expected


def test_entries_are_parsed_once() -> None:
    read, problems = reader(["1", "x", "1", "2"])
    assert read.parsed("x", int) == (1, 2)
    assert "invalid literal" in problems[0].text


def test_unknown_keys_are_reported_without_their_values() -> None:
    read, problems = reader(None)
    read.inner("x", {"preshraed_key": "secret", "name": 1}, ("name", "preshared_key"))
    assert "'preshraed_key'; known are name, preshared_key" in problems[0].text
    assert "secret" not in problems[0].text


@given(ANYTHING)
def test_no_value_raises_an_exception(value: Any) -> None:
    read, _problems = reader(value)
    read.integer("x", 0, 0, 9)
    read.boolean("x", False)
    read.text("x")
    read.choice("x", "a", ("a", "b"))
    read.entries("x")
    read.mappings("x")
    read.parsed("x", int)
    assert "\n" not in shown(value)
    assert len(shown(value)) <= 60
