# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The failover watcher decides as its configuration says, and its changes never leave a destination without a way."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Template

from .programs import assert_python_3_9, load

FILES = Path(__file__).parents[3] / "roles/hub_spoke/files"
PROGRAM = FILES / "wirewright-overlay-failover"
UNIT = FILES.parent / "templates/wirewright-overlay-failover.service.j2"

YES, NO = True, False


failover = load(PROGRAM)
MANAGED, COPY, KERNEL, MAIN = failover.MANAGED, failover.COPY, failover.KERNEL, failover.MAIN

HUBS = [{"name": f"hub{n}", "dev": f"wg{n - 1}", "address": f"10.42.0.{n}"} for n in (1, 2, 3)]


def settings(hubs: int = 3, **options: Any) -> Any:
    return failover.parse_settings(json.dumps({"hubs": HUBS[:hubs], **options}))


def fresh(wanted: Any) -> Any:
    return failover.resume(wanted, [])


def after(state: Any, rounds: list[list[bool]], wanted: Any) -> tuple[Any, list[str]]:
    """Return the state after some rounds of probes, and all that was told."""
    told: list[str] = []
    for answered in rounds:
        state, lines = failover.decide(state, answered, wanted)
        told += lines
    return state, told


# --- decide


def test_the_next_hub_takes_over_after_three_losses_in_a_row() -> None:
    two = settings(2)
    state, told = after(fresh(two), [[NO, YES], [NO, YES], [YES, YES], [NO, YES], [NO, YES]], two)
    assert (state.active, told) == (0, [])
    state, told = after(state, [[NO, YES]], two)
    assert state.active == 1
    assert told == ["hub1 is dead: 3 probes of 10.42.0.1 through wg0", "hub2 takes over from hub1"]


def test_the_first_hub_wins_back_after_six_answers_in_a_row() -> None:
    two = settings(2)
    state, _told = after(fresh(two), [[NO, YES]] * 3, two)
    state, told = after(state, [[YES, YES]] * 5 + [[NO, YES]] + [[YES, YES]] * 5, two)
    assert (state.active, told) == (1, [])
    state, told = after(state, [[YES, YES]], two)
    assert (state.active, told[-1]) == (0, "hub1 takes over from hub2")


def test_a_dead_hub_is_passed_over() -> None:
    three = settings()
    state, told = after(fresh(three), [[NO, NO, YES]] * 3, three)
    assert state.active == 2
    assert [line for line in told if "takes over" in line] == ["hub3 takes over from hub1"]


@pytest.mark.parametrize("before", [[], [[NO, YES]] * 3], ids=["the first is active", "the second is active"])
def test_with_no_hub_alive_nothing_moves_and_it_is_told_once(before: list[list[bool]]) -> None:
    two = settings(2)
    state, _told = after(fresh(two), before, two)
    active = state.active
    state, told = after(state, [[NO, NO]] * 20, two)
    assert state.active == active
    assert [line for line in told if "no hub" in line] == [f"no hub is alive, routes stay with hub{active + 1}"]


def test_the_documented_number_of_probes_are_the_defaults() -> None:
    assert settings()[2:] == (5, 2, 3, 6, 1)


answers = st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=80)
limits = st.fixed_dictionaries({"losses": st.integers(1, 4), "answers": st.integers(1, 8)})


@given(answers, limits)
def test_nothing_flaps_faster_than_the_thresholds(rounds: list[list[bool]], limit: dict[str, int]) -> None:
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
    # Traffic moves only when the hub that it leaves has just died, or the one that it goes to has just come back.
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


def test_a_restart_goes_on_with_the_hub_that_has_copies() -> None:
    three = settings()
    state = failover.resume(three, [route("wg0"), copy("wg1")])
    assert (state.active, state.alive) == (1, (False, True, True))
    assert after(state, [[YES] * 3] * 5, three) == (state._replace(against=(5, 0, 0)), [])


def test_a_start_without_copies_trusts_the_first_hub() -> None:
    assert fresh(settings()).active == 0
    assert failover.resume(settings(), [copy("wg9")]).active == 0, "copies for a hub that was taken out"


