# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports, addresses and routes that move between interfaces of a host in one run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from host_state import observe
from managed_host import ManagedHost, key
from test_rollback import ROLLED_BACK, all_of, fail_at

ALPHA = {"public_key": key("alpha"), "allowed_ips": ["10.77.0.0/16", "fd77::/48"], "endpoint": "192.0.2.2:51820"}
BETA = {"public_key": key("beta"), "allowed_ips": ["10.78.0.0/16", "fd78::/48"], "endpoint": "192.0.2.3:51820"}


def interface(name: str, port: int, peer: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "listen_port": port, "peers": [peer], "userspace": True, "purge": True, **more}


def absent(name: str) -> dict[str, Any]:
    return {"name": name, "state": "absent"}


RENAMED = {"addresses": ["10.42.0.1/24", "fd42::1/64"], "persistence": "wg_quick"}
TO_HUB = {"addresses": ["10.43.0.11/32"]}
# The first document of a host, and the one that moves values between its interfaces.
CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "an interface gets another name": (
        [interface("wg0", 51820, ALPHA, **RENAMED)],
        [interface("wg1", 51820, ALPHA, **RENAMED), absent("wg0")],
    ),
    "two interfaces trade ports and metrics": (
        [
            interface("wg0", 51820, ALPHA, **TO_HUB, route_metric=100),
            interface("wg1", 51821, {**BETA, "allowed_ips": ALPHA["allowed_ips"]}, **TO_HUB, route_metric=200),
        ],
        [
            interface("wg0", 51821, ALPHA, **TO_HUB, route_metric=200),
            interface("wg1", 51820, {**BETA, "allowed_ips": ALPHA["allowed_ips"]}, **TO_HUB, route_metric=100),
        ],
    ),
    "a network and a port move to an interface that stays": (
        [interface("wg0", 51820, ALPHA, **TO_HUB), interface("wg1", 0, BETA, **TO_HUB)],
        [interface("wg0", 0, BETA, **TO_HUB), interface("wg1", 51820, ALPHA, **TO_HUB)],
    ),
    "the first of two is removed": (
        [
            interface("wg0", 51820, ALPHA, **TO_HUB, route_metric=100),
            interface("wg1", 0, {**BETA, "allowed_ips": ALPHA["allowed_ips"]}, **TO_HUB, route_metric=200),
        ],
        [
            interface("wg1", 51820, {**BETA, "allowed_ips": ALPHA["allowed_ips"]}, **TO_HUB, route_metric=200),
            absent("wg0"),
        ],
    ),
}


@pytest.fixture
def ready(host: ManagedHost) -> ManagedHost:
    for name in ("wg0", "wg1"):
        host.make_key(name)
    return host


def placed(host: ManagedHost) -> dict[str, set[tuple[str, int]]]:
    """Return our routes by interface: destination and metric."""
    found: dict[str, set[tuple[str, int]]] = {}
    for family in ("-4", "-6"):
        for entry in json.loads(host.run("ip", family, "-j", "route", "show", "proto", "87")):
            found.setdefault(entry["dev"], set()).add((entry["dst"], entry.get("metric", 0)))
    return found


def by_name(host: ManagedHost) -> dict[str, Any]:
    """Return the state of the host with its interfaces by name: wireguard-go makes a restored one with another index."""
    seen = all_of(host)
    return {**seen, **{part: sorted(seen[part], key=lambda one: one["ifname"]) for part in ("links", "addresses")}}


@pytest.mark.sampled(2)
@pytest.mark.both
@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_values_move_in_one_run(ready: ManagedHost, case: str) -> None:
    first, then = CASES[case]
    assert ready.module("overlay_apply", interfaces=first).changed
    before = observe(ready)
    predicted = ready.module("overlay_apply", interfaces=then, check_mode=True)
    assert predicted.changed and observe(ready) == before
    done = ready.module("overlay_apply", interfaces=then)
    assert done.changed and done.diff == predicted.diff
    wanted = {one["name"]: one for one in then if "listen_port" in one}
    listening = dict(line.split() for line in ready.run("wg", "show", "all", "listen-port").splitlines())
    assert set(listening) == set(wanted)
    assert len(set(listening.values())) == len(listening)
    assert all(listening[name] == str(one["listen_port"]) for name, one in wanted.items() if one["listen_port"])
    for name, one in wanted.items():
        assert ready.addresses(name) == set(one["addresses"])
        metric = one.get("route_metric", 0)
        expected = {(to, metric or (1024 if ":" in to else 0)) for peer in one["peers"] for to in peer["allowed_ips"]}
        assert placed(ready)[name] == expected
    assert not ready.module("overlay_apply", interfaces=then).changed


@pytest.mark.sampled(2)
@pytest.mark.parametrize("case", CASES)
def test_failure_at_any_step_gives_everything_back(ready: ManagedHost, case: str) -> None:
    first, then = CASES[case]
    assert ready.module("overlay_apply", interfaces=first).changed
    before = by_name(ready)
    step = 0
    while True:
        step += 1
        _tried, said = ready.call(fail_at, step, {"interfaces": then})
        if not said:
            break
        found = by_name(ready)
        for part, was in before.items():
            assert found[part] == was, (step, part, said)
        assert "could not restore" not in said and (step == 1 or ROLLED_BACK in said), (step, said)
    assert step > 3
    assert not ready.module("overlay_apply", interfaces=then).changed


def test_a_route_that_another_interface_keeps_is_refused_with_its_name(ready: ManagedHost) -> None:
    first, _then = CASES["an interface gets another name"]
    assert ready.module("overlay_apply", interfaces=first).changed
    before = observe(ready)
    taking = [interface("wg1", 51821, ALPHA, addresses=["10.43.0.1/24"])]
    for document in (taking, [*first, *taking]):
        said = ready.module("overlay_apply", interfaces=document).failure
        assert "wg0 has a route to 10.77.0.0/16 with the same metric, and keeps it; use another route_metric" in said
        assert observe(ready) == before


def test_a_route_of_another_program_is_not_taken(ready: ManagedHost) -> None:
    first, then = CASES["two interfaces trade ports and metrics"]
    assert ready.module("overlay_apply", interfaces=first).changed
    ready.run("ip", "route", "del", "10.77.0.0/16", "metric", "100", "proto", "87")
    ready.run("ip", "route", "add", "10.77.0.0/16", "dev", "eth0", "metric", "100", "proto", "99")
    before = observe(ready)
    for check_mode in (True, False):
        assert (
            "another route to 10.77.0.0/16"
            in ready.module("overlay_apply", interfaces=then, check_mode=check_mode).failure
        )
        assert observe(ready) == before
