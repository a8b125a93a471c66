# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line for each group of hosts with the same change, whatever hosts return."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._change_summary import (
    Change,
    Changes,
    left_behind_lines,
    merge,
    newcomer_lines,
    ranges,
    read_changes,
    summary_lines,
)
from hypothesis import given
from hypothesis import strategies as st


def peers(action: str, *names: str) -> Change:
    return Change("peer", action, len(names), names)


JOINED: Changes = (peers("create", "h4"),)
FRESH: Changes = (Change("peer", "create", 3), Change("interface", "create", 1, ("wg0",)))


def test_hosts_with_the_same_change_share_a_line() -> None:
    assert summary_lines({"h4": FRESH, "h2": JOINED, "h3": JOINED, "h1": JOINED, "h5": ()}) == [
        "h1-h3: +1 peer h4",
        "h4: +1 interface wg0, +3 peers",
    ]


def test_nothing_is_said_of_hosts_without_a_change() -> None:
    assert summary_lines({"h1": (), "h2": ()}) == []


def test_a_line_says_what_is_created_updated_and_deleted_in_one_order() -> None:
    changes = (
        Change("policy", "create", 9, ("n2",)),
        peers("delete", "h9", "h10"),
        Change("route", "create", 1, ("10.77.0.0/24",)),
        peers("update", "h3"),
        Change("interface", "update", 1, ("wg0",), ("mtu", "listen_port")),
        Change("address", "update", 2),
    )
    (line,) = summary_lines({"h1": changes})
    assert line == (
        "h1: ~1 interface wg0 (mtu, listen_port), ~1 peer h3, -2 peers h9 h10, ~2 addresses, "
        "+1 route 10.77.0.0/24, +9 policies n2"
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["h10", "h9", "h11"], ["h9-h11"]),
        (["h1", "h2"], ["h1", "h2"]),
        (["web08", "web09", "web10", "db1", "web12"], ["db1", "web08-web10", "web12"]),
        (["a1.example.org", "a2.example.org", "a3.example.org"], ["a1.example.org-a3.example.org"]),
        (["a", "b", "c"], ["a", "b", "c"]),
        ([f"x{number}y{number}" for number in range(14)], [*(f"x{n}y{n}" for n in range(10)), "and 4 more"]),
    ],
)
def test_runs_of_numbers_are_one_range(names: list[str], expected: list[str]) -> None:
    assert ranges(names) == expected


numbered = st.tuples(st.sampled_from(["a", "h", "h0"]), st.integers(0, 40)).map(lambda one: f"{one[0]}{one[1]}")


@given(st.lists(numbered, unique=True))
def test_ranges_do_not_depend_on_the_order_and_lose_no_host(names: list[str]) -> None:
    found = ranges(names)
    assert found == ranges(sorted(names))
    if not found or not found[-1].startswith("and "):
        shown = {end for part in found for end in part.split("-")}
        assert shown <= set(names) and len(found) <= len(names)


def test_a_fleet_whose_hosts_all_differ_has_a_bounded_summary() -> None:
    lines = summary_lines({f"h{number}": (peers("create", f"x{number}"),) for number in range(1000)})
    assert len(lines) == 51 and lines[-1] == "950 more hosts have changes of their own"


def test_calls_on_one_host_are_one_change() -> None:
    probed = (peers("create", "s2", "s3"), Change("route", "create", 1, ("10.0.0.0/24",)))
    decided = (peers("update", "s2"), peers("delete", "s3"), Change("route", "delete", 1, ("10.0.0.0/24",)))
    assert merge([(), probed, decided]) == (peers("create", "s2"),)
    assert merge([(peers("update", "s2"),), (peers("delete", "s2"),)]) == (peers("delete", "s2"),)
    assert merge([(peers("delete", "s2"),), (peers("create", "s2"),)]) == (peers("update", "s2"),)
    assert merge([FRESH, ()]) == FRESH
    port, mtu = (Change("interface", "update", 1, ("wg0",), (name,)) for name in ("listen_port", "mtu"))
    assert merge([(port,), (mtu,)]) == (Change("interface", "update", 1, ("wg0",), ("listen_port", "mtu")),)
    assert merge([(Change("peer", "create", 12),), (peers("create", "s2"),)]) == (Change("peer", "create", 13),)


def test_members_that_get_new_hosts_later_are_abbreviated() -> None:
    then = "until then there is no tunnel between them"
    assert newcomer_lines(["h4"], ["h1", "h2", "h3"], []) == [f"h1-h3 get the new peer h4 with their next run; {then}"]
    assert newcomer_lines(["h4", "h5"], ["h1"], [f"n{number}" for number in range(100)]) == [
        f"h1 gets the new peers h4 h5 with its next run; {then}",
        f"n0-n99 get the new peers h4 h5 with their batch of this run; {then}",
    ]
    many = [f"x{number}y" for number in range(0, 100, 2)]
    (line,) = newcomer_lines(["h4"], many, [])
    assert "and 40 more get the new peer h4" in line
    assert newcomer_lines([], [], []) == []


HOSTILE: list[Any] = [
    None,
    "x",
    [None, 3, "peer"],
    [{"kind": "peer", "action": "explode", "count": 1}],
    [{"kind": "a\nb", "action": "create", "count": 1}],
    [{"kind": "peer", "action": "create", "count": "many"}],
    [{"kind": "peer", "action": "create", "count": -1}],
    [{"kind": "p" * 101, "action": "create", "count": 1}],
]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_results_of_another_shape_say_nothing(value: object) -> None:
    assert read_changes(value) == ()


@pytest.mark.parametrize("names", [["x\x1b[31m"], ["h"] * 11, [None], "h4", ["n" * 101]], ids=repr)
def test_names_of_another_shape_are_left_out(names: object) -> None:
    assert read_changes([{"kind": "peer", "action": "create", "count": 1, "names": names}]) == (
        Change("peer", "create", 1),
    )
    assert read_changes([{"kind": "interface", "action": "update", "count": 1, "settings": names}]) == (
        Change("interface", "update", 1),
    )


def test_the_settings_of_an_interface_are_read() -> None:
    entry = {"kind": "interface", "action": "update", "count": 1, "names": ["wg0"], "settings": ["mtu"]}
    assert read_changes([entry]) == (Change("interface", "update", 1, ("wg0",), ("mtu",)),)


def test_a_host_that_did_not_follow_a_shared_change_is_named() -> None:
    shared = (Change("peer", "update", 1, ("h1",), ("preshared_key",)),)
    many = (Change("peer", "update", 20, (), ("endpoint",)),)
    other = (Change("peer", "update", 1, ("h1",), ("persistent_keepalive",)), Change("peer", "create", 1, ("h1",)))
    changes = {"h2": shared, "h3": many, "h4": other, "h5": ()}
    assert left_behind_lines(changes, ["h1"]) == [
        "h2, h3 have changed the peer h1, and h1 was not changed: there may be no tunnel to it until it is run again"
    ]
    assert left_behind_lines({"h2": shared}, ["h1", "h9"]) == [
        "h2 has changed the peer h1, and h1 was not changed: there may be no tunnel to it until it is run again"
    ]
    assert left_behind_lines({"h4": other}, ["h1"]) == [] and left_behind_lines(changes, []) == []
