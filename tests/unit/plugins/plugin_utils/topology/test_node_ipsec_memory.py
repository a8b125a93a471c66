# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes never move, epochs never come back, and both are known of nodes that cannot be asked."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import Slots
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_memory import (
    epochs,
    held_slots,
    indexes,
    warnings,
)
from hypothesis import given
from hypothesis import strategies as st

VARIABLE = "node_encryption_ipsec_index"
NAMES = st.lists(st.sampled_from([f"n{number}" for number in range(12)]), unique=True, max_size=12)


def fact(epoch: int = 5, boot: str = "now", **more: Any) -> dict[str, Any]:
    record = {"epoch": epoch, "boot_id": boot, "index": more.pop("index", None)}
    return {"boot_id": "now", "record": record, "epochs_left": 4, "roster": {}, "slots": {}, "lost": 0, **more}


def roster(by_name: dict[str, int]) -> dict[str, Any]:
    return {name: {"index": index, "epoch": 100 + index} for name, index in by_name.items()}


@given(NAMES, NAMES, st.data())
def test_index_stays_whoever_comes_and_goes(before: list[str], after: list[str], data: st.DataObject) -> None:
    first = indexes(before, {}, {}, VARIABLE)
    assert first.problems == [] and sorted(first.by_name.values()) == list(range(1, len(before) + 1))
    # Any one node that was there remembers all of them.
    told: dict[str, Any] = dict.fromkeys(after)
    if before:
        told[data.draw(st.sampled_from(before))] = fact(roster=roster(first.by_name))
    second = indexes(after, told, {}, VARIABLE)
    assert second.problems == [] and set(second.by_name) == set(after)
    assert len(set(second.by_name.values())) == len(after)
    for name in set(before) & set(after):
        assert second.by_name[name] == first.by_name[name]
    new = [second.by_name[name] for name in after if name not in before]
    assert not set(new) & set(first.by_name.values())


def test_explicit_index_counts_and_what_contradicts_is_told() -> None:
    facts = {
        "n1": fact(index=7),
        "n2": fact(index=None, roster=roster({"n3": 4})),
        "n4": fact(roster=roster({"n3": 5})),
    }
    found = indexes(["n1", "n2", "n3"], facts, {"n2": 7, "n3": 4096}, VARIABLE)
    assert [tuple(problem) for problem in found.problems] == [
        ("n3", VARIABLE, "4096 is not a number from 1 to 4095"),
        ("n1", VARIABLE, "7 is the index of host 'n2' too; give one of them another"),
    ]
    (problem,) = indexes(["n1", "n2", "n3"], facts, {}, VARIABLE).problems
    assert problem == ("n3", VARIABLE, "the nodes remember 4 and 5 for it; set the right one")
    assert indexes(["n1", "n2", "n3"], facts, {"n3": 5}, VARIABLE).by_name == {"n3": 5, "n1": 7, "n2": 1}
    full = indexes([f"m{number}" for number in range(4096)], {}, {}, VARIABLE)
    assert [problem.text for problem in full.problems] == ["all 4095 indexes are taken"]


def test_epochs() -> None:
    others = roster({"gone": 1, "silent": 2, "new": 3})
    facts = {
        "steady": fact(5, roster=others),
        "booted without its program": fact(5, "before"),
        "lost its states": fact(5, lost=1),
        "new": {**fact(), "record": None},
        "newer": {**fact(), "record": None},
        "silent": None,
        "unheard of": None,
    }
    assert epochs(facts, facts, 50) == {
        "steady": 5,
        "booted without its program": 6,
        "lost its states": 6,
        "new": 104,
        "newer": 50,
        "silent": 102,
    }


def test_slots_and_warnings() -> None:
    slots = {"receive": [0, 1], "send": [0]}
    facts = {"n1": fact(slots=slots), "n2": fact(), "n3": None, "n4": fact(epochs_left=1), "n5": {"record": None}}
    assert held_slots(facts) == {"n1": Slots((0, 1), (0,))}
    (told,) = warnings(facts)
    assert told.startswith("hosts 'n4': keys are left for fewer than 2 reboots")
    assert warnings({"n1": fact(epochs_left=2)}) == []
