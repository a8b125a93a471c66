# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as result, summary and failure message."""

from __future__ import annotations

import json

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.diagnosis import Counters, Observation
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.report import failure, result, summary
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.run import Finding, RouteToPeer
from ansible_collections.wirewright.overlay.plugins.module_utils._probe.targets import Target
from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.keys import encode_key

ALPHA = b"a" * 32


def finding(name: str, verdict: str, key: bytes = ALPHA) -> Finding:
    seen = Observation(
        "wg0", Counters(0, 0, 0), Counters(1_000, 0, 100), 10.0, 1_500.0, "192.0.2.2:1", "", 1420, 1420,
        address="10.42.0.2", family=2, is_allowed=True, replied=verdict in ("ok", "mtu"), largest=1400,
    )  # fmt: skip
    return Finding(
        Target(key, name, (), 1420), (RouteToPeer(seen, verdict, (0.0123456, 0.002) if seen.replied else ()),)
    )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], "0 peers"),
        (["ok"], "1 peer: 1 ok"),
        (["ok", "stale", "ok"], "3 peers: 2 ok, 1 stale (p1)"),
        (["stale", "mtu", "stale"], "3 peers: 2 stale (p0, p2), 1 mtu (p1)"),
        (["stale"] * 8, "8 peers: 8 stale (p0, p1, p2, p3, p4 and 3 more)"),
    ],
)
def test_summary(verdicts: list[str], expected: str) -> None:
    assert summary([finding(f"p{place}", word) for place, word in enumerate(verdicts)]) == expected


def test_summary_names_a_peer_without_name_by_its_key() -> None:
    assert summary([finding("", "stale")]) == f"1 peer: 1 stale ({encode_key(ALPHA)})"


def test_result_has_the_best_round_trip_and_the_worst_address() -> None:
    target = Target(ALPHA, "p", (), 1420)
    routes = (*finding("p", "ok").routes, *finding("p", "mtu").routes)
    (peer,) = result([Finding(target, routes)])["peers"]
    assert (peer["verdict"], peer["rtt_ms"], peer["mtu"], peer["handshake_age"]) == ("mtu", 2.0, 1400, 500)
    assert [route["verdict"] for route in peer["addresses"]] == ["ok", "mtu"]
    assert json.dumps(peer)


def test_failure_is_none_if_all_peers_are_ok() -> None:
    assert failure([finding("p", "ok")]) is None
    assert failure([]) is None


def test_failure_explains_a_limited_number_of_peers() -> None:
    lines = (failure([finding(f"p{place}", "stale") for place in range(25)]) or "").splitlines()
    assert lines[0].startswith("25 peers: 25 stale (p0, ")
    assert lines[1].startswith("p0: stale: the last handshake is 500 s old")
    assert len(lines) == 22
    assert lines[-1] == "and 5 more"
