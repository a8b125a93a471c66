# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned from what is wanted, seen and remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.facts import peer_lines
from ansible_collections.wirewright.overlay.plugins.module_utils.wireguard.memory import RememberedPeer
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.mesh import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan, HostInput
from hypothesis import given
from hypothesis import strategies as st
from planned_fleet import (
    fact_of,
    first_addresses,
    host,
    interface,
    key_of,
    peers,
    planned,
    remembered,
    silent,
    warnings,
)

NAMES = [f"h{number}" for number in range(1, 8)]


def remembering(plan: FleetPlan, name: str) -> dict[str, Any]:
    """Return what a host's fact says after the plan was applied to it."""
    return {
        "addresses": list(plan.hosts[name].addresses),
        "peers": peer_lines(
            {
                peer["public_key"]: RememberedPeer(other, tuple(peer["addresses"]), peer["endpoint"] or "")
                for other, peer in peers(plan, name).items()
            }
        ),
    }


def test_a_fleet_of_two() -> None:
    plan = planned(
        host("h1", {"addresses": "10.42.0.1", "networks": "192.168.1.0/24"}),
        host("h2", {"addresses": "10.42.0.2", "persistent_keepalive": 25}),
    )
    assert interface(plan, "h2") == {
        "name": "wg0",
        "inventory_name": "h2",
        "private_key_file": "/etc/wireguard/wg0.key",
        "listen_port": 51820,
        "fwmark": 0,
        "mtu": 1440,
        "addresses": ["10.42.0.2/24"],
        "routes": True,
        "purge": True,
        "userspace": False,
        "adopt": False,
        "persistence": "wg_quick",
        "allow_mass_removal": False,
        "peers": [
            {
                "public_key": key_of("h1"),
                "name": "h1",
                "endpoint": "198.51.100.1:51820",
                "allowed_ips": ["10.42.0.1/32", "192.168.1.0/24"],
                "persistent_keepalive": 25,
                "addresses": ["10.42.0.1"],
            }
        ],
        "unknown_peers": [],
        "revoked": {},
        "sysctls": {},
    }
    assert interface(plan, "h1")["sysctls"] == {"net.ipv4.ip_forward": "1"}


@given(st.permutations(NAMES))
def test_the_order_of_the_inventory_does_not_matter(names: list[str]) -> None:
    assert json.dumps(planned(*map(host, names)).to_dict()) == json.dumps(planned(*map(host, NAMES)).to_dict())


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.sets(st.sampled_from(NAMES)))
def test_who_is_not_heard_from_keeps_its_place(members: set[str], down: set[str]) -> None:
    """After one complete run, whoever is then reachable restores what is known of the others."""
    first = planned(*map(host, members))
    up = members - down
    if not up:
        return
    second = planned(
        *(host(name, **remembering(first, name)) for name in up),
        *(silent(name) for name in members - up),
    )
    assert first_addresses(second, members) == first_addresses(first, members)
    assert second.unknown == ()
    for name in up:
        assert interface(second, name)["peers"] == interface(first, name)["peers"]


def test_a_new_host_is_told_about_one_that_is_down() -> None:
    first = planned(host("h1"), host("h2"))
    second = planned(host("h1", **remembering(first, "h1")), silent("h2"), host("h3"))
    assert peers(second, "h3")["h2"] == peers(first, "h1")["h2"]


def test_a_hosts_own_word_beats_what_others_remember() -> None:
    plan = planned(host("h1"), host("h2", peers=remembered("h1", "10.42.0.9", key=key_of("older"))))
    assert plan.hosts["h1"].public_key == key_of("h1")


def test_the_inventory_beats_what_others_remember() -> None:
    known = silent("h1", {"public_key": key_of("x") + "\n"})
    plan = planned(known, host("h2", peers=remembered("h1", key=key_of("older"))))
    assert plan.hosts["h1"].public_key == key_of("x")


