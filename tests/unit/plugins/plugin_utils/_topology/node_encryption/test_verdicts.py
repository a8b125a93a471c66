# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on each pair of nodes, from captures and probes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption import verdicts as evaluated
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.traffic_report import (
    read_reports,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.verdicts import (
    PairVerdict,
    summary,
)

NAMES = ["n1", "n2", "n3"]
WIRE = {"encrypting": NAMES, "keyless": [], "host_encryption": False, "exempt_hosts": []}
KINDS = {"wireguard": 0, "esp": 0, "decrypted": 0, "plaintext_pod": 0, "plaintext_host": 0, "other": 0}


def peer(name: str, verdict: str = "ok", **more: Any) -> dict[str, Any]:
    advice = "" if verdict == "ok" else f"mend {name}"
    return {"name": name, "verdict": verdict, "advice": advice, "handshake_age": 3, "rtt_ms": 0.4, "mtu": 1440, **more}


def result(
    own: str, *peers: dict[str, Any], pairs: tuple[tuple[str, str, dict[str, int]], ...] = (), **more: Any
) -> Any:
    """What a node returned; others than the given peers are well."""
    given = {one["name"]: one for one in peers}
    entries = [
        {"source": source, "destination": destination, **KINDS, **counts} for source, destination, counts in pairs
    ]
    asked = [given.get(name, peer(name)) for name in NAMES if name != own]
    return {
        "pairs": entries,
        "probe": {"peers": asked, "refusal": ""},
        "lost": 0,
        "full": False,
        "xfrm_stat": {},
        **more,
    }


def results(**given: Any) -> dict[str, Any]:
    return {name: given.get(name, result(name)) for name in NAMES}


def judge(given: dict[str, Any], wire: dict[str, Any]) -> list[PairVerdict]:
    return evaluated.judge(read_reports(given, wire), wire)


def report(pairs: list[PairVerdict], given: dict[str, Any], names: tuple[str, ...] | list[str] = ()) -> dict[str, Any]:
    return evaluated.report(pairs, read_reports(given, {**WIRE, "encrypting": names or NAMES}))


def verdicts(given: dict[str, Any], **wire: Any) -> dict[str, str]:
    return {pair.label: pair.verdict for pair in judge(given, {**WIRE, **wire})}


def test_all_is_well() -> None:
    pairs = judge(results(), WIRE)
    assert [(pair.label, pair.verdict, pair.reasons) for pair in pairs] == [
        ("n1 - n2", "ok", ()),
        ("n1 - n3", "ok", ()),
        ("n2 - n3", "ok", ()),
    ]
    assert report(pairs, results())["works"] and summary(pairs) == "3 pairs: 3 ok"


def test_figures_are_those_of_the_worse_side() -> None:
    given = results(n2=result("n2", peer("n1", "mtu", handshake_age=99, rtt_ms=8.0, mtu=1280)))
    (first, *_others) = judge(given, WIRE)
    assert (first.verdict, first.handshake_age, first.rtt_ms, first.mtu) == ("mtu", 99, 8.0, 1280)
    assert first.reasons == ("from n2: mtu: mend n1",)


def test_packets_that_both_ends_count_are_not_counted_twice() -> None:
    ways = (("n1", "n2", {"wireguard": 5, "plaintext_pod": 2}), ("n2", "n1", {"esp": 4}))
    given = results(
        n1=result("n1", pairs=ways), n2=result("n2", pairs=(("n1", "n2", {"wireguard": 4, "plaintext_pod": 3}),))
    )
    (first, *_others) = judge(given, WIRE)
    assert (first.encrypted, first.plaintext_pod, first.verdict) == (9, 3, "plaintext")
    assert first.reasons[0].startswith("3 packets of pods in plaintext")


def test_plaintext_captured_by_a_third_node_counts() -> None:
    given = results(n3=result("n3", pairs=(("n2", "n1", {"plaintext_pod": 1}),)))
    assert verdicts(given) == {"n1 - n2": "plaintext", "n1 - n3": "ok", "n2 - n3": "ok"}


def test_plaintext_with_other_hosts_is_not_a_fault() -> None:
    given = results(n1=result("n1", pairs=(("n1", "", {"plaintext_pod": 9}), ("n1", "n4", {"plaintext_pod": 9}))))
    assert set(verdicts(given).values()) == {"ok"}


@pytest.mark.parametrize(
    ("wire", "verdict"),
    [({}, "ok"), ({"host_encryption": True}, "plaintext"), ({"host_encryption": True, "exempt_hosts": ["n2"]}, "ok")],
)
def test_plaintext_of_nodes_counts_with_host_encryption(wire: dict[str, Any], verdict: str) -> None:
    given = results(n1=result("n1", pairs=(("n1", "n2", {"plaintext_host": 1}),)))
    assert verdicts(given, **wire)["n1 - n2"] == verdict


def test_plaintext_comes_before_other_faults() -> None:
    given = results(n1=result("n1", peer("n2", "no_route"), pairs=(("n1", "n2", {"plaintext_pod": 1}),)))
    (first, *_others) = judge(given, WIRE)
    assert first.verdict == "plaintext" and len(first.reasons) == 2


def test_node_without_a_result_is_evaluated_from_the_others() -> None:
    given = results()
    del given["n3"]
    assert verdicts(given) == {"n1 - n2": "ok", "n1 - n3": "ok", "n2 - n3": "ok"}
    del given["n2"]
    assert verdicts(given) == {"n1 - n2": "ok", "n1 - n3": "ok"}, "nothing is known of n2 - n3"
    given["n2"] = {"skipped": True}
    assert set(verdicts(given)) == {"n1 - n2", "n1 - n3"}


def test_node_that_could_not_probe() -> None:
    refused = result("n1", probe={"peers": [], "refusal": "this host has no WireGuard interface kwg0"})
    (first, *_others) = judge(results(n1=refused), WIRE)
    assert (first.verdict, first.reasons) == ("not_probed", ("from n1: this host has no WireGuard interface kwg0",))


def test_node_whose_key_is_not_known() -> None:
    given = {"n1": result("n1", probe={"peers": [peer("n2")], "refusal": ""})}
    found = {pair.label: pair for pair in judge(given, {**WIRE, "keyless": ["n3"]})}
    assert found["n1 - n2"].verdict == "ok" and found["n1 - n3"].verdict == "not_probed"
    assert "public key of n3 is not known" in found["n1 - n3"].reasons[0]


def test_table() -> None:
    given = results(
        n1=result("n1", peer("n3", "no_handshake", handshake_age=None, rtt_ms=None, mtu=None)),
        n2=result("n2", lost=2, full=True, seconds=1.5, xfrm_stat={"XfrmInNoStates": 3}),
        n3=result("n3", peer("n1", "no_handshake", handshake_age=None, rtt_ms=None, mtu=None)),
    )
    assert report(judge(given, WIRE), given)["table"] == [
        "3 pairs: 2 ok, 1 no_handshake (n1 - n3)",
        "pair     verdict       handshake  RTT     MTU   encrypted  plain pods  plain nodes",
        "n1 - n3  no_handshake  -          -       -     0          0           0",
        "n1 - n2  ok            3 s        0.4 ms  1440  0          0           0",
        "n2 - n3  ok            3 s        0.4 ms  1440  0          0           0",
        "n1 - n3: from n1: no_handshake: mend n3",
        "n1 - n3: from n3: no_handshake: mend n1",
        "n2: 2 packets were lost by the capture",
        "n2: the capture reached its packet limit after 1.5 s",
        "n2: XfrmInNoStates grew by 3",
    ]


def test_table_of_many_nodes_is_short() -> None:
    names = [f"n{number:03}" for number in range(30)]
    given = {name: {"pairs": [], "probe": {"peers": [peer(other) for other in names]}} for name in names}
    found = report(judge(given, {**WIRE, "encrypting": names}), given, names)
    assert len(found["pairs"]) == 435 and len(found["table"]) == 63 and found["table"][-1] == "and 375 more"


def test_malformed_result_is_a_problem_of_its_host_alone() -> None:
    given = results(n2={**result("n2"), "pairs": "none"}, n3=result("n3", pairs=(("n1", "n3", {"wireguard": 7}),)))
    found = report(judge(given, WIRE), given)
    assert [(pair["nodes"], pair["verdict"], pair["encrypted"]) for pair in found["pairs"]] == [
        (["n1", "n2"], "no_report", 0),
        (["n1", "n3"], "ok", 7),
        (["n2", "n3"], "no_report", 0),
    ]
    assert found["pairs"][0]["reasons"] == ["the result of n2 is malformed and is not used"]
    assert "n2: the result of traffic_info is malformed: pairs of the result is no list." in "\n".join(found["table"])


def test_nodes_without_a_pair_fail_the_report_as_well() -> None:
    given = {"n1": result("n1"), "n9": {"pairs": None}}
    assert not report(judge(given, {**WIRE, "encrypting": ["n1"]}), given)["works"]


def test_two_malformed_results() -> None:
    assert verdicts({"n1": None, "n2": []}) == dict.fromkeys(("n1 - n2", "n1 - n3", "n2 - n3"), "no_report")


def test_no_pairs() -> None:
    found = report(judge({}, {**WIRE, "encrypting": []}), {})
    assert found["works"] and found["table"] == ["0 pairs of nodes that should encrypt"]
