# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes never change, epochs are never reused, and both are known of unreachable nodes."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.records import (
    epochs,
    held_slots,
    indexes,
    warnings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import Slots
from hypothesis import given
from hypothesis import strategies as st

VARIABLE = "node_encryption_ipsec_index"
NAMES = st.lists(st.sampled_from([f"n{number}" for number in range(12)]), unique=True, max_size=12)


def fact(epoch: int = 5, boot: str = "now", **more: Any) -> dict[str, Any]:
    record = {"epoch": epoch, "boot_id": boot, "index": more.pop("index", None)}
    return {"boot_id": "now", "record": record, "epochs_left": 4, "nodes": {}, "slots": {}, "lost": 0, **more}


def listed(by_name: dict[str, int]) -> dict[str, Any]:
    return {name: {"index": index, "epoch": 100 + index} for name, index in by_name.items()}


@given(NAMES, NAMES, st.data())
def test_indexes_do_not_change_with_membership(before: list[str], after: list[str], data: st.DataObject) -> None:
    first = indexes(before, {}, {}, VARIABLE)
    assert first.problems == [] and sorted(first.by_name.values()) == list(range(1, len(before) + 1))
    # Any one node that was there remembers all of them.
    told: dict[str, Any] = dict.fromkeys(after)
    if before:
        told[data.draw(st.sampled_from(before))] = fact(nodes=listed(first.by_name))
    second = indexes(after, told, {}, VARIABLE)
    assert second.problems == [] and set(second.by_name) == set(after)
    assert len(set(second.by_name.values())) == len(after)
    for name in set(before) & set(after):
        assert second.by_name[name] == first.by_name[name]
    new = [second.by_name[name] for name in after if name not in before]
    assert not set(new) & set(first.by_name.values())


def test_explicit_index_takes_precedence_and_conflicts_are_reported() -> None:
    facts = {
        "n1": fact(index=7),
        "n2": fact(index=None, nodes=listed({"n3": 4})),
        "n4": fact(nodes=listed({"n3": 5})),
    }
    found = indexes(["n1", "n2", "n3"], facts, {"n2": 7, "n3": 4096}, VARIABLE)
    assert [tuple(problem) for problem in found.problems] == [
        ("n3", VARIABLE, "4096 is not a number from 1 to 4095"),
        ("n1", VARIABLE, "7 is also the index of host 'n2'; set another for one of them"),
    ]
    text = "the node does not report it, and others have recorded different ones: 4 by 'n2' and 5 by 'n4'; set the right one"
    (problem,) = indexes(["n1", "n2", "n3"], facts, {}, VARIABLE).problems
    assert problem == ("n3", VARIABLE, text)
    assert indexes(["n1", "n2", "n3"], facts, {"n3": 5}, VARIABLE).by_name == {"n3": 5, "n1": 7, "n2": 1}
    full = indexes([f"m{number}" for number in range(4096)], {}, {}, VARIABLE)
    assert [problem.text for problem in full.problems] == ["all 4095 indexes are taken"]


def test_one_node_cannot_use_up_the_indexes_or_epochs_of_others() -> None:
    greedy = fact(index=1, nodes={f"x{index}": {"index": index, "epoch": 5} for index in range(1, 4096)})
    assert indexes(["n1", "n2"], {"n1": greedy, "n2": None}, {}, VARIABLE).by_name == {"n1": 1, "n2": 2}
    liar = fact(nodes={"n2": {"index": 2, "epoch": 2**32 - 1}})
    assert epochs(["n1", "n2"], {"n1": liar, "n2": None, "n3": fact(nodes=listed({"n2": 2}))}, 50)["n2"] == 102


def test_epochs() -> None:
    others = listed({"gone": 1, "silent": 2, "new": 3})
    facts = {
        "steady": fact(5, nodes=others),
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
    (told,) = warnings(facts, "node_encryption_ipsec_epochs_ahead")
    assert told[:2] == ("n4", "node_encryption_ipsec_epochs_ahead")
    assert told.text.startswith("keys are left for fewer than 2 reboots")
    assert list(warnings({"n1": fact(epochs_left=2)}, "x")) == []
