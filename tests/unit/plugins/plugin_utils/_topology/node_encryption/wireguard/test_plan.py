# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for a cluster's nodes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.wireguard.plan import (
    device_addresses,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    Absence,
    FleetPlan,
    HostInput,
)
from counted_calls import calls
from planned_nodes import CLOSED, DUAL, HOSTS, NOW, node, planned, problems, settled, silent


def test_the_order_of_hosts_does_not_matter() -> None:
    fleet = [*settled([node(1, CLOSED), node(2, CLOSED)]), node(3, CLOSED), silent(node(4, CLOSED))]
    plans = [planned(order).to_dict() for order in permutations(fleet)]
    assert all(plan == plans[0] for plan in plans)
    assert FleetPlan.from_dict(plans[0]).to_dict() == plans[0]


def test_a_node_on_its_device() -> None:
    host = planned([node(1, DUAL), node(2, DUAL)]).hosts["n1"]
    assert tuple(map(str, host.addresses)) == ("10.244.1.0/32", "fd44:0:0:1::/128")
    assert tuple(map(str, host.networks)) == ("10.244.1.0/24", "fd44:0:0:1::/64")
    assert (str(host.endpoints.ipv4), str(host.endpoints.ipv6)) == ("192.0.2.1:51820", "[fd00::1]:51820")
    assert host.device is not None
    assert (host.device.mtu, host.device.fwmark, host.device.routes) == (1440, 0x100000, False)
    assert host.device.sysctls == {"net/ipv4/conf/kwg0/rp_filter": "2", "net/ipv4/conf/all/src_valid_mark": "1"}


def test_sizes_of_packets() -> None:
    def mtu(**variables: object) -> int:
        device = planned([node(1, variables), node(2, variables)]).hosts["n1"].device
        assert device is not None and device.mtu is not None
        return device.mtu

    assert mtu() == 1440
    assert mtu(mtu_underlay_extra=100) == 1340, "Azure's underlay"
    assert mtu(mtu_underlay_extra=50, mtu_align=True) == 1376
    assert mtu(mtu=1400, mtu_underlay_extra=100, mtu_align=True) == 1400, "what is written counts"
    assert mtu(endpoint_family="ipv6", **DUAL) == 1420


@pytest.mark.parametrize(("interface", "size"), [("eth0", 8941), ("lo", 1440)])
def test_underlay_is_where_the_nodes_own_addresses_are(interface: str, size: int) -> None:
    def jumbo(number: int) -> HostInput:
        host = node(number)
        assert host.fact is not None and host.fact["underlay"]["ipv4"]["mtu"] == 1500, "where the default route leads"
        (link,) = host.fact["node"]["interfaces"]
        link.update(name=interface, mtu=9001)
        return host

    device = planned([jumbo(1), jumbo(2)]).hosts["n1"].device
    assert device is not None and device.mtu == size


def test_current_state_of_a_node_is_read() -> None:
    for variables in (CLOSED, {**CLOSED, **HOSTS}):
        fleet = settled([node(1, variables), node(2, variables)])
        steering = planned(fleet).hosts["n1"].node.steering  # type: ignore[union-attr]
        assert steering is not None
        hosts = ("192.0.2.2/32",)
        own = hosts if "host_encryption" in variables else ()
        assert tuple(map(str, steering.settled)) == ("10.244.2.0/24", *own)
        assert tuple(map(str, steering.settled_for_pods)) == hosts
        assert steering.closed == ("in", "out")
        assert steering.strict_rp_filter == ("eth0",)


def left_out(host: HostInput) -> HostInput:
    """Return a node that is not in the run, as with --limit."""
    return host._replace(reached=False, outside=True)


def test_nodes_of_the_run() -> None:
    fleet = [node(1), left_out(node(2)), silent(node(3)), node(4, enabled=False)]
    outcome = plan_node_encryption(fleet, now=NOW)
    assert outcome.plan is not None
    nodes = {name: host.node for name, host in outcome.plan.hosts.items()}
    assert {name: (one.reached, one.enabled) for name, one in nodes.items() if one} == {
        "n1": (True, True),
        "n2": (False, True),
        "n3": (False, True),
        "n4": (True, False),
    }
    assert outcome.plan.unknown == ("n3",)
    assert [line for line in outcome.warnings if "'n2'" in line and "the host is not in this run" in line]


