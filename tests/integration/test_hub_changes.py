# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hubs leave and trade places: ports and routes move between the interfaces of each spoke in one run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hub_spoke_lab import ADDRESSES, TWO_HUBS, converge, fleet, fleet_state, reaches, routes
from lab_hosts import Lab, Play
from mesh_lab import assert_ok, exists
from shared_lab import SharedLab
from steady_ping import SteadyPing

SPOKES = ("s1", "s2", "s3")
# The failover program has separate tests.
NO_PROGRAM: dict[str, Any] = {"hub_spoke_failover": "none"}


@pytest.fixture(scope="module")
def shared_fleet() -> Iterator[SharedLab]:
    with SharedLab(lambda: fleet(*TWO_HUBS, **NO_PROGRAM), fleet_state) as shared:
        yield shared


@pytest.fixture
def lab(shared_fleet: SharedLab) -> Lab:
    """Two hubs and three spokes. hub1 is preferred, by wg0; s1 and s2 are behind NAT."""
    return shared_fleet.get()


def changed_hosts(play: Play) -> set[str]:
    return {name for name, counts in play.recap.items() if counts["changed"]}


def converge_twice(lab: Lab, **variables: Any) -> None:
    """Preview a change, make it, and run again."""
    before = fleet_state(lab)
    preview = assert_ok(converge(lab, "--check", "--diff", **NO_PROGRAM, **variables))
    assert fleet_state(lab) == before
    assert changed_hosts(assert_ok(converge(lab, **NO_PROGRAM, **variables))) == changed_hosts(preview)
    assert assert_ok(converge(lab, **NO_PROGRAM, **variables)).changed == 0


def port(lab: Lab, host: str, interface: str) -> int:
    return int(lab.run(host, ["wg", "show", interface, "listen-port"]).stdout)


def assert_hub2_alone(lab: Lab) -> None:
    for name in SPOKES:
        assert not exists(lab, name, "wg0") and port(lab, name, "wg1") == 51820
        assert {device for _to, device, _metric in routes(lab, name)} == {"wg1"}
    assert reaches(lab, "s1", "s2") and reaches(lab, "s2-site", "s3-site")


def in_flight(lost: list[int]) -> bool:
    """Whether no more was lost than the packet in flight when an interface closed one port and opened another."""
    return len(lost) <= 1


def test_revoking_the_first_hub_keeps_the_sessions_with_the_second(lab: Lab) -> None:
    with contextlib.ExitStack() as stack:
        pings = [stack.enter_context(SteadyPing(lab.enter(name), ADDRESSES["hub2"])) for name in SPOKES]
        converge_twice(lab, overlay_revoked=["hub1"])
        lost = [ping.lost() for ping in pings]
    assert all(map(in_flight, lost)), lost
    assert_hub2_alone(lab)


@pytest.mark.slow
def test_the_first_hub_leaves_its_group(lab: Lab) -> None:
    hub1 = lab.hosts.pop("hub1")
    try:
        with SteadyPing(lab.enter("s1"), ADDRESSES["hub2"]) as ping:
            converge_twice(lab)
            lost = ping.lost()
        assert in_flight(lost), lost
        assert_hub2_alone(lab)
    finally:
        lab.hosts["hub1"] = hub1


@pytest.mark.slow
def test_without_purge_the_interface_of_a_hub_that_left_stays(lab: Lab) -> None:
    hub1 = lab.hosts.pop("hub1")
    try:
        # The interface that stays has the port.
        play = assert_ok(converge(lab, hub_spoke_purge=False, hub_spoke_port=51822, **NO_PROGRAM))
        assert "belongs to this overlay, which no longer uses it" in play.stdout + play.stderr
        assert all(exists(lab, name, "wg0") for name in SPOKES)
    finally:
        lab.hosts["hub1"] = hub1


