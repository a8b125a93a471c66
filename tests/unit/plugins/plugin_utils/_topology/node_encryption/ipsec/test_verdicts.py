# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a pair of nodes with IPsec: matching states, and probes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption import verdicts
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.traffic_report import (
    read_reports,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.verdicts import PairVerdict
from counted_calls import calls

WIRE: dict[str, Any] = {
    "nodes": [
        {"name": "n1", "addresses": ["10.0.0.1", "fd00::1"], "pod_networks": []},
        {"name": "n2", "addresses": ["10.0.0.2"], "pod_networks": []},
    ],
    "encrypting": ["n1", "n2"],
    "keyless": [],
    "host_encryption": False,
    "exempt_hosts": [],
    "ipsec": {"reqids": "7100", "targets": []},
    "by_pair": True,
}


def states(source: int, *spis: str, meanwhile: int = 3, failed: int = 0) -> dict[str, Any]:
    ends = {"src": f"10.0.0.{source}", "dst": f"10.0.0.{3 - source}"}
    names = {"source": f"n{source}", "destination": f"n{3 - source}"}
    worn = {"key_age_days": source, "sequence_percent": 0}
    return {**ends, **names, "spis": list(spis), "meanwhile": meanwhile, "failed": failed, **worn}


def answer(number: int, **more: Any) -> dict[str, Any]:
    address = f"10.244.{number}.1"
    found = {"name": f"n{number}", "address": address, "replied": True, "rtt_ms": 0.4, "mtu": 1446, "wanted_mtu": 1446}
    return {**found, **more}


GIVEN: dict[str, Any] = {
    "n1": {"pairs": [], "ipsec": {"states": [states(1, "a"), states(2, "b", "c", "d")], "answers": [answer(2)]}},
    "n2": {"pairs": [], "ipsec": {"states": [states(1, "a", "e"), states(2, "b")], "answers": [answer(1, rtt_ms=2.0)]}},
}


def judge(given: dict[str, Any], wire: dict[str, Any]) -> list[PairVerdict]:
    return verdicts.judge(read_reports(given, wire), wire)


def judged(given: dict[str, Any], **wire: Any) -> PairVerdict:
    (pair,) = judge(given, {**WIRE, **wire})
    return pair


def changed(node: str, place: int, **values: Any) -> dict[str, Any]:
    """What the two told, but for one node's states of a way."""
    given = deepcopy(GIVEN)
    given[node]["ipsec"]["states"][place].update(values)
    return given


def silent(given: dict[str, Any]) -> dict[str, Any]:
    """The same, with n1 getting no answer."""
    given = deepcopy(given)
    given["n1"]["ipsec"]["answers"] = [answer(2, replied=False, rtt_ms=None, mtu=None)]
    return given


def test_all_is_well() -> None:
    found = judged(GIVEN)
    assert (found.verdict, found.reasons, found.rtt_ms, found.mtu) == ("ok", (), 2.0, 1446)
    ways = [(way.source, way.spis, way.sent, way.received, way.key_age_days) for way in found.states]
    assert ways == [("n1", ("a",), 3, 3, 1), ("n2", ("b",), 3, 3, 2)], "IPv4 alone, which both have"
    assert verdicts.report([found], read_reports(GIVEN, WIRE))["table"][1:] == [
        "pair     verdict  states  keys  RTT   MTU   encrypted  plain pods  plain nodes",
        "n1 - n2  ok       2 of 2  2 d   2 ms  1446  0          0           0",
    ]
    assert verdicts.report([found], read_reports(GIVEN, WIRE))["pairs"][0]["states"][0]["spis"] == ["a"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (changed("n1", 0, spis=[]), "n1 has no state for sending to n2, from 10.0.0.1 to 10.0.0.2"),
        (changed("n2", 0, spis=["e"]), "n1 sends by a from 10.0.0.1 to 10.0.0.2, and n2 has no such state"),
        (changed("n2", 1, src="10.0.0.9"), "n2 has no state for sending to n1, from 10.0.0.2 to 10.0.0.1"),
        ({**GIVEN, "n2": {"pairs": []}}, "n2 has no state for sending to n1, from 10.0.0.2 to 10.0.0.1"),
    ],
)
def test_state_is_missing(given: dict[str, Any], reason: str) -> None:
    found = judged(given)
    assert found.verdict == "no_state" and f"{reason}: run the role on all nodes" in found.reasons


