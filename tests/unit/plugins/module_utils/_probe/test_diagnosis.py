# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision table from observations to verdicts."""

from __future__ import annotations

import errno
import itertools
import socket
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._probe import diagnosis as verdicts
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.diagnosis import (
    Counters,
    Observation,
    advice,
    diagnose,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_790_000_000.0
BEFORE = Counters(0, 1000, 2000)
YOUNG, OLD, NEVER = int(NOW) - 20, int(NOW) - 181, 0

# Of three begun periods of five seconds: three initiations, responses, and pairs of keepalives.
MOST = 3 * (148 + 92 + 64)

SEEN = Observation(
    interface="wg0",
    before=BEFORE,
    after=Counters(YOUNG, 1000, 2128),
    seconds=10.02,
    now=NOW,
    endpoint="192.0.2.2:51820",
    wanted_endpoint="",
    device_mtu=1420,
    wanted=1420,
    address="10.42.0.2",
    family=socket.AF_INET,
    is_allowed=True,
    leaves_by="wg0",
)
REPLIED = replace(SEEN, replied=True, largest=1420)


def seen(handshake: int = YOUNG, rx: int = 0, tx: int = 128, **more: Any) -> Observation:
    """Return an observation whose counters have grown by these amounts."""
    return replace(SEEN, after=Counters(handshake, BEFORE.rx_bytes + rx, BEFORE.tx_bytes + tx), **more)


TABLE: list[tuple[str, str, Observation]] = [
    ("every size passes", "ok", REPLIED),
    ("small packets pass, and no more is wanted", "ok", replace(REPLIED, wanted=None, largest=None)),
    ("more than is wanted passes", "ok", replace(REPLIED, wanted=1400)),
    ("an answer outweighs every counter", "ok", replace(REPLIED, after=BEFORE)),
    ("an answer outweighs an error before it", "ok", replace(REPLIED, error=errno.EPERM)),
    ("less than is wanted passes", "mtu", replace(REPLIED, largest=1419)),
    ("no wanted size passes", "mtu", replace(REPLIED, largest=None)),
    ("the device has no such peer", "no_peer", replace(SEEN, before=None, after=None)),
    ("the peer was removed meanwhile", "no_peer", replace(SEEN, after=None)),
    ("no address", "no_address", replace(SEEN, address="", is_allowed=False)),
    ("allowed IPs lead elsewhere", "no_allowed_ip", replace(SEEN, is_allowed=False)),
    ("routes lead elsewhere", "no_route", replace(SEEN, leaves_by="eth0")),
    ("no route leads anywhere", "no_route", replace(SEEN, leaves_by="", error=errno.ENETUNREACH)),
    ("routes lead elsewhere though the tunnel works", "no_route", replace(REPLIED, leaves_by="eth0")),
    ("no endpoint", "no_endpoint", seen(NEVER, tx=0, endpoint="", leaves_by=None)),
    (
        "unresolved endpoint",
        "unresolved",
        seen(NEVER, tx=0, endpoint="", wanted_endpoint="vpn.example.org:1"),
    ),
    ("the host refuses to send", "not_sent", seen(error=errno.EPERM)),
    ("nothing left in ten seconds", "not_sent", seen(tx=0)),
    ("nothing left, and no packet ever arrived", "not_sent", seen(NEVER, tx=0)),
    ("counters of a recreated device", "not_sent", seen(NEVER, rx=-1000, tx=-2000)),
    ("nothing left, but the handshake may not be due yet", "no_handshake", seen(NEVER, tx=0, seconds=6.0)),
    ("initiations leave and no packet arrives", "no_handshake", seen(NEVER, tx=3 * 148)),
    ("another UDP service refuses", "no_handshake", seen(NEVER, refused=True)),
    ("the last handshake is too old", "stale", seen(OLD)),
    ("old, but not yet expired", "one_way", seen(int(NOW) - 180)),
    ("old, and an initiation arrived", "one_way", seen(OLD, rx=148)),
    ("initiations of the peer arrive", "one_way", seen(NEVER, rx=2 * 148)),
    ("a session, and no packet arrives", "one_way", seen()),
    ("a session made by our initiation", "one_way", seen(rx=92)),
    ("a session, and a keepalive as acknowledgement", "one_way", seen(rx=92 + 32)),
    ("as much as handshakes and keepalives make", "one_way", seen(rx=MOST)),
    ("more than handshakes and keepalives make", "filtered", seen(rx=MOST + 1)),
    ("more, but from answers of another address", "one_way", seen(rx=MOST + 128, answered_bytes=128)),
    ("more than answers of another address", "filtered", seen(rx=MOST + 129, answered_bytes=128)),
    ("longer, and as much as handshakes and keepalives make", "one_way", seen(rx=4 * 304, seconds=15.0)),
    ("an ICMP error of the peer's own", "filtered", seen(rx=92, refused=True)),
    ("the clock went back since the handshake", "one_way", seen(int(NOW) + 3600)),
]


@pytest.mark.parametrize(("expected", "observation"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_decision_table(expected: str, observation: Observation) -> None:
    assert diagnose(observation) == expected


def test_table_covers_every_verdict() -> None:
    words = {value for name, value in vars(verdicts).items() if name.isupper() and isinstance(value, str)}
    assert {row[1] for row in TABLE} == words


def test_local_faults_take_precedence_in_order() -> None:
    faults: list[tuple[str, dict[str, Any]]] = [
        ("no_peer", {"before": None}),
        ("no_address", {"address": ""}),
        ("no_allowed_ip", {"is_allowed": False}),
        ("no_route", {"leaves_by": "eth0"}),
        ("no_endpoint", {"endpoint": ""}),
        ("not_sent", {"error": errno.EPERM}),
    ]
    for (first, one), (_second, other) in itertools.combinations(faults, 2):
        assert diagnose(replace(SEEN, **{**other, **one})) == first


COUNTERS = st.builds(Counters, st.integers(0, int(NOW)), st.integers(0, 10**6), st.integers(0, 10**6))


@given(
    st.builds(
        Observation,
        interface=st.just("wg0"),
        before=st.none() | COUNTERS,
        after=st.none() | COUNTERS,
        seconds=st.floats(0, 600),
        now=st.just(NOW),
        endpoint=st.sampled_from(["", "192.0.2.2:51820"]),
        wanted_endpoint=st.sampled_from(["", "vpn.example.org:51820"]),
        device_mtu=st.just(1420),
        wanted=st.none() | st.integers(1280, 1420),
        address=st.sampled_from(["", "10.42.0.2", "fd42::2"]),
        family=st.sampled_from([socket.AF_INET, socket.AF_INET6]),
        is_allowed=st.booleans(),
        leaves_by=st.sampled_from([None, "", "eth0", "wg0"]),
        replied=st.booleans(),
        largest=st.none() | st.integers(1280, 1420),
        refused=st.booleans(),
        answered_bytes=st.integers(0, 1000),
        error=st.none() | st.sampled_from([errno.EPERM, errno.ENETUNREACH]),
    )
)
def test_every_observation_has_a_verdict_and_one_sentence_of_advice(observation: Observation) -> None:
    word = diagnose(observation)
    text = advice(word, observation)
    assert (text == "") == (word == "ok")
    assert "None" not in text and "{" not in text and "\n" not in text
    assert word != "ok" or observation.replied


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        (replace(REPLIED, largest=1328), "set the MTU of wg0 to 1328 on both hosts"),
        (replace(REPLIED, wanted=1500), "the MTU of wg0, 1420, and 1500 bytes are wanted"),
        (replace(REPLIED, largest=None), "packets of 84 bytes pass and none of 576"),
        (replace(REPLIED, largest=None, family=socket.AF_INET6), "packets of 104 bytes pass and none of 1280"),
        (replace(SEEN, leaves_by="eth0"), "leave by eth0"),
        (replace(SEEN, leaves_by=""), "have no route"),
        (seen(error=errno.EPERM), "Operation not permitted"),
        (seen(tx=0), "sent nothing to 192.0.2.2:51820"),
        (seen(OLD), "181 s old"),
        (seen(), "nothing returns"),
        (seen(rx=124), "only handshakes and keepalives return"),
        (seen(NEVER, rx=148), "handshakes of the peer arrive and none is completed"),
        (seen(NEVER, endpoint="", wanted_endpoint="vpn.example.org:1"), "vpn.example.org:1"),
    ],
)
def test_advice_names_its_subject(observation: Observation, words: str) -> None:
    assert words in advice(diagnose(observation), observation)


@pytest.mark.parametrize(("handshake", "age"), [(0, None), (YOUNG, 20), (int(NOW) + 5, 0)])
def test_age_of_a_handshake(handshake: int, age: int | None) -> None:
    assert verdicts.age(Counters(handshake, 0, 0), NOW) == age


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "ok"),
        ({"after": Counters(OLD, 1000, 2128)}, "stale"),
        ({"after": Counters(NEVER, 1000, 2128)}, "no_handshake"),
        ({"after": Counters(NEVER, 1148, 2128)}, "one_way"),
        ({"after": Counters(NEVER, 1000, 2128), "endpoint": ""}, "no_endpoint"),
        ({"after": None}, "no_peer"),
    ],
)
def test_handshake_probe_needs_no_address_and_no_route(changes: dict[str, Any], expected: str) -> None:
    seen = replace(SEEN, address="", is_allowed=False, leaves_by="eth0", handshake_is_enough=True)
    assert diagnose(replace(seen, **changes)) == expected
