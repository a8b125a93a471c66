# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings of our table by several versions of nft equal the wanted ruleset; any other listing does not.

A recording is the output of `nft -j -s list table inet wirewright_overlay` after EVERYTHING was applied.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.listing import expression, parse
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse as parse_options
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.table import (
    DORMANT,
    RulesetPart,
    Stray,
    plan,
)

EVERYTHING: dict[str, Any] = {
    "wg0": {
        "forward": [{"iif": "wg0", "oif": "eth0"}, {"iif": "eth0", "oif": "wg0"}, {"iif": "wg0"}],
        "isolate": True,
        "isolate_except": ["10.42.0.9", "10.42.0.128/25", "fd42::9", "fd42:0:0:1::/64"],
        "masquerade": [
            {"source": "10.42.0.0/24"},
            {"source": "10.0.0.0/8", "oif": "eth0"},
            {"source": "10.42.0.7", "oif": "eth1"},
            {"source": "fd42::/64"},
            {"source": "fd42::7/128", "oif": "eth0.100"},
        ],
        "clamp_mss": True,
    },
    "w=+1": {"clamp_mss": True},
}
RECORDINGS = sorted(Path(__file__).parent.glob("nft_*.json"))


def recordings() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", RECORDINGS, ids=[path.stem for path in RECORDINGS])


def test_there_are_recordings() -> None:
    assert len(RECORDINGS) > 1


@recordings()
def test_listing_equals_the_wanted_ruleset(recording: Path) -> None:
    wanted = parse_options(EVERYTHING)
    current = parse(recording.read_text())
    assert set(current) == set(wanted.parts)
    assert plan(current, wanted) == []


@recordings()
def test_any_change_to_a_rule_is_detected(recording: Path) -> None:
    """Every value in every expression takes part: another text or number, and the rule is another one."""
    wanted = parse_options(EVERYTHING)
    document = json.loads(recording.read_text())
    rules = [entry["rule"] for entry in document["nftables"] if "rule" in entry]
    changed = 0
    for rule in rules:
        for holder, name in list(_leaves(rule["expr"])):
            before = holder[name]
            holder[name] = 7 if isinstance(before, int) else "other"
            operations = plan(parse(json.dumps(document)), wanted)
            assert [operation.after for operation in operations], (rule, before)
            holder[name] = before
            changed += 1
    assert changed > 50
    assert plan(parse(json.dumps(document)), wanted) == []


def _leaves(value: Any) -> Any:
    """Yield (container, index) of every text and number."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        if isinstance(inner, (str, int)):
            yield value, name
        else:
            yield from _leaves(inner)


@pytest.mark.parametrize(
    "found",
    [
        {"match": {"op": "!=", "left": {"meta": {"key": "mark"}}, "right": 7}},
        {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": {"set": ["wg0", "wg1"]}}},
        {"match": {"op": "<", "left": {"meta": {"key": "iifname"}}, "right": "wg0"}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": "syn"}},
        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "@some"}},
        {"match": {"op": "==", "left": "iifname", "right": "wg0"}},
        {"masquerade": {"flags": "random"}},
        {"mangle": {"key": {"meta": {"key": "priority"}}, "value": 1}},
        {"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"^": [{"meta": {"key": "mark"}}, 1]}}},
        {"jump": {"target": "mine"}},
        {"accept": None, "drop": None},
    ],
    ids=json.dumps,
)
def test_a_foreign_expression_keeps_its_json(found: dict[str, Any]) -> None:
    assert json.loads(expression(found)) == found


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"counter": {"packets": 3, "bytes": 180}}, "counter"),
        ({"counter": None}, "counter"),
        ({"masquerade": {}}, "masquerade"),
        (
            {
                "match": {
                    "op": "!=",
                    "left": {"payload": {"protocol": "ip6", "field": "daddr"}},
                    "right": {"prefix": {"addr": "fd42::9", "len": 128}},
                }
            },
            "ip6 daddr != fd42::9",
        ),
        ({"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": 50}}, "meta l4proto esp"),
    ],
)
def test_versions_of_nft_print_the_same_differently(found: dict[str, Any], words: str) -> None:
    assert expression(found) == words


def test_other_objects_are_strays() -> None:
    entries = [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "wirewright_overlay", "flags": "dormant"}},
        {"chain": {"family": "inet", "name": "mine"}},
        {"chain": {"family": "inet", "name": "isolate_wg0"}},
        {"set": {"family": "inet", "name": "some"}},
        {"ct helper": {"family": "inet", "name": "ftp"}},
    ]
    dormant, *strays, part, some, helper = parse(json.dumps({"nftables": entries}))
    assert (dormant, strays, some, helper) == (
        Stray(*DORMANT),
        [Stray("chain", "mine")],
        Stray("set", "some"),
        Stray("ct helper", "ftp"),
    )
    assert isinstance(part, RulesetPart) and part.hook.type == ""
