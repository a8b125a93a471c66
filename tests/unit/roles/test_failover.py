# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover program follows its configuration, and keeps a route to every destination."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .failover_program import failover, settings

YES, NO = True, False
MANAGED, COPY, KERNEL, MAIN = failover.MANAGED, failover.COPY, failover.KERNEL, failover.MAIN


def fresh(wanted: Any) -> Any:
    return failover.resume(wanted, [])


def after(state: Any, rounds: list[list[bool]], wanted: Any) -> tuple[Any, list[str]]:
    """Return the state after some rounds of probes, and all logged lines."""
    logged: list[str] = []
    for answered in rounds:
        state, lines = failover.decide(state, answered, wanted)
        logged += lines
    return state, logged


# --- decide


def test_the_next_hub_takes_over_after_three_losses_in_a_row() -> None:
    two = settings(2)
    state, logged = after(fresh(two), [[NO, YES], [NO, YES], [YES, YES], [NO, YES], [NO, YES]], two)
    assert (state.active, logged) == (0, [])
    state, logged = after(state, [[NO, YES]], two)
    assert state.active == 1
    assert logged == ["hub1 is dead: 3 probes of 10.42.0.1 through wg0", "hub2 takes over from hub1"]


def test_the_first_hub_takes_over_again_after_six_answers_in_a_row() -> None:
    two = settings(2)
    state, _logged = after(fresh(two), [[NO, YES]] * 3, two)
    state, logged = after(state, [[YES, YES]] * 5 + [[NO, YES]] + [[YES, YES]] * 5, two)
    assert (state.active, logged) == (1, [])
    state, logged = after(state, [[YES, YES]], two)
    assert (state.active, logged[-1]) == (0, "hub1 takes over from hub2")


def test_a_dead_hub_is_skipped() -> None:
    three = settings()
    state, logged = after(fresh(three), [[NO, NO, YES]] * 3, three)
    assert state.active == 2
    assert [line for line in logged if "takes over" in line] == ["hub3 takes over from hub1"]


@pytest.mark.parametrize("before", [[], [[NO, YES]] * 3], ids=["the first is active", "the second is active"])
def test_with_no_hub_alive_routes_stay_and_one_line_is_logged(before: list[list[bool]]) -> None:
    two = settings(2)
    state, _logged = after(fresh(two), before, two)
    active = state.active
    state, logged = after(state, [[NO, NO]] * 20, two)
    assert state.active == active
    assert [line for line in logged if "no hub" in line] == [f"no hub is alive, routes stay with hub{active + 1}"]


def test_the_documented_number_of_probes_are_the_defaults() -> None:
    assert settings()[2:] == (5, 2, 3, 6, 1)


answers = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=80)
limits = st.fixed_dictionaries({"losses": st.integers(1, 4), "answers": st.integers(1, 8)})


@given(answers, limits)
def test_hubs_do_not_flap_faster_than_the_thresholds(rounds: list[list[bool]], limit: dict[str, int]) -> None:
    wanted = settings(**limit)
    states = [fresh(wanted)]
    for answered in rounds:
        states.append(failover.decide(states[-1], answered, wanted)[0])
    for hub in range(3):
        turns = [n for n, (a, b) in enumerate(pairwise(states)) if a.alive[hub] != b.alive[hub]]
        for turn in turns:
            back = states[turn + 1].alive[hub]
            run = rounds[: turn + 1][-(limit["answers"] if back else limit["losses"]) :]
            assert [answered[hub] for answered in run] == [back] * (limit["answers"] if back else limit["losses"])
        for left, returned in pairwise(turns):
            assert returned - left >= (limit["answers"] if states[returned + 1].alive[hub] else limit["losses"])
    # Traffic moves only when the active hub has died, or the new one is alive again.
    for a, b in pairwise(states):
        if a.active != b.active:
            died, came_back = a.alive[a.active] and not b.alive[a.active], b.alive[b.active] and not a.alive[b.active]
            assert died or came_back


