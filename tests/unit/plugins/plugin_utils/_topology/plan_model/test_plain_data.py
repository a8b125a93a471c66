# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec between dataclasses and plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import (
    Address,
    Prefix,
    parse_address,
    parse_prefix,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint, parse_endpoint
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.plain_data import (
    from_plain_data,
    to_plain_data,
)


class Colour(Enum):
    RED = "red"


class Pair(NamedTuple):
    left: tuple[int, ...]
    right: Colour


@dataclass(frozen=True)
class Inner:
    endpoint: Endpoint | None
    networks: tuple[Prefix, ...] = ()


@dataclass(frozen=True)
class Outer:
    address: Address
    inner: Inner | None
    by_name: Mapping[str, Inner]
    pairs: tuple[Pair, ...]
    mixed: tuple[str, int]
    names: frozenset[str]
    optional: Mapping[str, str | None] = field(default_factory=dict)


ONE = Inner(Endpoint("2001:db8::1", 51820), (parse_prefix("10.0.0.0/8"),))
VALUE = Outer(
    parse_address("10.42.0.1/24"),
    None,
    {"a": ONE, "b": Inner(None)},
    (Pair((1, 2), Colour.RED),),
    ("eth0", 1500),
    frozenset({"n2", "n1"}),
    {"x": None},
)
DATA: dict[str, Any] = {
    "address": "10.42.0.1/24",
    "inner": None,
    "by_name": {
        "a": {"endpoint": "[2001:db8::1]:51820", "networks": ["10.0.0.0/8"]},
        "b": {"endpoint": None, "networks": []},
    },
    "pairs": [[[1, 2], "red"]],
    "mixed": ["eth0", 1500],
    "names": ["n1", "n2"],
    "optional": {"x": None},
}


def test_round_trip() -> None:
    assert to_plain_data(VALUE) == DATA
    assert from_plain_data(Outer, json.loads(json.dumps(DATA))) == VALUE


@pytest.mark.parametrize("name", list(DATA))
def test_missing_fields_are_an_error(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        from_plain_data(Outer, {key: value for key, value in DATA.items() if key != name})


def test_unknown_fields_are_an_error() -> None:
    with pytest.raises(KeyError, match="later"):
        from_plain_data(Outer, {**DATA, "later": 1})


@pytest.mark.parametrize(
    "text", ["198.51.100.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:51820", "vpn.example.org:1"]
)
def test_endpoints_are_read_as_parsed(text: str) -> None:
    assert from_plain_data(Inner, {"endpoint": text, "networks": []}) == Inner(parse_endpoint(text))


def test_read_dataclasses_equal_and_hash_as_constructed() -> None:
    read = from_plain_data(Inner, to_plain_data(ONE))
    assert read == ONE and hash(read) == hash(ONE) and repr(read) == repr(ONE)


@pytest.mark.parametrize(
    "name, value",
    [
        ("address", "10.42.0"),
        ("pairs", [[[], "blue"]]),
        ("by_name", {"a": None}),
        ("by_name", {"a": {"endpoint": "198.51.100.1", "networks": []}}),
    ],
)
def test_invalid_values_are_an_error(name: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        from_plain_data(Outer, {**DATA, name: value})
