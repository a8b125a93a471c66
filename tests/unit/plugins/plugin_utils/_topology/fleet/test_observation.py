# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of valid and invalid shapes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.observation import (
    cached_names,
    cached_peers,
    names_of_key,
    observe,
    without_predictions,
)
from planned_fleet import fact_of, key_of, remembered


def test_a_valid_fact() -> None:
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
def test_invalid_values_are_ignored(fact: dict[str, Any]) -> None:
    seen = observe(fact, "wg0")
    assert (seen.public_key, seen.persistence, seen.addresses) == ("", "none", ())
    assert not seen.underlay
    assert not seen.peers
    assert not seen.revoked


@pytest.mark.parametrize(("mtu", "expected"), [(1500, 1500), (0, None), (True, None), ("1500", None), (None, None)])
def test_mtu(mtu: object, expected: int | None) -> None:
    fact = {"underlay": {"ipv4": {"address": "192.0.2.1", "mtu": mtu}}}
    assert observe(fact, "wg0").underlay["ipv4"].mtu == expected


def test_cached_state_of_other_members() -> None:
    lines = (
        remembered("h2", "10.42.0.2", "192.0.2.2:1"),
        remembered("h3"),
        "no key\th2\t10.42.0.2\t",
        f"{key_of('a')}\th2",
        "",
    )
    peers = "\n".join(lines)
    observations = {name: observe(fact_of(name, peers=peers), "wg0") for name in ("h1", "h2")}
    found = cached_peers(observations, {"h2", "h9"})
    assert [(memory.reporter, memory.public_key, str(memory.endpoint)) for memory in found["h2"]] == [
        ("h1", key_of("h2"), "192.0.2.2:1")
    ]
    assert found["h9"] == ()
    assert cached_peers(observations, set()) == {}


def test_a_few_members_are_found_as_many_are() -> None:
    # The name of a host can look like the addresses of another.
    lines = [remembered("h2", "h3"), remembered("h2", key=key_of("new")), remembered("h3", "10.42.0.3"), "h2\th3\th2"]
    seen = {"h1": observe(fact_of("h1", peers="\n".join(lines)), "wg0")}
    many = {f"other{number}" for number in range(20)}
    few = cached_peers(seen, {"h2", "h3"})
    assert {name: len(peers) for name, peers in few.items()} == {"h2": 2, "h3": 1}
    assert few.items() <= cached_peers(seen, {"h2", "h3", *many}).items()


def test_names_of_a_key() -> None:
    lines = [remembered("h2"), remembered("h3", key=key_of("h2")), remembered("h4", key_of("h2"))]
    seen = observe(fact_of("h1", peers="\n".join(lines)), "wg0")
    assert [*names_of_key(seen, key_of("h2"))] == ["h2", "h3"]


def test_peers_beyond_the_bound_are_ignored() -> None:
    lines = [remembered(f"h{number}", key="k") for number in range(20001)]
    assert cached_names(observe(fact_of("h1", peers="\n".join(lines)), "wg0"))[-1] == "h19999"


def test_a_key_that_will_be_generated_is_reported_instead_of_an_old_one() -> None:
    seen = observe(fact_of("h1", new_key=True), "wg0")
    assert (seen.public_key, seen.new_key, seen.has_key) == ("", True, True)
    assert not observe(fact_of("h1", new_key="yes", public_key=None), "wg0").has_key


def test_a_run_without_check_mode_ignores_predicted_keys() -> None:
    plain = fact_of("h1")
    assert without_predictions(plain) is plain
    predicted = fact_of("h1", new_key=True)
    seen = observe(without_predictions(predicted), "wg0")
    assert (seen.public_key, seen.new_key) == (key_of("h1"), False)
    assert predicted["interfaces"]["wg0"]["new_key"] is True, "the fact itself is not changed"