@given(answers, limits)
def test_the_active_hub_is_the_first_one_alive(rounds: list[list[bool]], limit: dict[str, int]) -> None:
    wanted = settings(**limit)
    state = fresh(wanted)
    for answered in rounds:
        before, (state, lines) = state, failover.decide(state, answered, wanted)
        assert state.active == (state.alive.index(True) if any(state.alive) else before.active)
        assert bool(lines) == ((before.alive, before.active) != (state.alive, state.active)), "a line for each change"
        assert all(0 <= n < (limit["losses"] if up else limit["answers"]) for n, up in zip(state.against, state.alive))


# --- resume


def copy(dev: str, destination: str = "10.50.0.0/24", metric: int = 1) -> Any:
    return route(dev, destination, COPY, metric)


def route(dev: str, destination: str = "10.50.0.0/24", protocol: int = MANAGED, metric: int = 100, **place: int) -> Any:
    where = place.get("version", 4), place.get("table", MAIN), destination
    return failover.Route(where, protocol, metric, dev, f"dev {dev}")


def test_a_restart_continues_with_the_hub_that_has_copies() -> None:
    three = settings()
    state = failover.resume(three, [route("wg0"), copy("wg1")])
    assert (state.active, state.alive) == (1, (False, True, True))
    assert after(state, [[YES] * 3] * 5, three) == (state._replace(against=(5, 0, 0)), [])


def test_a_start_without_copies_begins_with_the_first_hub() -> None:
    assert fresh(settings()).active == 0
    assert failover.resume(settings(), [copy("wg9")]).active == 0, "copies for a hub that was taken out"


# --- what is copied


def test_copies_are_of_the_active_hub_in_configured_tables() -> None:
    wanted = settings(tables=["main", 200])
    routes = [route("wg0"), route("wg1", metric=200), route("wg1", "fd50::/64", version=6), route("wg1", table=200)]
    routes += [route("wg1", table=300), route("wg1", "10.60.0.0/24", KERNEL), copy("wg2", "10.70.0.0/24")]
    places = [(4, MAIN, "10.50.0.0/24"), (6, MAIN, "fd50::/64"), (4, 200, "10.50.0.0/24")]
    assert failover.wanted(wanted, 1, routes) == dict.fromkeys(places, "dev wg1")
    assert failover.wanted(wanted, 0, routes) == {}


def test_of_two_routes_to_one_destination_the_one_with_the_lower_metric_is_copied() -> None:
    better = route("wg1", metric=5)._replace(words="dev wg1 mtu 1300")
    for routes in ([better, route("wg1", metric=9)], [route("wg1", metric=9), better]):
        assert [*failover.wanted(settings(), 1, routes).values()] == ["dev wg1 mtu 1300"]


def test_routes_that_no_copy_can_precede_are_reported() -> None:
    """For example the kernel's route to the on-link prefix of a device."""
    connected = route("wg0", protocol=KERNEL, metric=0)._replace(words="dev wg0 scope 253")
    alone = route("wg1", "fd42::/64", KERNEL, metric=256, version=6)
    same_metric = route("wg1", "fd50::/64", metric=1, version=6)
    fine = [route("eth0", protocol=KERNEL, metric=0), route("wg1", metric=200), copy("wg1"), copy("wg1", "fd50::/64")]
    fine += [route("wg0", "fe80::/64", KERNEL, 256, version=6), route("wg0", "10.42.0.101", KERNEL, 0)]
    fine += [route("wg0", "10.42.0.255", KERNEL, 0, table=255), route("wg0", "fd60::/64", KERNEL, 256, version=6)]
    fine += [route("wg1", "fd60::/64", metric=200, version=6)]
    assert failover.obstacles(settings(), [connected, *fine, alone, same_metric]) == [
        "10.50.0.0/24 dev wg0 scope 253 proto 2 metric 0 does not follow the active hub",
        "fd42::/64 dev wg1 proto 2 metric 256 does not follow the active hub",
        f"fd50::/64 dev wg1 proto {MANAGED} metric 1 does not follow the active hub",
    ]


# --- changes, with a dictionary as the kernel

places = st.tuples(st.sampled_from([4, 6]), st.sampled_from([MAIN, 200]), st.sampled_from(["a", "b", "c", "d"]))
copies = st.dictionaries(places, st.sampled_from(["dev wg0", "dev wg1", "dev wg2", "dev wg1 mtu 1300"]), max_size=8)


