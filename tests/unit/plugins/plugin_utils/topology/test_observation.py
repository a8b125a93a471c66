# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts, whatever shape they come in."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.observation import observe, recollect
from planned_fleet import fact_of, key_of, remembered


def test_what_a_host_says() -> None:
    fact = fact_of(
        "h1",
        ipv4="192.0.2.1",
        mtu=1400,
        persistence="networkd",
        addresses=["10.42.0.5/24", "bad", 3],
        revoked={"x": "y"},
    )
    seen = observe(fact, "wg0")
    assert (seen.public_key, seen.persistence, seen.revoked) == (key_of("h1"), "networkd", {})
    assert {family: tuple(link) for family, link in seen.underlay.items()} == {"ipv4": ("192.0.2.1", 1400)}
    assert [str(address) for address in seen.addresses] == ["10.42.0.5/24"]
    assert observe(fact, "wg1").public_key == ""


@pytest.mark.parametrize(
    "fact",
    [
        {},
        {"interfaces": None, "underlay": []},
        {"interfaces": {"wg0": "x"}, "underlay": {"ipv4": "x", "ipv6": {"address": "192.0.2.1"}}, "persistence": 7},
        {"interfaces": {"wg0": {"public_key": None, "addresses": "10.0.0.1", "peers": ["h2"], "revoked": "no"}}},
    ],
)
def test_what_has_no_proper_shape_is_nothing(fact: dict[str, Any]) -> None:
    seen = observe(fact, "wg0")
    assert (seen.public_key, seen.persistence, seen.addresses) == ("", "none", ())
    assert not seen.underlay
    assert not seen.peers
    assert not seen.revoked


@pytest.mark.parametrize(("mtu", "expected"), [(1500, 1500), (0, None), (True, None), ("1500", None), (None, None)])
def test_mtu(mtu: object, expected: int | None) -> None:
    fact = {"underlay": {"ipv4": {"address": "192.0.2.1", "mtu": mtu}}}
    assert observe(fact, "wg0").underlay["ipv4"].mtu == expected


def test_what_neighbours_remember() -> None:
    lines = (
        remembered("h2", "10.42.0.2", "192.0.2.2:1"),
        remembered("h3"),
        "no key\th2\t10.42.0.2\t",
        f"{key_of('a')}\th2",
        "",
    )
    peers = "\n".join(lines)
    observations = {name: observe(fact_of(name, peers=peers), "wg0") for name in ("h1", "h2")}
    found = recollect(observations, {"h2", "h9"})
    assert [(memory.neighbour, memory.public_key, memory.endpoint) for memory in found["h2"]] == [
        ("h1", key_of("h2"), "192.0.2.2:1")
    ]
    assert found["h9"] == ()
    assert recollect(observations, set()) == {}
