# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that watches direct tunnels parks routes of dead ones, and never leaves a destination without a route."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .programs import assert_python_3_9, load

FILES = Path(__file__).parents[3] / "roles/hub_spoke/files"
PROGRAM = FILES / "wirewright-overlay-direct"
watch = load(PROGRAM)

A, B = "10.43.0.12/32", "fd43::12/128"
NOW = 1_000_000.0


def lines(found: list[object]) -> list[tuple[int, str]]:
    return [(change.version, line) for change in found for line in change.lines]  # type: ignore[attr-defined]


def test_python_3_9() -> None:
    assert_python_3_9(PROGRAM)


def test_the_unit_starts_the_program_for_its_device() -> None:
    unit = (FILES / "wirewright-overlay-direct@.service").read_text()
    assert f"/usr/local/lib/wirewright.overlay/{PROGRAM.name} %i\n" in unit


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "wirewright-overlay-direct@wgdirect.service"
    unit.write_text((FILES / "wirewright-overlay-direct@.service").read_text())
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def test_a_session_is_in_use_for_180_seconds() -> None:
    allowed = f"k1\t{A} {B}\nk2\t10.43.0.13/32\nk3\t(none)\nk4\t10.43.0.14/32\n"
    handshakes = f"k1\t{int(NOW) - 179}\nk2\t{int(NOW) - 180}\nk3\t{int(NOW)}\nk4\t0\n"
    assert watch.liveliness(allowed, handshakes, NOW) == {
        A: True,
        B: True,
        "10.43.0.13/32": False,
        "10.43.0.14/32": False,
    }
    assert watch.liveliness("", "", NOW) == {}


def test_routes_as_ip_prints_them() -> None:
    entries = [{"dst": "10.43.0.12", "scope": "link"}, {"dst": "10.50.2.0/25", "table": "8789"}, {"dst": "default"}]
    dumps = [json.dumps(entries), json.dumps([{"dst": "fd43::12", "metric": 1024}]), ""]
    assert watch.parse_routes(watch.MAIN, dumps) == {A: 0, B: 1024}
    assert watch.parse_routes(watch.TABLE, dumps) == {"10.50.2.0/25": 0}


class Host:
    """Answers in place of `wg` and `ip`, and keeps what `ip` was told to do; a batch with one of some words fails."""

    def __init__(self, answers: dict[str, str], failing: str = "") -> None:
        self.answers, self.failing, self.batches = answers, failing, []  # type: ignore[var-annotated]

    def run(self, *argv: str, lines: tuple[str, ...] = ()) -> str:
        if "-batch" in argv:
            self.batches.append(lines)
            if self.failing and self.failing in lines[0]:
                raise OSError("ip -batch: refused")
            return ""
        words = " ".join(argv)
        found = next((answer for text, answer in self.answers.items() if text in words), None)
        if found is None:
            raise OSError(f"{words}: failed")
        return found


def answers(destinations: tuple[str, ...], handshake: int) -> dict[str, str]:
    routes = json.dumps([{"dst": destination} for destination in destinations])
    return {
        "allowed-ips": f"k1\t{' '.join(destinations)}\n",
        "latest-handshakes": f"k1\t{handshake}\n",
        "-4 route show table all dev wgd proto 87": routes,
        "route show": "[]",
    }


def test_both_steps_of_a_route_are_one_batch_and_one_that_fails_does_not_keep_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host(answers(("10.43.0.12", "10.43.0.13"), 0), failing="10.43.0.12")
    host.answers["allowed-ips"] = "k1\t10.43.0.12/32 10.43.0.13/32\n"
    monkeypatch.setattr(watch, "run", host.run)
    assert watch.converge("wgd") == "ip -batch: refused"
    assert [[line.split()[1] for line in lines] for lines in host.batches] == [["replace", "delete"]] * 2


@pytest.mark.parametrize("unreadable", ["allowed-ips", "latest-handshakes"])
def test_what_cannot_be_read_moves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unreadable: str) -> None:
    """A route that is parked would be forgotten, and one that works be parked."""
    host = Host({**answers((A,), int(NOW)), "proto 89": json.dumps([{"dst": A, "table": "8789"}])})
    del host.answers[unreadable]
    monkeypatch.setattr(watch, "run", host.run)
    monkeypatch.setattr(watch, "LOCK", str(tmp_path / "lock"))
    assert unreadable in watch.look("lo")
    assert host.batches == []


def test_the_route_of_a_dead_tunnel_is_parked_before_it_goes() -> None:
    found = watch.changes("wgd", {A: False, B: False}, {A: 0, B: 1024}, {})
    assert lines(found) == [
        (4, f"route replace {A} dev wgd table 8789 proto 89 metric 0"),
        (4, f"route delete {A} dev wgd table 254 proto 87 metric 0"),
        (6, f"route replace {B} dev wgd table 8789 proto 89 metric 1024"),
        (6, f"route delete {B} dev wgd table 254 proto 87 metric 1024"),
    ]
    assert found[0].told == f"{A} goes through the hub: no handshake for 180 seconds"


def test_it_comes_back_before_it_leaves_the_other_table() -> None:
    assert lines(watch.changes("wgd", {A: True}, {}, {A: 0})) == [
        (4, f"route add {A} dev wgd table 254 proto 87 metric 0"),
        (4, f"route delete {A} dev wgd table 8789 proto 89 metric 0"),
    ]


@pytest.mark.parametrize("alive, routes", [({A: True}, {A: 0}), ({}, {}), ({}, {A: 0})])
def test_what_a_run_has_changed_meanwhile_is_left_and_forgotten(alive: dict[str, bool], routes: dict[str, int]) -> None:
    assert lines(watch.changes("wgd", alive, routes, {A: 0})) == [
        (4, f"route delete {A} dev wgd table 8789 proto 89 metric 0")
    ]


@pytest.mark.parametrize(
    "alive, routes, parked",
    [({A: True}, {A: 0}, {}), ({A: False}, {}, {A: 0}), ({A: True}, {}, {}), ({A: False}, {}, {}), ({}, {A: 0}, {})],
)
def test_else_nothing_is_done(alive: dict[str, bool], routes: dict[str, int], parked: dict[str, int]) -> None:
    """Not even for a tunnel that is being tried, which has no route yet."""
    assert watch.changes("wgd", alive, routes, parked) == []


def test_its_protocol_is_its_own_and_it_asks_for_no_keys() -> None:
    failover = load(FILES / "wirewright-overlay-failover")
    assert watch.MANAGED == failover.MANAGED
    assert watch.PARKED not in (failover.COPY, failover.MANAGED, failover.KERNEL)
    assert set(re.findall(r'"wg", "show", dev, "([a-z-]+)"', PROGRAM.read_text())) == {
        "allowed-ips",
        "latest-handshakes",
    }