def apply_line(version: int, line: str, held: dict[Any, str]) -> None:
    """Apply a line as `ip` and the kernel do; fail if they would."""
    form = r"route (add|replace|delete) (\S+) table (\d+) proto 88 ?(?:metric 1 (.*))?"
    verb, destination, table, words = re.fullmatch(form, line).groups()  # type: ignore[union-attr]
    place = version, int(table), destination
    assert (place in held) == (verb != "add"), line
    if verb == "delete":
        del held[place]
    else:
        held[place] = words


@given(copies, copies)
def test_changes_reach_the_wanted_state_and_add_before_they_delete(have: dict[Any, str], want: dict[Any, str]) -> None:
    lines = failover.changes(1, have, want)
    held = dict(have)
    made = False
    for number, (version, line) in enumerate(lines):
        apply_line(version, line, held)
        assert have.keys() & want.keys() <= held.keys(), "a destination that keeps a copy is never without one"
        made = made or held.keys() >= want.keys()
        assert made or "delete" not in line, f"line {number} removes while others are still to come"
    assert held == want
    assert failover.changes(1, want, want) == []


@st.composite
def managed_routes(draw: st.DrawFn) -> list[Any]:
    """Routes as configured by Ansible: some destinations through some hubs, each hub with a separate metric."""
    through = draw(st.dictionaries(places, st.sets(st.sampled_from([0, 1, 2])), max_size=6))
    return [
        failover.Route(place, MANAGED, 100 + hub, f"wg{hub}", f"dev wg{hub}")
        for place, hubs in through.items()
        for hub in sorted(hubs)
    ]


@given(st.lists(st.tuples(st.lists(st.booleans(), min_size=3, max_size=3), managed_routes()), max_size=15), limits)
def test_no_destination_is_ever_without_a_route(
    rounds: list[tuple[list[bool], list[Any]]], limit: dict[str, int]
) -> None:
    wanted = settings(tables=["main", 200], **limit)
    state, held = fresh(wanted), {}
    for answered, routes in rounds:
        state, _lines = failover.decide(state, answered, wanted)
        have, want = dict(held), failover.wanted(wanted, state.active, routes)
        for version, line in failover.changes(1, have, want):
            apply_line(version, line, held)
            assert have.keys() & want.keys() <= held.keys()
        through = {route.place for route in routes if route.dev == f"wg{state.active}"}
        expected = {place: f"dev wg{state.active}" for place in through if state.active}
        assert held == expected, "copies of the active hub's routes, and nothing else"
        # The kernel uses the copy if there is one, else the route with the lowest metric.
        taken = {route.place: route.words for route in sorted(routes, key=lambda one: -one.metric)} | held
        assert all(taken[place] == f"dev wg{state.active}" for place in through)
        assert taken.keys() == {route.place for route in routes}


# --- what ip prints

ROUTES = [  # by `ip -N -j` of iproute2 6.1
    (
        4,
        {"dst": "default", "dev": "v1", "scope": "253", "metric": 200, "flags": []},
        MAIN,
        "default",
        "dev v1 scope 253",
    ),
    (
        4,
        {
            "dst": "10.51.0.0/24",
            "gateway": "10.60.0.1",
            "dev": "v1",
            "table": "200",
            "metric": 200,
            "flags": ["onlink"],
        },
        200,
        "10.51.0.0/24",
        "via 10.60.0.1 dev v1 onlink",
    ),
    (
        4,
        {
            "dst": "10.50.0.0/24",
            "dev": "v1",
            "scope": "253",
            "prefsrc": "10.42.0.2",
            "metric": 200,
            "flags": [],
            "metrics": [{"mtu": 1300, "advmss": 1200}],
        },
        MAIN,
        "10.50.0.0/24",
        "dev v1 scope 253 src 10.42.0.2 mtu 1300 advmss 1200",
    ),
    (6, {"dst": "fd50::/64", "dev": "v1", "metric": 200, "flags": [], "pref": "medium"}, MAIN, "fd50::/64", "dev v1"),
]


@pytest.mark.parametrize("version, found, table, destination, words", ROUTES)
def test_routes_are_read_as_they_are_written(
    version: int, found: dict[str, Any], table: int, destination: str, words: str
) -> None:
    read = failover.parse_route(version, MANAGED, found)
    assert read == failover.Route((version, table, destination), MANAGED, 200, "v1", words)