# --- what is copied


def test_copies_are_those_of_the_active_hub_in_tables_that_were_named() -> None:
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


def test_routes_that_no_copy_comes_before_are_named() -> None:
    """The network of a device's own address, above all, in which the kernel's route always has the last word."""
    connected = route("wg0", protocol=KERNEL, metric=0)._replace(words="dev wg0 scope 253")
    alone = route("wg1", "fd42::/64", KERNEL, metric=256, version=6)
    same_metric = route("wg1", "fd50::/64", metric=1, version=6)
    fine = [route("eth0", protocol=KERNEL, metric=0), route("wg1", metric=200), copy("wg1"), copy("wg1", "fd50::/64")]
    fine += [route("wg0", "fe80::/64", KERNEL, 256, version=6), route("wg0", "10.42.0.101", KERNEL, 0)]
    fine += [route("wg0", "10.42.0.255", KERNEL, 0, table=255), route("wg0", "fd60::/64", KERNEL, 256, version=6)]
    fine += [route("wg1", "fd60::/64", metric=200, version=6)]
    assert failover.obstacles(settings(), [connected, *fine, alone, same_metric]) == [
        "10.50.0.0/24 dev wg0 scope 253 proto 2 metric 0 does not move with the hubs",
        "fd42::/64 dev wg1 proto 2 metric 256 does not move with the hubs",
        f"fd50::/64 dev wg1 proto {MANAGED} metric 1 does not move with the hubs",
    ]


# --- changes, on a kernel made of a dictionary

places = st.tuples(st.sampled_from([4, 6]), st.sampled_from([MAIN, 200]), st.sampled_from(["a", "b", "c", "d"]))
copies = st.dictionaries(places, st.sampled_from(["dev wg0", "dev wg1", "dev wg2", "dev wg1 mtu 1300"]), max_size=8)


def carry_out(version: int, line: str, held: dict[Any, str]) -> None:
    """Do what `ip` and the kernel do with a line; fail where they would."""
    form = r"route (add|replace|delete) (\S+) table (\d+) proto 88 ?(?:metric 1 (.*))?"
    verb, destination, table, words = re.fullmatch(form, line).groups()  # type: ignore[union-attr]
    place = version, int(table), destination
    assert (place in held) == (verb != "add"), line
    if verb == "delete":
        del held[place]
    else:
        held[place] = words


@given(copies, copies)
def test_changes_end_in_what_is_wanted_and_make_before_they_break(have: dict[Any, str], want: dict[Any, str]) -> None:
    lines = failover.changes(1, have, want)
    held = dict(have)
    made = False
    for number, (version, line) in enumerate(lines):
        carry_out(version, line, held)
        assert have.keys() & want.keys() <= held.keys(), "a destination that keeps a copy is never without one"
        made = made or held.keys() >= want.keys()
        assert made or "delete" not in line, f"line {number} removes while others are still to come"
    assert held == want
    assert failover.changes(1, want, want) == []


@st.composite
def managed_routes(draw: st.DrawFn) -> list[Any]:
    """Routes as Ansible would have them: some destinations through some hubs, each hub with a metric of its own."""
    through = draw(st.dictionaries(places, st.sets(st.sampled_from([0, 1, 2])), max_size=6))
    return [
        failover.Route(place, MANAGED, 100 + hub, f"wg{hub}", f"dev wg{hub}")
        for place, hubs in through.items()
        for hub in sorted(hubs)
    ]


@given(st.lists(st.tuples(st.lists(st.booleans(), min_size=3, max_size=3), managed_routes()), max_size=15), limits)
def test_whatever_happens_no_destination_is_without_a_route(
    rounds: list[tuple[list[bool], list[Any]]], limit: dict[str, int]
) -> None:
    wanted = settings(tables=["main", 200], **limit)
    state, held = fresh(wanted), {}
    for answered, routes in rounds:
        state, _lines = failover.decide(state, answered, wanted)
        have, want = dict(held), failover.wanted(wanted, state.active, routes)
        for version, line in failover.changes(1, have, want):
            carry_out(version, line, held)
            assert have.keys() & want.keys() <= held.keys()
        through = {route.place for route in routes if route.dev == f"wg{state.active}"}
        expected = {place: f"dev wg{state.active}" for place in through if state.active}
        assert held == expected, "copies of the active hub's routes, and nothing else"
        # What the kernel takes: the copy if there is one, else the route with the lowest metric.
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


