# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program for direct tunnels parks the routes of dead ones, and keeps a route to every destination."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from external_programs import require

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


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    require("systemd-analyze")
    unit = tmp_path / "wirewright-overlay-direct@wgdirect.service"
    unit.write_text((FILES / "wirewright-overlay-direct@.service").read_text())
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def test_a_session_is_alive_for_180_seconds() -> None:
    allowed = f"k1\t{A} {B}\nk2\t10.43.0.13/32\nk3\t(none)\nk4\t10.43.0.14/32\n"
    handshakes = f"k1\t{int(NOW) - 179}\nk2\t{int(NOW) - 180}\nk3\t{int(NOW)}\nk4\t0\n"
    assert watch.liveness(allowed, handshakes, NOW) == {
        A: True,
        B: True,
        "10.43.0.13/32": False,
        "10.43.0.14/32": False,
    }
    assert watch.liveness("", "", NOW) == {}


def test_routes_as_ip_prints_them() -> None:
    entries = [{"dst": "10.43.0.12", "scope": "link"}, {"dst": "10.50.2.0/25", "table": "8789"}, {"dst": "default"}]
    dumps = [json.dumps(entries), json.dumps([{"dst": "fd43::12", "metric": 1024}]), ""]
    assert watch.parse_routes(watch.MAIN, dumps) == {A: 0, B: 1024}
    assert watch.parse_routes(watch.TABLE, dumps) == {"10.50.2.0/25": 0}


class Host:
    """Replaces `wg` and `ip`, and records batches for `ip`; a batch whose first line contains `failing` fails."""

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


def test_a_route_is_moved_in_one_batch_and_a_failed_batch_does_not_stop_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = Host(answers(("10.43.0.12", "10.43.0.13"), 0), failing="10.43.0.12")
    host.answers["allowed-ips"] = "k1\t10.43.0.12/32 10.43.0.13/32\n"
    monkeypatch.setattr(watch, "run", host.run)
    assert watch.converge("wgd") == "ip -batch: refused"
    assert [[line.split()[1] for line in lines] for lines in host.batches] == [["replace", "delete"]] * 2


@pytest.mark.parametrize("unreadable", ["allowed-ips", "latest-handshakes"])
def test_read_errors_change_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unreadable: str) -> None:
    """Else a parked route would be lost, and one of a living tunnel parked."""
    host = Host({**answers((A,), int(NOW)), "proto 89": json.dumps([{"dst": A, "table": "8789"}])})
    del host.answers[unreadable]
    monkeypatch.setattr(watch, "run", host.run)
    monkeypatch.setattr(watch, "LOCK", str(tmp_path / "lock"))
    assert unreadable in watch.check("lo")
    assert host.batches == []


def test_the_route_of_a_dead_tunnel_is_parked_before_it_is_deleted() -> None:
    found = watch.changes("wgd", {A: False, B: False}, {A: 0, B: 1024}, {})
    assert lines(found) == [
        (4, f"route replace {A} dev wgd table 8789 proto 89 metric 0"),
        (4, f"route delete {A} dev wgd table 254 proto 87 metric 0"),
        (6, f"route replace {B} dev wgd table 8789 proto 89 metric 1024"),
        (6, f"route delete {B} dev wgd table 254 proto 87 metric 1024"),
    ]
    assert found[0].message == f"{A}: through the hub: no handshake for 180 seconds"


def test_a_route_is_restored_before_it_is_deleted_from_the_other_table() -> None:
    assert lines(watch.changes("wgd", {A: True}, {}, {A: 0})) == [
        (4, f"route add {A} dev wgd table 254 proto 87 metric 0"),
        (4, f"route delete {A} dev wgd table 8789 proto 89 metric 0"),
    ]


@pytest.mark.parametrize("alive, routes", [({A: True}, {A: 0}), ({}, {}), ({}, {A: 0})])
def test_changes_of_a_run_are_kept_and_its_parked_routes_deleted(
    alive: dict[str, bool], routes: dict[str, int]
) -> None:
    assert lines(watch.changes("wgd", alive, routes, {A: 0})) == [
        (4, f"route delete {A} dev wgd table 8789 proto 89 metric 0")
    ]


@pytest.mark.parametrize(
    "alive, routes, parked",
    [({A: True}, {A: 0}, {}), ({A: False}, {}, {A: 0}), ({A: True}, {}, {}), ({A: False}, {}, {}), ({}, {A: 0}, {})],
)
def test_no_change_otherwise(alive: dict[str, bool], routes: dict[str, int], parked: dict[str, int]) -> None:
    """In particular for a tunnel that is being probed, which has no route yet."""
    assert watch.changes("wgd", alive, routes, parked) == []


def test_its_protocol_is_unique_and_it_reads_no_keys() -> None:
    failover = load(FILES / "wirewright-overlay-failover")
    assert watch.MANAGED == failover.MANAGED
    assert watch.PARKED not in (failover.COPY, failover.MANAGED, failover.KERNEL)
    assert set(re.findall(r'"wg", "show", dev, "([a-z-]+)"', PROGRAM.read_text())) == {
        "allowed-ips",
        "latest-handshakes",
    }
