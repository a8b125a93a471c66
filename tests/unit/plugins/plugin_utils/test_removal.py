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


def test_without_an_interface_one_line_says_that_there_is_nothing_to_remove() -> None:
    nothing = "No interface of this collection is on h1, h2: nothing to remove"
    assert of({"h1": fact(), "h2": fact()}, "wg0") == Removal([], [nothing], [], [])
    key = "/etc/wireguard/wg0.key"
    facts = {"h1": {**fact(), "private_key_files": [key]}, "h2": fact()}
    stays = f"The private key {key} of h1 stays: -e overlay_remove_keys=true removes it"
    assert of(facts, "wg0") == Removal([], [nothing], [], [stays])
    removed = f"The private key {key} of h1 is removed"
    assert of(facts, "wg0", with_keys=True) == Removal([], [nothing + " but private keys"], [], [removed])
    assert of({}, "wg0") == Removal([], [], [], []), "all hosts were lost"


def test_keys_of_interfaces_that_are_gone_are_named_and_can_be_removed() -> None:
    """wg0 was renamed to wg1, on h2 with a key file elsewhere."""
    old, custom = "/etc/wireguard/wg0.key", "/etc/wireguard/keys of old.key"
    files = {"h1": [old, "/etc/wireguard/wg1.key"], "h2": [old, custom, "/etc/wireguard/wg1.key"]}
    facts = {name: {**fact(wg1=("mesh", 1)), "private_key_files": listed} for name, listed in files.items()}
    remedy = "-e overlay_interfaces=wg0 -e overlay_remove_keys=true removes it"
    remaining = [
        f"The private key {custom} of h2 stays; if nothing else uses it, delete it",
        f"The private key {old} of h1, h2 stays; if nothing else uses it, {remedy}",
    ]
    for with_keys in (False, True):
        assert of(facts, "wg1", with_keys=with_keys).private_keys == remaining
    (problem,) = of(facts, "wg0").problems
    assert "no interface 'wg0'" in problem
    gone = of(facts, "wg0", with_keys=True)
    assert gone.problems == [] and gone.private_keys == [remaining[0], f"The private key {old} of h1, h2 is removed"]
    assert gone.staying[0] == "No interface wg0 of this collection is on h1, h2: nothing to remove but private keys"
    assert of(facts, "wg1", key_file=custom).private_keys[0] == remaining[1], "it is the key of wg1"


@pytest.mark.parametrize("with_keys", [True, False])
def test_copies_that_an_adoption_has_made_are_named(with_keys: bool) -> None:
    """They can hold the private key, and stay."""
    copy = "/etc/wireguard/wg0.conf.before-wirewright"
    facts = {name: {**fact(wg0=("mesh", 1)), "private_key_files": [copy]} for name in ("h1", "h2")}
    (line,) = of(facts, "wg0", with_keys=with_keys).private_keys
    assert line.startswith(f"The copy {copy} of h1, h2 stays, and can hold the private key")


@pytest.mark.parametrize("listed", [None, 7, {"a": 1}, [None, 7, "", "\x1b[2J", "x" * 1000]])
def test_malformed_key_files_are_ignored(listed: object) -> None:
    assert of({"h1": {**fact(wg0=("mesh", 1)), "private_key_files": listed}}, "wg0").private_keys == []


def test_a_variable_with_a_typing_error_is_a_problem_because_the_default_would_be_removed() -> None:
    found = of(FLEET, "wg0", variables=["mesh_interfce", "mesh_port"], known=["mesh_interface", "mesh_port"])
    assert [problem.partition(":")[0] for problem in found.problems] == ["mesh_interfce"]
    assert found.problems[0].endswith("write mesh_interface")


def test_wrong_names_that_decide_nothing_do_not_prevent_a_removal() -> None:
    known = ["mesh_interface", "mesh_persistent_keepalive"]
    assert not of(FLEET, "wg0", variables=["mesh_keepalive", "hub_spoke_prot"], known=known).problems
    (problem,) = of(FLEET, "wg0", variables=["mesh_keepalive", "overlay_remove_key"], known=known).problems
    assert problem.startswith("overlay_remove_key: ") and problem.endswith("write overlay_remove_keys")


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


def test_no_part_of_the_result_has_the_name_of_a_method_of_dictionaries() -> None:
    """A template would get the method."""
    assert not set(Removal._fields) & set(dir(dict))