def test_revoked_memories_are_no_contradiction() -> None:
    neighbours = [
        host("h2", peers=remembered("h1", key=key_of("older"))),
        host("h3", peers=remembered("h1"), revoked={key_of("older"): "h1"}),
    ]
    plan = planned(silent("h1"), *neighbours)
    assert plan.hosts["h1"].public_key == key_of("h1")


def test_nobody_knows_the_key() -> None:
    plan = planned(host("h1"), host("h2"), silent("h3"))
    assert plan.unknown == ("h3",)
    assert set(peers(plan, "h1")) == {"h2"}
    assert interface(plan, "h1")["unknown_peers"] == ["h3"]
    assert interface(plan, "h3")["unknown_peers"] == []


def test_a_first_run_in_check_mode() -> None:
    plan = planned(host("h1", public_key=None), host("h2", public_key=None))
    assert plan.unknown == ("h1", "h2")
    assert interface(plan, "h1")["peers"] == []


def test_a_reinstalled_host_gets_its_address_back() -> None:
    others = [host(name, peers=remembered("h1", "10.42.0.99", key=key_of("older"))) for name in ("h2", "h3")]
    plan = planned(host("h1"), *others)
    assert plan.hosts["h1"].addresses == ("10.42.0.99/24",)
    assert plan.hosts["h1"].public_key == key_of("h1")


@pytest.mark.parametrize("victim_is_down", [False, True], ids=["up", "down"])
def test_a_host_that_lies_gets_nobody_elses_address(victim_is_down: bool) -> None:
    """What it says it has is another's, as the third knows: else that host's packets would go to this one."""
    victim = silent("h2") if victim_is_down else host("h2", addresses=["10.42.0.99/24"])
    knows = remembered("h2", "10.42.0.99", "198.51.100.2:51820")
    plan = planned(host("h1", addresses=["10.42.0.99/24"]), victim, host("h3", peers=knows))
    assert plan.hosts["h2"].addresses == ("10.42.0.99/24",)
    assert plan.hosts["h1"].addresses != ("10.42.0.99/24",)


def test_a_second_network_leaves_the_first_addresses() -> None:
    both = {"network": ["10.42.0.0/24", "fd42::/64"]}
    before = planned(*map(host, NAMES))
    after = planned(*(host(name, both, **remembering(before, name)) for name in NAMES))
    assert first_addresses(after, NAMES) == first_addresses(before, NAMES)
    assert all(len(after.hosts[name].addresses) == 2 for name in NAMES)


def test_revoked_hosts_and_all_keys_they_ever_had() -> None:
    plan = planned(
        host("h1", {"revoked": ["h2", "gone"]}),
        host("h2"),
        host("h3", peers="\n".join((remembered("h2", key=key_of("older")), remembered("gone")))),
        host("h4", revoked={key_of("long ago"): "h0"}),
    )
    assert set(plan.hosts) == {"h1", "h3", "h4"}
    assert plan.excluded == ("h2",)
    assert plan.revoked == {
        key_of("h2"): "h2",
        key_of("older"): "h2",
        key_of("gone"): "gone",
        key_of("long ago"): "h0",
    }
    assert interface(plan, "h1")["revoked"] == plan.revoked


def test_a_revoked_host_is_not_believed() -> None:
    liar = host(
        "h2",
        revoked={key_of("h3"): "h3"},
        peers="\n".join((remembered("h1", key=key_of("evil")), remembered("h9", key=key_of("evil")))),
    )
    plan = planned(silent("h1"), liar, host("h3", {"revoked": "h2"}, peers=remembered("h1")))
    assert plan.hosts["h1"].public_key == key_of("h1")
    assert plan.revoked == {key_of("h2"): "h2"}


def test_a_host_that_came_back_with_a_new_key() -> None:
    plan = planned(host("h1", public_key=key_of("new")), host("h2", revoked={key_of("h1"): "h1"}))
    assert plan.hosts["h1"].public_key == key_of("new")
    assert plan.revoked == {key_of("h1"): "h1"}