@pytest.mark.parametrize("away", [lambda host: left_out(silent(host)), left_out])
def test_node_that_continues_to_encrypt_is_named(away: Callable[[HostInput], HostInput]) -> None:
    """One of which nothing is known but what others remember, and one of an older fact; n3 was never applied."""
    one, other = settled([node(1), node(2)])
    never = left_out(silent(node(3)))

    def said(*fleet: HostInput, **variables: object) -> list[str]:
        changed = [host._replace(variables={**host.variables, **variables}) for host in fleet]
        return [
            line for line in plan_node_encryption(changed, now=NOW).warnings if "continues to send encrypted" in line
        ]

    (absent,) = said(away(one), other, never, state="absent")
    assert (
        absent.startswith("hosts 'n1', 'n3': node_encryption_state: ")
        and "the host is not in this run, so it" in absent
    )
    (off,) = said(away(one), other, never, enabled=False)
    assert off.startswith("host 'n1': node_encryption_enabled: ") and off.endswith("run it too")
    assert said(one, other, never, enabled=False) == said(away(one), other) == said(away(one), state="absent") == []


@pytest.mark.parametrize(
    ("away", "variables", "expected"),
    [
        (
            [2, 3],
            {"state": "absent"},
            ["host 'n1': node_encryption_state: its encryption ends, and 'n2', 'n3' are not"],
        ),
        ([1], {"state": "absent"}, ["hosts 'n2', 'n3': node_encryption_state: its encryption ends, and 'n1' is not"]),
        (
            [1],
            {},
            ["host 'n1': node_encryption_enabled: the host is not in this run, so it continues to send encrypted"],
        ),
        ([2], {}, ["host 'n1': node_encryption_enabled: its encryption ends, and 'n2' is not in this run, so it"]),
        ([], {"state": "absent"}, []),
        ([], {}, []),
    ],
)
def test_encryption_does_not_end_at_one_end_only(
    away: list[int], variables: dict[str, Any], expected: list[str]
) -> None:
    own = {} if variables else {"enabled": False}
    fleet = [
        host._replace(variables={**host.variables, **variables, **(own if host.name == "n1" else {})})
        for host in settled([node(1), node(2), node(3)])
    ]
    limited = [left_out(host) if int(host.name[1]) in away else host for host in fleet]
    found = problems(*limited)
    assert len(found) == len(expected) and all(line.startswith(text) for line, text in zip(found, expected))
    assert all("run it too" in line or "run them too" in line for line in found)
    dead = [host._replace(outside=False, lost=Absence.UNREACHABLE) for host in limited if not host.reached]
    gone = {host.name: host for host in dead}
    assert problems(*(gone.get(host.name, host) for host in limited)) == (), "a dead node does not prevent it"
    fresh = [host._replace(fact=node(int(host.name[1])).fact) for host in limited]
    assert problems(*fresh) == (), "what never had a tunnel"


def test_a_node_that_does_not_encrypt_lacks_no_key() -> None:
    away = silent(node(2))._replace(outside=True)
    assert plan_node_encryption([node(1), away], now=NOW).lacking == ("n2",)
    disabled = away._replace(variables={**away.variables, "enabled": False})
    assert plan_node_encryption([node(1), disabled], now=NOW).lacking == ()


def test_addresses_of_devices() -> None:
    assert device_addresses(
        [parse_prefix("192.0.2.1")], [parse_prefix("10.244.1.0/24"), parse_prefix("10.244.9.0/24")]
    ) == (parse_address("10.244.1.0/32"),)
    assert device_addresses([parse_prefix("192.0.2.1")], [parse_prefix("10.244.1.7/32")]) == (
        parse_address("192.0.2.1/32"),
    )
    assert device_addresses([parse_prefix("192.0.2.1")], [parse_prefix("fd44::7/128")]) == ()


def test_nothing_is_dropped_if_all_nodes_are_disabled() -> None:
    plan = planned([node(number, CLOSED, state="absent") for number in (1, 2)])
    assert plan.encryption is not None and plan.encryption.closed == ()


def test_planning_time_grows_linearly() -> None:
    def cost(count: int) -> int:
        places = [f"{number // 250}.{number % 250}" for number in range(count)]
        fleet = [
            silent(node(number, node_ip=[f"172.16.{place}"], pod_cidrs=[f"10.{place}.0/24"]))
            for number, place in enumerate(places)
        ]
        return calls(lambda: planned(fleet))

    small, large = cost(225), cost(900)
    assert large < 4.4 * small, f"four times the nodes take {large / small:.1f} times as many calls"