def test_node_without_a_result_is_evaluated_from_the_other() -> None:
    found = judged({"n1": GIVEN["n1"]})
    assert (found.verdict, [way.received for way in found.states]) == ("ok", [None, 3])
    nothing = {"n1": {"pairs": [], "ipsec": {"states": [states(1, "a")], "answers": []}}}
    assert "n1 has no state for receiving from n2" in judged(nothing).reasons[0]


def test_no_address_to_probe_is_not_a_fault() -> None:
    given = deepcopy(GIVEN)
    for node in given.values():
        node["ipsec"]["answers"] = []
    found = judged(given)
    assert (found.verdict, found.rtt_ms, found.mtu) == ("ok", None, None)
    unpaired = judged({name: {"pairs": [], "ipsec": {}} for name in ("n1", "n2")}, by_pair=False)
    assert unpaired.verdict == "ok" and unpaired.states == ()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (changed("n1", 0, meanwhile=0), "n1 sent nothing through its states; check `ip xfrm policy`"),
        (changed("n2", 0, meanwhile=0), "ESP from 10.0.0.1 does not arrive at 10.0.0.2; accept IP protocol 50"),
        (changed("n1", 1, meanwhile=0), "ESP from 10.0.0.2 does not arrive at 10.0.0.1"),
        (
            changed("n2", 0, meanwhile=0, failed=3),
            "n2 cannot decrypt packets of n1; check that both have the same",
        ),
        (GIVEN, "n2 decrypts packets of n1; check the packet filter there"),
    ],
)
def test_no_answer_comes(given: dict[str, Any], reason: str) -> None:
    found = judged(silent(given))
    assert found.verdict == "no_answer"
    assert found.reasons[0].startswith(f"from n1: no_answer: 10.244.2.1 does not reply: {reason}")


@pytest.mark.parametrize(("largest", "said"), [(1400, "of 1400 bytes pass and larger ones"), (None, "usual size")])
def test_large_packets_are_lost(largest: int | None, said: str) -> None:
    given = deepcopy(GIVEN)
    given["n1"]["ipsec"]["answers"] = [answer(2), answer(2, address="10.244.2.2", mtu=largest)]
    found = judged(given)
    assert found.verdict == "mtu" and said in found.reasons[0] and "10.244.2.2" in found.reasons[0]


def test_address_of_a_family_that_only_one_node_has_is_no_fault() -> None:
    given = deepcopy(GIVEN)
    given["n2"]["ipsec"]["answers"].append(answer(1, address="fd00:244:0:1::1", replied=False, rtt_ms=None, mtu=None))
    assert judged(given).verdict == "ok"


def test_the_cost_of_a_pair_does_not_grow_with_the_cluster() -> None:
    def cost(count: int) -> int:
        names = [f"n{number}" for number in range(count)]
        addresses = {name: f"10.0.0.{number}" for number, name in enumerate(names)}
        given: dict[str, Any] = {}
        for name in names:
            others = [other for other in names if other != name]
            ways = [ends for other in others for ends in ((name, other), (other, name))]
            listed = [{**states(1, "a"), "src": addresses[one], "dst": addresses[other]} for one, other in ways]
            answers = [answer(1, name=other) for other in others]
            given[name] = {"pairs": [], "ipsec": {"states": listed, "answers": answers}}
        nodes = [{"name": name, "addresses": [addresses[name]], "pod_networks": []} for name in names]
        wire = {**WIRE, "nodes": nodes, "encrypting": names}
        assert {pair.verdict for pair in judge(given, wire)} == {"ok"}
        return calls(lambda: judge(given, wire))

    small, large = cost(10), cost(40)
    assert large < 18 * small, f"{large / small:.1f} times as many calls for 17 times the pairs"


def test_plaintext_comes_first() -> None:
    given = changed("n1", 0, spis=[])
    kinds = {"wireguard": 0, "esp": 4, "plaintext_pod": 2, "plaintext_host": 1}
    given["n1"]["pairs"] = [{"source": "n1", "destination": "n2", **kinds}]
    found = judged(given)
    assert (found.verdict, found.encrypted, found.plaintext_pod) == ("plaintext", 4, 2)
