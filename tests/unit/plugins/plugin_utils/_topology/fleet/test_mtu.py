# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""MTU of tunnels."""

from __future__ import annotations

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.mtu import (
    automatic,
    ceiling,
    choose,
    through_esp,
)

ETHERNET = {"ipv4": 1500, "ipv6": 1500}


@pytest.mark.parametrize(
    ("underlay", "families", "expected"),
    [
        (ETHERNET, ["ipv4"], 1440),
        (ETHERNET, ["ipv6"], 1420),
        (ETHERNET, ["ipv4", "ipv6"], 1420),
        (ETHERNET, ["name"], 1420),
        (ETHERNET, [], 1420),
        ({}, ["ipv4"], 1440),
        ({}, ["ipv6"], 1420),
        ({"ipv4": 9001}, ["ipv4"], 8941),
        ({"ipv4": 1400}, ["ipv4"], 1340),
        ({"ipv4": 1500, "ipv6": 1480}, ["ipv4", "ipv6"], 1400),
        ({"ipv4": 1400, "ipv6": 1500}, ["ipv4", "ipv6"], 1340),
        ({"ipv4": 1400, "ipv6": 1500}, ["name"], 1320),
        ({"ipv4": 1400}, ["ipv6"], 1320),
    ],
)
def test_automatic(underlay: dict[str, int], families: list[str], expected: int) -> None:
    assert automatic(underlay, families) == expected


@pytest.mark.parametrize(
    ("underlay", "families", "expected"),
    [
        ({}, ["ipv4"], None),
        (ETHERNET, ["ipv4"], 1440),
        (ETHERNET, ["ipv4", "ipv6"], 1420),
        (ETHERNET, ["name"], 1440),
        (ETHERNET, [], 1440),
    ],
)
def test_ceiling(underlay: dict[str, int], families: list[str], expected: int | None) -> None:
    assert ceiling(underlay, families) == expected


def test_an_explicit_mtu_is_kept() -> None:
    assert choose(1300, ETHERNET, ["ipv4"])[:2] == (1300, 1440)
    assert choose(0, ETHERNET, iter(["ipv4"]))[:2] == (1440, 1440)


def test_an_assumed_mtu_is_not_certain() -> None:
    assert [choose(0, {}, []).certain, choose(1300, {}, []).certain, choose(0, ETHERNET, []).certain] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("underlay", "family", "icv_bits", "expected"),
    [(1500, 4, 128, 1446), (1500, 6, 128, 1426), (1499, 4, 128, 1442), (1500, 4, 64, 1454), (9000, 4, 128, 8946)],
)
def test_through_esp(underlay: int, family: int, icv_bits: int, expected: int) -> None:
    """The first two are measured on a kernel."""
    assert through_esp(underlay, family, icv_bits) == expected
