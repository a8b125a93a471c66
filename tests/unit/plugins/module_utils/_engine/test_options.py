# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option reader: values, defaults, and every error with the path of its option."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import InvalidOptions
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.options import (
    OptionReader,
    mark,
    number,
    within,
)
from hypothesis import given
from hypothesis import strategies as st


def test_values_are_converted_and_options_that_are_not_given_have_defaults() -> None:
    options = OptionReader({"port": "0x10", "mode": "b", "up": False, "names": ["x"], "none": None})
    assert options.number("port", 1, 99) == 16 and options.number("none", 1, 99, 7) == 7
    assert options.choice("mode", {"a": 1, "b": 2}, "a") == 2 and options.choice("other", {"a": 1}, "a") == 1
    assert options.flag("up", True) is False and options.flag("down", True) is True
    assert options.each("names", str) == ["x"] and options.each("none", str) == []
    assert options.nested("none") is None and list(options.entries("none")) == []
    assert not options.errors
    options.raise_errors()


def test_every_error_has_the_path_of_its_option() -> None:
    options = OptionReader(
        {
            "rules": [{"priority": "x", "from": 5, "hops": [{"weight": 300}, 7]}, "text"],
            "mode": "c",
            "up": "yes",
            "marks": [1, "2/1", True],
            "list": "text",
        },
        "ip_rules",
    )
    for rule in options.entries("rules", ("priority", "hops")):
        rule.number("priority", 1, 9)
        rule.read("from", str.strip, "")
        for hop in rule.entries("hops"):
            hop.number("weight", 1, 256)
        rule.reject("priority", "is taken")
    options.choice("mode", {"a": 1, "b": 2}, "a")
    options.flag("up")
    assert options.each("marks", mark) == [(1, 0xFFFFFFFF)]
    options.each("list", str)
    assert options.required("goto", within(1, 9), 0) == 0
    options.error("", "no rule fits")
    with pytest.raises(InvalidOptions) as raised:
        options.raise_errors()
    assert list(raised.value.errors) == [
        "ip_rules.rules[0]: unknown from; known are priority, hops",
        "ip_rules.rules[0].priority: 'x' is not a number from 1 to 9; write it in decimal, or in hexadecimal with 0x",
        "ip_rules.rules[0].from: a value of type int does not fit here",
        "ip_rules.rules[0].hops[0].weight: 300 is not a number from 1 to 256",
        "ip_rules.rules[0].hops[1]: expected a mapping, got a value of type int",
        "ip_rules.rules[0].priority: 'x' is taken",
        "ip_rules.rules[1]: expected a mapping with priority, hops, got a value of type str",
        "ip_rules.mode: 'c' is none of a, b",
        "ip_rules.up: 'yes' is neither true nor false",
        "ip_rules.marks[1]: '2/1' has bits outside of its mask; write '0x0/0x1'",
        "ip_rules.marks[2]: true is not a mark; write numbers of 32 bits, up to 4294967295, as in 512, 0x200 or 0x200/0xf00",
        "ip_rules.list: expected a list, got a value of type str",
        "ip_rules.goto: is required",
        "ip_rules: no rule fits",
    ]


@pytest.mark.parametrize(
    ("value", "found"), [(7, 7), ("7", 7), ("0x10", 16), (0, 0), ("0", 0), (100, 100), (" 7 ", 7), ("-0x1", -1)]
)
def test_numbers_may_be_text(value: Any, found: int) -> None:
    assert number(value, -1, 100) == found


@pytest.mark.parametrize(
    "value",
    [101, -1, "", "ten", "1.5", 1.0, float("inf"), float("nan"), True, None, [], {}, "09", "+1", "1_0", "0x", "0x-1",
     "\u0661", "0b1"],
)  # fmt: skip
def test_values_out_of_range_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a number from 0 to 100"):
        number(value, 0, 100)


@given(st.one_of(st.integers(), st.text(max_size=12)))
def test_a_mark_is_within_its_mask_of_32_bits(value: Any) -> None:
    try:
        found, mask = mark(value)
    except ValueError as exc:
        assert "mark" in str(exc) or "outside of its mask" in str(exc)
        return
    assert found & mask == found and 0 <= mask < 2**32


def test_unknown_names_are_shown_and_keys_in_their_place_are_not() -> None:
    secret = "usoy1Y3aU+U+B+CiWIyA/aN9fe5k/laU6RgxQUBXg8o="  # noqa: S105
    errors: list[str] = []
    OptionReader({"adress": 1, secret: 1, "{'private_key': 1}": 2}, "peers[0]", errors).refuse_unknown(["address"])
    assert errors == ["peers[0]: unknown (a key that is no name), adress; known are address"]