@pytest.mark.slow
def test_hubs_trade_priorities_in_one_run_without_loss(lab: Lab) -> None:
    traded = {"hub1": {"hub_spoke_priority": 200}, "hub2": {"hub_spoke_priority": 100}}
    with contextlib.ExitStack() as stack:
        through = stack.enter_context(SteadyPing(lab.enter("s1"), ADDRESSES["s2"]))
        to_hubs = [stack.enter_context(SteadyPing(lab.enter("s3"), ADDRESSES[hub])) for hub in ("hub1", "hub2")]
        converge_twice(lab, per_host=traded)
        assert through.lost() == [] and [ping.lost() for ping in to_hubs] == [[], []]
    for name in SPOKES:
        assert {("10.43.0.0/24", "wg1", 100), ("10.43.0.0/24", "wg0", 200)} <= routes(lab, name)


@pytest.mark.slow
def test_hubs_trade_interfaces_in_one_run(lab: Lab) -> None:
    traded = {"hub1": {"hub_spoke_interface": "wg1"}, "hub2": {"hub_spoke_interface": "wg0"}}
    converge_twice(lab, per_host=traded)
    for name in SPOKES:
        assert {(ADDRESSES["hub1"], "wg1", 100), (ADDRESSES["hub2"], "wg0", 200)} <= routes(lab, name)
        assert reaches(lab, name, "hub1") and reaches(lab, name, "hub2")
    assert not exists(lab, "hub1", "wg0") and not exists(lab, "hub2", "wg1")
    assert reaches(lab, "s1", "s2") and reaches(lab, "s2-site", "s3-site")


@pytest.mark.slow
def test_a_spoke_trades_the_ports_of_its_interfaces(lab: Lab) -> None:
    ports = {"s3": {"hub_spoke_ports": {"wg0": 51820, "wg1": 51821}}}
    assert_ok(converge(lab, per_host=ports, **NO_PROGRAM))
    traded = {"s3": {"hub_spoke_ports": {"wg0": 51821, "wg1": 51820}}}
    with contextlib.ExitStack() as stack:
        pings = [stack.enter_context(SteadyPing(lab.enter("s3"), ADDRESSES[hub])) for hub in ("hub1", "hub2")]
        converge_twice(lab, per_host=traded)
        lost = [ping.lost() for ping in pings]
    assert all(map(in_flight, lost)), lost
    assert (port(lab, "s3", "wg0"), port(lab, "s3", "wg1")) == (51821, 51820)


@pytest.mark.slow
def test_the_interface_of_a_hub_gets_another_name(lab: Lab) -> None:
    with SteadyPing(lab.enter("s1"), ADDRESSES["hub2"]) as ping:
        converge_twice(lab, per_host={"hub1": {"hub_spoke_interface": "overlay0"}})
        assert ping.lost() == []
    for name in ("hub1", *SPOKES):
        assert not exists(lab, name, "wg0") and port(lab, name, "overlay0") == 51820
    assert {device for _to, device, _metric in routes(lab, "s1")} == {"overlay0", "wg1"}
    assert reaches(lab, "s1", "hub1") and reaches(lab, "s1", "s2") and reaches(lab, "s2-site", "s3-site")


@pytest.mark.slow
def test_a_hub_and_a_spoke_trade_places(lab: Lab) -> None:
    """hub2 and s3, which is public, change their groups in one run."""
    with contextlib.ExitStack() as stack:
        to_hub1 = [stack.enter_context(SteadyPing(lab.enter(name), ADDRESSES["hub1"])) for name in ("s1", "s2")]
        changed = {
            "s3": {"hub_spoke_interface": "wg1", "hub_spoke_priority": 200},
            "hub2": {"hub_spoke_interface": "wg0", "hub_spoke_allow_mass_removal": True},
        }
        converge_twice(lab, per_host=changed, hubs=["hub1", "s3"])
        assert [ping.lost() for ping in to_hub1] == [[], []]
    for name in ("s1", "s2", "hub2"):
        assert (ADDRESSES["s3"], "wg1", 200) in routes(lab, name) and (ADDRESSES["hub1"], "wg0", 100) in routes(
            lab, name
        )
        assert reaches(lab, name, "s3") and reaches(lab, name, "hub1")
    assert not exists(lab, "s3", "wg0") and reaches(lab, "s1", "s2")
