# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets find the living hub, and go back to the first one without a loss."""

from __future__ import annotations

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from managed_host import wait_until
from two_hubs import NETWORKS, TARGETS, TwoHubs
from watcher import Installed, pinging

SPARE = 3.0  # seconds for a busy machine, as docs/failover.md has them on top of the sum


def test_traffic_moves_to_the_second_hub_and_comes_back_without_a_loss(
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
        net.mend(1)
        wait_until(lambda: not net.routes(88), "no copy is left")
        for each in pings:
            each.wait_for_more(50)
        lasts = [each.last() for each in pings]
        assert [net.way(target) for target in TARGETS] == [1, 1]
        assert net.routes(87) == before
        # Waiting for what is still under way: a request counts as lost once fifty later ones were answered.
        for each in pings:
            each.wait_for_more(50)

    silence = max(each.longest_silence() for each in pings)
    record_property("longest silence, s", silence)
    assert silence < settings["interval"] * 3 + settings["timeout"] + SPARE
    assert [each.lost(first, last) for each, first, last in zip(pings, firsts, lasts)] == [[], []]
    assert [line.split(":")[0] for line in installed.lines()] == [
        "routes lead through hub1",
        "hub1 is dead",
        "hub2 takes over from hub1",
        "hub1 is back",
        "hub1 takes over from hub2",
    ]


def test_a_killed_watcher_leaves_traffic_where_it_is_and_the_next_one_goes_on(
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
        said = len(installed.lines())
        with installed.watching(net.spoke.start):
            pings.wait_for_more(100)
            assert net.routes(88) == copies
            net.mend(1)
            installed.wait_for("hub1 takes over from hub2", since=said)
            wait_until(lambda: not net.routes(88), "no copy is left")
            pings.wait_for_more(100)
        assert installed.lines()[said] == "routes lead through hub2"
        assert pings.lost(1, pings.last() - 50) == []


def test_with_both_hubs_dead_routes_stay(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())
    with installed.watching(net.spoke.start):
        for hub in (1, 2):
            net.cut(hub)
        installed.wait_for("no hub is alive, routes stay with ")
        copies = net.routes(88)
        wait_until(lambda: len(installed.lines()) >= 4, "all is said")
        net.mend(2)
        installed.wait_for("hub2 is back")
        wait_until(lambda: net.copied(2) == set(NETWORKS), "the hub that came back is used")
    # Which of the two died first is chance; if it was the first hub, the second had taken over already.
    assert copies in ([], net.routes(88))


def test_the_state_in_one_word(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())

    def once(*options: str) -> dict[str, object]:
        return dict(json.loads(net.spoke.run(*installed.argv("--once", *options))))

    assert once() == {
        "active": "hub1",
        "hubs": [{**hub, "answers": True} for hub in net.configuration()["hubs"]],
        "copies": [],
        "in_the_way": [],
    }
    net.cut(1)
    with installed.watching(net.spoke.start):
        wait_until(lambda: net.copied(2) == set(NETWORKS), "all routes are copied")
    told = once()
    assert (told["active"], [hub["answers"] for hub in told["hubs"]]) == ("hub2", [False, True])  # type: ignore[attr-defined]
    assert {str(line).split()[0] for line in told["copies"]} == set(NETWORKS)  # type: ignore[attr-defined]
    assert once("--clear")["copies"] == []
    assert net.routes(88) == []


def test_a_strict_reverse_path_filter_makes_a_standby_look_dead(net: TwoHubs, installed: Installed) -> None:
    installed.configure(net.configuration())

    def answering() -> list[bool]:
        told = json.loads(net.spoke.run(*installed.argv("--once")))
        return [hub["answers"] for hub in told["hubs"]]

    for value, expected in ((1, [True, False]), (2, [True, True])):
        for device in net.devices:
            net.spoke.run("sysctl", "-qw", f"net.ipv4.conf.{device}.rp_filter={value}")
        assert answering() == expected
