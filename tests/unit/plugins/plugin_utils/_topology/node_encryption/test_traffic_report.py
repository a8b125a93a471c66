# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of traffic_info of any shape: read whole, or named for their host."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.traffic_report import (
    TrafficReport,
    read_reports,
)
from hypothesis import given
from hypothesis import strategies as st

WIRE: dict[str, Any] = {"encrypting": ["n1", "n2"], "nodes": [{"name": "n1", "addresses": ["10.0.0.1"]}]}
COUNTS = {"wireguard": 1, "esp": 2, "decrypted": 0, "plaintext_pod": 0, "plaintext_host": 0, "other": 0}
PEER = {"name": "n2", "verdict": "ok", "advice": "", "handshake_age": 3, "rtt_ms": 0.5, "mtu": 1420}
STATES = {"src": "10.0.0.1", "dst": "10.0.0.2", "spis": ["0x1"], "meanwhile": 3, "failed": 0}
ANSWER = {"name": "n2", "address": "10.244.2.1", "replied": True, "rtt_ms": 0.4, "mtu": 1446, "wanted_mtu": 1446}
WELL: dict[str, Any] = {
    "pairs": [{"source": "n1", "destination": "n2", **COUNTS}],
    "probe": {"peers": [PEER], "refusal": ""},
    "ipsec": {"states": [STATES], "answers": [ANSWER]},
    "lost": 0,
    "full": False,
    "seconds": 5.0,
    "xfrm_stat": {"XfrmInNoStates": 2},
}
DEEP: dict[str, Any] = {}
for _level in range(100_000):
    DEEP = {"deep": DEEP}


def changed(*path: str | int, to: object) -> dict[str, Any]:
    """The result with another value at a path; the value ... removes it."""
    found = deepcopy(WELL)
    place: Any = found
    for step in path[:-1]:
        place = place[step]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return found


def test_result_of_the_module() -> None:
    reports = read_reports({"n1": WELL}, WIRE)
    assert not reports.malformed
    read = reports.by_node["n1"]
    assert read.pairs[0].kinds == {"wireguard": 1, "esp": 2, "plaintext_pod": 0, "plaintext_host": 0}
    assert read.peers["n2"].mtu == 1420 and read.states["10.0.0.1", "10.0.0.2"].spis == ("0x1",)
    assert read.answers["n2"][0].wanted_mtu == 1446 and read.xfrm_stat == {"XfrmInNoStates": 2}


