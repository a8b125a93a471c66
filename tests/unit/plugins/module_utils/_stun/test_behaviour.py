# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mapping and filtering by the definitions of RFC 4787, tested against simulated NATs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._stun.behaviour import (
    Observation,
    Unsolicited,
    behind_nat,
    filtering,
    mapping,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.endpoint import Endpoint
from hypothesis import given
from hypothesis import strategies as st

LOCAL = Endpoint("192.168.1.2", 51820)
A, A2, B, B2, C = (
    Endpoint(host, port)
    for host, port in (
        ("198.51.100.1", 1),
        ("198.51.100.1", 2),
        ("198.51.100.2", 1),
        ("198.51.100.2", 2),
        ("192.0.2.1", 1),
    )
)
KEYS: dict[str, Callable[[Endpoint], object]] = {
    "endpoint_independent": lambda remote: None,
    "address_dependent": lambda remote: remote.host,
    "address_and_port_dependent": lambda remote: remote,
}


def seen_through(nat: str, remotes: list[Endpoint]) -> list[Observation]:
    """Return the observations through a NAT with a new port for each new key."""
    ports = itertools.count(40000)
    given_out: dict[object, int] = {}
    observations = []
    for remote in remotes:
        number = given_out.setdefault(KEYS[nat](remote), next(ports))
        observations.append(Observation(remote, LOCAL, Endpoint("203.0.113.2", number)))
    return observations


@pytest.mark.parametrize(
    ("remotes", "expected"),
    [
        ([A, B, B2], ["endpoint_independent", "address_dependent", "address_and_port_dependent"]),  # RFC 5780
        ([A, B, C], ["endpoint_independent", "dependent", "dependent"]),  # three servers
        ([A, B], ["endpoint_independent", "dependent", "dependent"]),
        ([A, A2], ["unknown", "unknown", "address_and_port_dependent"]),  # one server with two ports
        ([A], ["unknown", "unknown", "unknown"]),
        ([A, A], ["unknown", "unknown", "unknown"]),
        ([], ["unknown", "unknown", "unknown"]),
    ],
)
def test_mapping(remotes: list[Endpoint], expected: list[str]) -> None:
    assert [mapping(seen_through(nat, remotes)) for nat in KEYS] == expected


@given(st.sampled_from(sorted(KEYS)), st.lists(st.sampled_from([A, A2, B, B2, C]), max_size=6))
def test_mapping_is_never_misreported(nat: str, remotes: list[Endpoint]) -> None:
    expected = mapping(seen_through(nat, remotes))
    assert expected in {nat, "unknown", *(["dependent"] if nat != "endpoint_independent" else [])}


def test_no_translation() -> None:
    direct = [Observation(remote, LOCAL, LOCAL) for remote in (A, B)]
    assert mapping(direct) == mapping(direct[:1]) == "none"
    assert behind_nat(direct) is False
    assert behind_nat([]) is None
    # Only one of two uplinks translates.
    mixed = [direct[0], Observation(B, LOCAL, Endpoint("203.0.113.2", 51820))]
    assert (mapping(mixed), behind_nat(mixed)) == ("dependent", True)


@pytest.mark.parametrize(
    ("from_address", "from_port", "expected"),
    [
        (True, True, "endpoint_independent"),
        (True, None, "endpoint_independent"),
        (True, False, "endpoint_independent"),
        (False, True, "address_dependent"),
        (False, False, "address_and_port_dependent"),
        (False, None, "unknown"),
        (None, True, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_filtering(from_address: bool | None, from_port: bool | None, expected: str) -> None:
    assert filtering(Unsolicited(from_address, from_port)) == expected