# --- the configuration


def test_everything_that_is_wrong_is_told_at_once() -> None:
    document = {
        "hubs": [
            {"name": "hub1", "dev": "wg0\nroute flush", "address": "hub1.example.org"},
            {"name": 'say "hi"', "dev": "/wg1"},
        ],
        "tables": ["local", 200],
        "interval": 0,
        "timeout": "2",
        "losses": 0,
        "answers": 1.5,
        "metric": True,
        "intervall": 5,
    }
    with pytest.raises(ValueError) as wrong:
        failover.parse_settings(json.dumps(document))
    lines = str(wrong.value).splitlines()
    starts = (
        "hubs[0].dev is ",
        "hubs[0].address is ",
        "hubs[1].name is ",
        "hubs[1].dev is ",
        "hubs[1].address is null",
    )
    starts += (
        'tables is "local"',
        "interval is 0",
        'timeout is "2"',
        "losses is 0",
        "answers is 1.5",
        "metric is true",
    )
    assert [line.startswith(start) for line, start in zip(lines, (*starts, "intervall: write one of"))] == [True] * 12
    assert all("write" in line for line in lines) and len(lines) == 12


@pytest.mark.parametrize(
    "document, what",
    [
        ("[]", "write a list of objects as hubs"),
        ('{"hubs": []}', "write a list of objects as hubs"),
        ('{"hubs": [1]}', "write a list of objects as hubs"),
        ("{", "Expecting"),
        (json.dumps({"hubs": [HUBS[0], {**HUBS[1], "dev": "wg0"}]}), "write another dev for each"),
        (json.dumps({"hubs": HUBS, "interval": 1}), "timeout is 2: write at most the interval, 1"),
    ],
)
def test_a_wrong_document_is_refused(document: str, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(what)):
        failover.parse_settings(document)


@pytest.mark.parametrize("seconds", [0.1, 1, 2.0, 2.5, 10, 100, 600])
def test_seconds_may_have_a_fraction(seconds: float) -> None:
    assert settings(interval=seconds, timeout=seconds).interval == seconds


def test_tables_are_numbers_or_main() -> None:
    assert settings(tables=[200, "main"]).tables == (200, MAIN)


# --- the program and its unit


def test_a_wrong_configuration_ends_the_program_for_good(tmp_path: Path) -> None:
    config = tmp_path / "failover.json"
    config.write_text('{"hubs": []}')
    argv = [sys.executable, "-I", str(PROGRAM), "--config", str(config)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{config}: ") and "Traceback" not in done.stderr
    assert "RestartPreventExitStatus=2" in UNIT.read_text().splitlines()


def test_the_program_is_python_3_9() -> None:
    assert_python_3_9(PROGRAM)


@pytest.fixture
def unit_file(tmp_path: Path) -> Path:
    """The unit, with the program where it is here."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    path = tmp_path / UNIT.stem
    path.write_text(Template(UNIT.read_text()).render(__hub_spoke_plan={"hubs": HUBS}))
    return path


def test_it_is_started_when_its_devices_are_there(unit_file: Path) -> None:
    (after,) = re.findall(r"^After=(.*)$", unit_file.read_text(), re.MULTILINE)
    assert after.split() == ["network.target", *(f"wg-quick@{hub['dev']}.service" for hub in HUBS)]


def test_systemd_finds_nothing_wrong_with_the_unit(unit_file: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit_file)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit_file.name in line] == []


def test_the_unit_is_confined(unit_file: Path) -> None:
    argv = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(unit_file)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze reads no files")
    assert done.returncode == 0, done.stdout + done.stderr
