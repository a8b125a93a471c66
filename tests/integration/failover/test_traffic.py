# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets move to the living hub, and back to the first one without loss."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from managed_host import wait_until
from two_hubs import NETWORKS, TARGETS, TwoHubs
from watcher import Installed, pinging

SPARE = 3.0  # seconds for a busy machine, as docs/failover.md adds to the sum


def test_traffic_moves_to_the_second_hub_and_returns_without_loss(
    net: TwoHubs, installed: Installed, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    settings = net.configuration()
    installed.configure(settings)
    before = net.routes(87)
    with ExitStack() as stack:
        stack.enter_context(installed.watching(net.spoke.start))
        pings = [stack.enter_context(pinging(net.spoke.start, target, tmp_path)) for target in TARGETS]
        net.cut(1)
        for each in pings:
            each.wait_for_more(50)
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
        assert [net.way(target) for target in TARGETS] == [2, 2]
        assert net.routes(87) == before
        assert net.copied(1) == set()

        firsts = [each.last() for each in pings]
        net.restore(1)
        wait_until(lambda: not net.routes(88), "no copy is left")
        for each in pings:
            each.wait_for_more(50)
        lasts = [each.last() for each in pings]
        assert [net.way(target) for target in TARGETS] == [1, 1]
        assert net.routes(87) == before
        # Packets may be in flight: a request is lost once fifty later ones have a reply.
        for each in pings:
            each.wait_for_more(50)

    silence = max(each.longest_silence() for each in pings)
    record_property("longest silence, s", silence)
    assert silence < settings["interval"] * 3 + settings["timeout"] + SPARE
    assert [each.lost(first, last) for each, first, last in zip(pings, firsts, lasts)] == [[], []]
    assert [line.split(":")[0] for line in installed.lines()] == [
        "routes go through hub1",
        "hub1 is dead",
        "hub2 takes over from hub1",
        "hub1 is back",
        "hub1 takes over from hub2",
    ]


@pytest.mark.slow
def test_a_killed_service_keeps_routes_and_the_next_start_continues(
    net: TwoHubs, installed: Installed, tmp_path: Path
) -> None:
    installed.configure(net.configuration())
    with installed.watching(net.spoke.start) as watcher:
        net.cut(1)
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
        watcher.send_signal(signal.SIGKILL)
        watcher.wait()
    with pinging(net.spoke.start, TARGETS[0], tmp_path) as pings:
        copies = net.routes(88)
        before = len(installed.lines())
        with installed.watching(net.spoke.start):
            pings.wait_for_more(100)
            assert net.routes(88) == copies
            net.restore(1)
            installed.wait_for("hub1 takes over from hub2", since=before)
            wait_until(lambda: not net.routes(88), "no copy is left")
            pings.wait_for_more(100)
        assert installed.lines()[before] == "routes go through hub2"
        assert pings.lost(1, pings.last() - 50) == []


def test_with_both_hubs_dead_routes_stay(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())
    with installed.watching(net.spoke.start):
        for hub in (1, 2):
            net.cut(hub)
        installed.wait_for("no hub is alive, routes stay with ")
        copies = net.routes(88)
        wait_until(lambda: len(installed.lines()) >= 4, "all is logged")
        net.restore(2)
        installed.wait_for("hub2 is back")
        wait_until(lambda: net.copied(2) == set(NETWORKS), "the restored hub is used")
    # Either hub may be detected first; if it was the first one, the second has taken over already.
    assert copies in ([], net.routes(88))


@pytest.mark.slow
def test_once_prints_the_state(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())

    def once(*options: str) -> dict[str, object]:
        return dict(json.loads(net.spoke.run(*installed.argv("--once", *options))))

    assert once() == {
        "active": "hub1",
        "hubs": [{**hub, "answers": True} for hub in net.configuration()["hubs"]],
        "copies": [],
        "problems": [],
    }
    net.cut(1)
    with installed.watching(net.spoke.start):
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
    state = once()
    assert (state["active"], [hub["answers"] for hub in state["hubs"]]) == ("hub2", [False, True])  # type: ignore[attr-defined]
    assert {str(line).split()[0] for line in state["copies"]} == set(NETWORKS)  # type: ignore[attr-defined]
    assert once("--clear")["copies"] == []
    assert net.routes(88) == []


def test_a_strict_reverse_path_filter_makes_a_standby_look_dead(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())

    def answering() -> list[bool]:
        state = json.loads(net.spoke.run(*installed.argv("--once")))
        return [hub["answers"] for hub in state["hubs"]]

    for value, expected in ((1, [True, False]), (2, [True, True])):
        for device in net.devices:
            net.spoke.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter={value}")
        assert answering() == expected
