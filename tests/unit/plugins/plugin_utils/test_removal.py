# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a removal takes away and what stays."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._removal import Removal, removal
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import Absence


def fact(**interfaces: tuple[str, int]) -> dict[str, Any]:
    return {
        "interfaces": {
            name: {"peers": "\n".join("p" * number), "notes": {"overlay": overlay} if overlay else {}}
            for name, (overlay, number) in interfaces.items()
        }
    }


def of(facts: dict[str, Any], *interfaces: str, **options: Any) -> Removal:
    return removal(facts, interfaces, **{"with_keys": False, **options})


FLEET = {
    "h1": fact(wg0=("mesh", 2), wg5=("mesh", 1)),
    "h2": fact(wg0=("mesh", 2)),
    "h3": fact(wg0=("mesh", 1), kwg0=("node_encryption", 4)),
}


def test_hosts_with_the_same_state_share_a_line_and_other_interfaces_stay_with_the_remedy() -> None:
    found = of(FLEET, "wg0")
    assert found.going == [
        "wg0 (mesh, 2 peers) of h1, h2",
        "wg0 (mesh, 1 peer) of h3",
        "The routes, packet filter, boot files and state file of each interface are removed with it. Private keys stay, unless "
        "-e overlay_remove_keys=true is given.",
    ]
    assert found.staying == [
        "wg5 (mesh, 1 peer) of h1 stays: -e overlay_interfaces=wg5 removes it",
        "kwg0 (node_encryption, 4 peers) of h3 stays: the playbook wirewright.overlay.node_encryption_remove removes it",
    ]
    assert found.problems == []
    assert "Private keys are removed too." in of(FLEET, "wg0", with_keys=True).going[-1]
    lost = {"h5": Absence.UNREACHABLE, "h4": Absence.FAILED, "h6": Absence.FAILED}
    assert of(FLEET, "wg0", lost=lost).staying[2:] == [
        "h5 is unreachable, so nothing is removed there: run again when it is reachable",
        "h4, h6 failed earlier in this run, so nothing is removed there: correct that failure and run again",
    ]


def test_an_interface_that_no_host_has_is_a_problem_that_lists_those_there_are() -> None:
    (problem,) = of(FLEET, "wg9").problems
    assert "no interface 'wg9' of this collection is on h1-h3; there are: wg0 (mesh, 2 peers) of" in problem
    assert of(FLEET, "wg0", "wg9").problems == [], "one that is gone already"
    assert of({"h1": fact(), "h2": fact()}, "wg0") == Removal([], [], []), "a second removal"


def test_a_variable_with_a_typing_error_is_a_problem_because_the_default_would_be_removed() -> None:
    found = of(FLEET, "wg0", variables=["mesh_interfce", "mesh_port"], known=["mesh_interface", "mesh_port"])
    assert [problem.partition(":")[0] for problem in found.problems] == ["mesh_interfce"]
    assert found.problems[0].endswith("write mesh_interface")


@pytest.mark.parametrize(
    "shape",
    [
        None,
        {},
        [],
        {"interfaces": []},
        {"interfaces": {"wg0": 7}},
        {"interfaces": {"wg0\x1b[2J": {}}},
        {"interfaces": {f"wg{number}": {} for number in range(1000)}},
    ],
)
def test_malformed_facts_are_named_for_their_host_and_others_are_listed(shape: object) -> None:
    found = of({**FLEET, "h4": shape}, "wg0")
    assert found.going == of(FLEET, "wg0").going and found.problems == []
    (line,) = [line for line in found.staying if line not in of(FLEET, "wg0").staying]
    assert line.startswith("h4 reports its interfaces in a form that overlay_prepare does not return"), line


def test_a_long_note_is_not_shown() -> None:
    found = of({"h1": fact(wg0=("x" * 101, 1)), "h2": fact(wg0=("mesh", 1))}, "wg0")
    assert found.going[:2] == ["wg0 (1 peer) of h1", "wg0 (mesh, 1 peer) of h2"]


def test_all_hosts_are_named() -> None:
    names = [*(f"h{number}" for number in range(1, 1001)), *(f"site{number}-gw" for number in range(1, 80, 2)), "a\nb"]
    (line, _parts) = of({name: fact(wg0=("mesh", 2)) for name in names}, "wg0").going
    shown = line.rpartition(" of ")[2].split(", ")
    assert shown[0] == "'a\\nb'" and shown[1] == "h1-h1000"
    assert shown[2:] == [f"site{number}-gw" for number in range(1, 80, 2)]