@pytest.mark.parametrize("result", [{"skipped": True}, {"failed": True, "msg": ""}, {"unreachable": True}])
def test_host_without_a_result_is_not_malformed(result: dict[str, Any]) -> None:
    reports = read_reports({"n1": result}, WIRE)
    assert reports.keys() == set()


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "the result is no dictionary"),
        ([], "the result is no dictionary"),
        ({}, "pairs of the result is no list"),
        ({"failed": False}, "pairs of the result is no list"),
        (changed("pairs", to={"n1": "n2"}), "pairs of the result is no list"),
        (changed("pairs", 0, to=[]), "entry 1 of pairs of the result is no dictionary"),
        (changed("pairs", 0, "source", to=...), "source of entry 1 of pairs of the result is no text"),
        (changed("pairs", 0, "source", to=["n1"]), "source of entry 1 of pairs of the result is no text"),
        (changed("pairs", 0, "esp", to=...), "esp of entry 1 of pairs of the result is no whole number"),
        (changed("pairs", 0, "esp", to=True), "esp of entry 1 of pairs of the result is no whole number"),
        (changed("pairs", 0, "esp", to=-1), "esp of entry 1 of pairs of the result is no whole number"),
        (changed("pairs", 0, "esp", to=10**400), "esp of entry 1 of pairs of the result is no whole number"),
        (changed("pairs", to=WELL["pairs"] * 100), "pairs of the result has 100 entries, more than 16"),
        (changed("probe", to="none"), "probe of the result is no dictionary"),
        (changed("probe", "peers", to=DEEP), "peers of probe of the result is no list"),
        (changed("probe", "peers", 0, "name", to=DEEP), "name of entry 1 of peers of probe of the result is no text"),
        (changed("probe", "peers", 0, "verdict", to="ok\n"), ""),
        (changed("probe", "peers", 0, "verdict", to="o k"), "is no word in lower case"),
        (changed("probe", "peers", 0, "advice", to="\x1b[2J"), "has characters that cannot be printed"),
        (changed("probe", "peers", 0, "mtu", to="1420"), "mtu of entry 1 of peers of probe"),
        (changed("probe", "peers", 0, "rtt_ms", to=float("nan")), "rtt_ms of entry 1 of peers of probe"),
        (changed("probe", "peers", 0, "rtt_ms", to=float("inf")), "rtt_ms of entry 1 of peers of probe"),
        (changed("probe", "refusal", to={}), "refusal of probe of the result is no text"),
        (changed("ipsec", to=[]), "ipsec of the result is no dictionary"),
        (
            changed("ipsec", "states", 0, "spis", to="0x1"),
            "spis of entry 1 of states of ipsec of the result is no list",
        ),
        (changed("ipsec", "states", 0, "spis", to=["a"] * 1000), "has 1000 entries, more than 256"),
        (changed("ipsec", "states", 0, "spis", to=[[]]), "spis of entry 1 of states of ipsec of the result is no text"),
        (changed("ipsec", "states", 0, "dst", to=...), "dst of entry 1 of states of ipsec of the result is no text"),
        (changed("ipsec", "answers", 0, "replied", to=1), "is neither true nor false"),
        (changed("ipsec", "answers", 0, "address", to=None), "address of entry 1 of answers of ipsec"),
        (changed("ipsec", "answers", to=[ANSWER] * 17), "answers of ipsec of the result has 17 entries, more than 16"),
        (changed("xfrm_stat", to=[1]), "xfrm_stat of the result is no dictionary"),
        (changed("xfrm_stat", to={"XfrmInError": "2"}), "xfrm_stat of the result is no whole number"),
        (changed("xfrm_stat", to={f"c{one}": 1 for one in range(300)}), "has 300 entries, more than 256"),
        (changed("lost", to="many"), "lost of the result is no whole number"),
        (changed("full", to="no"), "full of the result is neither true nor false"),
    ],
)
def test_malformed_result_is_named_and_others_are_read(result: object, text: str) -> None:
    reports = read_reports({"n1": result, "n2": WELL}, WIRE)
    assert reports.by_node["n2"].lost == 0
    assert text in reports.malformed.get("n1", "")
    assert ("n1" in reports.malformed) == bool(text)
    assert len(reports.malformed.get("n1", "")) < 200


def test_text_is_one_line_and_short() -> None:
    read = read_reports({"n1": changed("probe", "refusal", to="one\ntwo " + "x" * 100_000)}, WIRE).by_node["n1"]
    assert read.refusal.startswith("one two x") and len(read.refusal) <= 1000


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
PATHS = [
    ("pairs",),
    ("pairs", 0),
    *(("pairs", 0, key) for key in WELL["pairs"][0]),
    ("probe",),
    ("probe", "peers"),
    ("probe", "peers", 0),
    *(("probe", "peers", 0, key) for key in PEER),
    ("ipsec",),
    ("ipsec", "states"),
    *(("ipsec", "states", 0, key) for key in STATES),
    ("ipsec", "answers"),
    *(("ipsec", "answers", 0, key) for key in ANSWER),
    *((key,) for key in ("lost", "full", "seconds", "xfrm_stat")),
]


@given(st.sampled_from(PATHS), ANYTHING)
def test_any_value_anywhere_is_read_or_named(path: tuple[str | int, ...], value: object) -> None:
    reports = read_reports({"n1": changed(*path, to=value)}, WIRE)
    assert reports.keys() == {"n1"}
    assert all(isinstance(one, TrafficReport) for one in reports.by_node.values())