def test_variables_that_need_facts_of_a_host_without_any() -> None:
    first = planned(host("h1"), host("h2"))
    unheard = HostInput("h2", {"network": "10.42.0.0/24"}, unresolved={"networks": "undefined"})
    outcome = plan_mesh([host("h1", **remembering(first, "h1")), unheard, host("h3")])
    assert outcome.plan is not None
    assert interface(outcome.plan, "h1")["unknown_peers"] == ["h2"]
    assert set(peers(outcome.plan, "h1")) == {"h3"}
    assert "variables depend on its facts" in outcome.warnings[0]
    assert first.hosts["h2"].addresses[0] not in outcome.plan.hosts["h3"].addresses


def test_variables_that_cannot_be_evaluated_though_there_are_facts() -> None:
    outcome = plan_mesh([HostInput("h1", {}, "", fact_of("h1"), {"mtu": "'x' is undefined"})])
    assert "host 'h1': mesh_mtu: 'x' is undefined" in outcome.problems


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"networks": "192.168.1.0/24"}, {"net.ipv4.ip_forward": "1"}),
        ({"networks": "fd43::/64"}, {"net.ipv6.conf.all.forwarding": "1"}),
        (
            {"networks": ["192.168.1.0/24", "fd43::/64"]},
            {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"},
        ),
        ({"networks": "192.168.1.0/24", "forward": False}, {}),
        ({"forward": True}, {"net.ipv4.ip_forward": "1"}),
        ({"forward": "auto"}, {}),
        ({}, {}),
    ],
)
def test_forwarding(variables: dict[str, object], expected: dict[str, str]) -> None:
    assert interface(planned(host("h1", variables), host("h2")), "h1")["sysctls"] == expected


@pytest.mark.parametrize(
    ("variables", "fact", "expected"),
    [
        ({}, "networkd", "networkd"),
        ({}, "nonsense", "none"),
        ({"persistence": "wg_quick"}, "networkd", "wg_quick"),
        ({"persistence": "none"}, "networkd", "none"),
    ],
)
def test_persistence(variables: dict[str, object], fact: str, expected: str) -> None:
    assert interface(planned(host("h1", variables, persistence=fact), host("h2")), "h1")["persistence"] == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (host("h2"), 1440),
        (host("h2", {"endpoint": "vpn.example.org"}), 1420),
        (host("h2", {"endpoint": "none"}), 1440),
        (host("h2", {"endpoint": "2001:db8::2"}), 1420),
    ],
)
def test_the_mtu_follows_the_underlay(other: HostInput, expected: int) -> None:
    one = host("h1", ipv6="2001:db8::1")
    assert interface(planned(one, other), "h1")["mtu"] == expected


def test_the_mtu_of_everything_else_a_host_talks_to() -> None:
    peer = {"public_key": key_of("x"), "endpoint": "[2001:db8::9]:1"}
    assert interface(planned(host("h1", {"static_peers": [peer]}), host("h2")), "h1")["mtu"] == 1420
    override = {"peer_overrides": {"h2": {"endpoint": "2001:db8::9"}}}
    assert interface(planned(host("h1", override), host("h2")), "h1")["mtu"] == 1420


def test_one_host_alone() -> None:
    plan = planned(host("h1", ipv6="2001:db8::1"))
    assert interface(plan, "h1")["peers"] == []
    assert interface(plan, "h1")["mtu"] == 1420


def test_assumed_mtus_are_no_reason_to_warn() -> None:
    plan = planned(host("h1", mtu=9000), host("h2", mtu=9000))
    again = [host("h1", mtu=9000, **remembering(plan, "h1")), silent("h2")]
    assert warnings(*again) == ()


def test_the_plan_has_each_host_once_and_no_secret() -> None:
    peer = {"name": "phone", "public_key": key_of("phone"), "preshared_key": "canary"}
    sizes = []
    for count in (50, 100):
        hosts = [host(f"h{number}", {"static_peers": [peer]}) for number in range(1, count + 1)]
        text = json.dumps(planned(*hosts).to_dict())
        assert "canary" not in text
        sizes.append(len(text))
    assert sizes[1] < 2.1 * sizes[0]
