# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain values out of tagged and lazy values."""

from __future__ import annotations

import datetime
import json
from collections import OrderedDict
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._plain import to_plain


class Text(str):
    pass


class Number(int):
    pass


class Real(float):
    pass


class Entries(list):  # type: ignore[type-arg]
    pass


def types(value: Any) -> Any:
    if isinstance(value, dict):
        return {types(key): types(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [types(entry) for entry in value]
    return type(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (Text("a"), "a"),
        (Number(3), 3),
        (Real(1.5), 1.5),
        (Entries([Text("a"), (Number(1), None)]), ["a", [1, None]]),
        (OrderedDict({Text("k"): {Text("x"): True}}), {"k": {"x": True}}),
        ({"b", "a"}, ["a", "b"]),
        (datetime.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_to_plain(value: object, expected: object) -> None:
    found = to_plain(value)
    assert found == expected
    assert json.loads(json.dumps(found)) == expected
    assert str(types(found)).count("Text") == 0


def test_tagged_values() -> None:
    datatag = pytest.importorskip("ansible.template")
    tagged = datatag.trust_as_template("{{ x }}")
    assert type(tagged) is not str  # pylint: disable=unidiomatic-typecheck  # a subclass is what is not wanted
    found = to_plain({tagged: [tagged]})
    assert types(found) == {str: [str]}
