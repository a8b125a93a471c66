# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locations of nodes: who leads them, and what leaders and the others get.

n1 and n2 are in the location a, n3 and n4 in b; site 1 has the networks 10.1.0.0/24 and fd00:1::/64, site 2 10.2.0.0/24.
"""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.locations import (
    LocatedNode,
    choose_leaders,
    on_link,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.wireguard.expected_traffic import (
    wire,
    within_reach,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import (
    ENFORCE,
    PHASES,
    RECEIVE,
    SEND,
    STOP,
)
from planned_nodes import CLOSED, DUAL, NOW, node, planned, problems, routes, settled, silent

LOCATION = {"granularity": "location"}


def located(number: int, location: str = "", site: int = 0, *, reached: bool = True, **more: Any) -> HostInput:
    """Return a node at a site, by default that of its location; more: variables."""
    site = site or "ab".index(location or "a") + 1
    own = (f"10.{site}.0.{number}", f"fd00:{site}::{number}")
    host = node(number, {**LOCATION, "node_ip": list(own), "location": location, **DUAL, **more}, reached=reached)
    assert host.fact is not None
    host.fact["node"]["interfaces"][0]["addresses"] = [f"{own[0]}/24", f"{own[1]}/64"]
    return host


def four(**more: Any) -> list[HostInput]:
    return [located(number, location, **more) for number, location in enumerate("aabb", start=1)]


def leaders(plan: FleetPlan) -> dict[str, str]:
    return {name: host.node.leader for name, host in plan.hosts.items() if host.node is not None}


def peers(document: dict[str, Any]) -> dict[str, set[str]]:
    return {
        peer["name"]: set(peer["allowed_ips"])
        for interface in document.get("interfaces", ())
        for peer in interface.get("peers", ())
    }


def ways(document: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return by destination what its route says beside it, in table 7100."""
    (table,) = (entry for entry in document["ip_routes"] if entry["table"] == "7100")
    return {
        route["destination"]: tuple(value for name, value in sorted(route.items()) if name != "destination")
        for route in table["routes"]
    }


A = LocatedNode("n1", "a"), LocatedNode("n2", "a")
OWN = parse_prefix("10.0.0.2")


@pytest.mark.parametrize(
    ("nodes", "leader"),
    [
        (A, "n1"),
        ((A[0]._replace(is_reached=False), A[1]), "n2"),
        ((A[0]._replace(has_endpoint=False), A[1]), "n2"),
        ((A[0]._replace(enabled=False), A[1]), "n2"),
        ((A[0], A[1]._replace(is_named=True)), "n2"),
        ((A[0], A[1]._replace(is_named=True, enabled=False)), "n1"),
        ((A[0], A[1]._replace(has_device=True)), "n2"),
        ((A[0], A[1]._replace(has_device=True, is_reached=False)), "n2"),
        ((*A, LocatedNode("n3", "b", peers=frozenset(["n2"]))), "n2"),
        ((A[0]._replace(has_device=True), A[1], LocatedNode("n3", "", peers=frozenset(["n2"]))), "n2"),
        ((A[0]._replace(gateways=(OWN,)), A[1]._replace(addresses=(OWN,), is_reached=False)), "n2"),
        ((A[0]._replace(gateways=(parse_prefix("10.0.0.9"),)), A[1]), ""),
        (tuple(one._replace(is_reached=False) for one in A), ""),
        (tuple(one._replace(enabled=False) for one in A), ""),
    ],
)
def test_the_leader_of_a_location(nodes: tuple[LocatedNode, ...], leader: str) -> None:
    found = choose_leaders(nodes)
    assert (found["n1"], found["n2"]) == (leader, leader)
    assert choose_leaders(tuple(reversed(nodes))) == found


def test_node_without_a_location_is_a_location() -> None:
    assert choose_leaders([LocatedNode("n1", ""), LocatedNode("n2", "", enabled=False, is_reached=False)]) == {
        "n1": "n1",
        "n2": "n2",
    }
    plan = planned([*four(), located(5, site=3)])
    assert leaders(plan) == {"n1": "n1", "n2": "n1", "n3": "n3", "n4": "n3", "n5": "n5"}
    assert peers(host_document(plan, "n5")).keys() == {"n1", "n3"}


def test_leaders_have_the_tunnels() -> None:
    plan = planned(four())
    document = host_document(plan, "n1")
    assert peers(document) == {
        "n3": {
            *("10.244.3.0/24", "fd44:0:0:3::/64", "10.2.0.3/32", "fd00:2::3/128"),
            *("10.244.4.0/24", "fd44:0:0:4::/64", "10.2.0.4/32", "fd00:2::4/128"),
        }
    }
    found = ways(document)
    assert found["10.244.4.0/24"] == ("kwg0", "10.244.1.0")
    assert found["fd44:0:0:3::/64"] == ("kwg0", "fd44:0:0:1::")
    assert found["10.2.0.4/32"] == ("kwg0", "10.1.0.1")
    assert found["10.244.2.0/24"] == found["10.1.0.2/32"] == found["10.244.1.0/24"] == ("throw",), "plain inside"
    (interface,) = document["interfaces"]
    assert interface["sysctls"] == {
        "net.ipv4.ip_forward": "1",
        "net.ipv6.conf.all.forwarding": "1",
        "net.ipv4.conf.all.send_redirects": "0",
        "net/ipv4/conf/kwg0/send_redirects": "0",
        "net/ipv4/conf/kwg0/rp_filter": "2",
        "net/ipv4/conf/all/src_valid_mark": "1",
    }
    assert document["nftables"]["kwg0"]["set_mark"][0]["saddr"] == ["10.2.0.3", "fd00:2::3"], "leaders only"
    assert [one["name"] for one in within_reach(plan)] == wire(plan)["encrypting"] == ["n1", "n3"]


def test_leader_of_no_other_node_does_not_forward() -> None:
    plan = planned([located(1, "a"), located(3, "b")])
    (interface,) = host_document(plan, "n1")["interfaces"]
    assert not any("forward" in name for name in interface["sysctls"])


def test_other_nodes_send_through_their_leader() -> None:
    document = host_document(planned(four()), "n2")
    found = ways(document)
    assert found["10.244.3.0/24"] == found["10.2.0.4/32"] == ("eth0", "10.1.0.2", "10.1.0.1")
    assert found["fd44:0:0:4::/64"] == found["fd00:2::3/128"] == ("eth0", "fd00:1::2", "fd00:1::1")
    assert found["10.244.1.0/24"] == found["10.1.0.1/32"] == ("throw",)
    assert document["interfaces"] == [{"name": "kwg0", "state": "absent"}]
    assert (document["boot_name"], document["nftables"]) == ("kwg0", {"kwg0": {}})
    (rule,) = document["ip_rules"]["rules"]
    assert (rule["priority"], rule["table"], rule["family"], rule["invert"]) == (99, "7100", "both", True)
    assert "boot_name" not in host_document(planned(four(persistence="none")), "n2")


def test_phases_of_a_node_that_is_not_a_leader() -> None:
    plan = planned(four())
    documents = {phase: host_document(plan, "n2", phase=phase) for phase in PHASES}
    assert documents[RECEIVE] == {"temporary_sysctls": {"net/ipv4/conf/eth0/rp_filter": "2"}}
    assert documents[SEND].keys() == {"ip_routes", "ip_rules", "keep_masqueraded"}
    assert documents[STOP] == {}
    assert documents[ENFORCE]["temporary_sysctls"] == {}


@pytest.mark.parametrize("lost", [("n1",), ("n2",), ("n1", "n2"), ("n3", "n4"), ("n2", "n3", "n4"), ("n1", "n3", "n4")])
@pytest.mark.parametrize("forgotten", [False, True], ids=["known from facts", "never heard of"])
def test_an_unreachable_node_changes_no_leader(lost: tuple[str, ...], forgotten: bool) -> None:
    # The second of each leads, which the first run of all would not have chosen.
    fleet = settled(_named(2, 4))
    fleet = [host._replace(variables={**host.variables, "location_leader": False}) for host in fleet]
    before = planned(fleet)
    assert leaders(before) == {"n1": "n2", "n2": "n2", "n3": "n4", "n4": "n4"}
    gone = [host._replace(reached=False) if host.name in lost else host for host in fleet]
    gone = [silent(host) if forgotten and host.name in lost else host for host in gone]
    after = planned(gone)
    for host in fleet:
        if host.name not in lost:
            one, other = host_document(before, host.name), host_document(after, host.name)
            assert (ways(one), one["ip_rules"]) == (ways(other), other["ip_rules"]), host.name
            for name, prefixes in peers(one).items():
                assert peers(other).get(name, prefixes) == prefixes
                assert name in peers(other) or name in after.unknown


def test_networks_of_a_node_without_facts_stay_with_its_leader() -> None:
    fleet = settled(four())
    hidden = silent(fleet[3])
    hidden = hidden._replace(variables={**LOCATION, "location": "b"})
    plan = planned([*fleet[:3], hidden])
    document = host_document(plan, "n1")
    assert peers(document) == {} and document["interfaces"][0]["unknown_peers"] == ["n3", "n4"]
    assert routes(document) == routes(host_document(planned(fleet), "n1"))
    assert ways(host_document(plan, "n2")) == ways(host_document(planned(fleet), "n2"))


def test_leader_without_facts_stays_the_gateway() -> None:
    fleet = settled(four())
    hidden = silent(fleet[0])._replace(variables={**LOCATION, "location": "a"})
    plan = planned([hidden, fleet[1], *map(silent, fleet[2:])])
    assert leaders(plan)["n2"] == ""
    assert ways(host_document(plan, "n2"))["10.244.4.0/24"] == ("eth0", "10.1.0.2", "10.1.0.1")
    assert ways(host_document(plan, "n2"))["fd00:2::3/128"] == ("eth0", "fd00:1::2", "fd00:1::1")


def test_gateways_are_on_links_of_others_that_are_up() -> None:
    fact = located(1, "a").fact
    assert fact is not None
    (eth0,) = fact["node"]["interfaces"]
    fact["node"]["interfaces"] = [
        {**eth0, "name": "kwg9", "managed": True, "index": 1},
        {**eth0, "name": "eth9", "up": False, "index": 1},
        {**eth0, "name": "wide", "addresses": ["10.0.0.1/8"], "index": 1},
        eth0,
    ]
    found = on_link(fact, map(parse_prefix, ["10.1.0.2", "fd00:1::2", "10.2.0.1", "192.0.2.1"]))
    assert {address.bare: interface for address, interface in found.items()} == {
        "10.1.0.2": "eth0",
        "fd00:1::2": "eth0",
        "10.2.0.1": "wide",
    }
    assert on_link(None, [OWN]) == {}


@pytest.mark.parametrize("lost", ["n1", "n2", "n3", "n4"])
def test_routes_to_unreached_nodes_are_not_switched_over(lost: str) -> None:
    plan = planned([host._replace(reached=host.name != lost) for host in four(location_leader=None)])
    if lost in ("n1", "n3"):
        assert leaders(plan)[lost] != lost, "who cannot be reached does not become a leader"
    else:
        found = routes(host_document(plan, "n1" if lost == "n4" else "n3"))
        assert found[f"10.244.{lost[1]}.0/24"] == "throw"
    named = planned([host._replace(reached=host.name != "n3") for host in _named(1, 3)])
    assert all(way == "throw" for way in routes(host_document(named, "n2")).values())
    assert all(way == "throw" for way in routes(host_document(named, "n1")).values())


def _named(*numbers: int) -> list[HostInput]:
    return [located(n, "aabb"[n - 1], location_leader=n in numbers) for n in range(1, 5)]


def test_packets_of_a_disabled_node_are_accepted_until_it_stops() -> None:
    fleet = settled(four())
    fleet[3] = fleet[3]._replace(variables={**fleet[3].variables, "enabled": False})
    plan = planned(fleet)
    kept = {phase: peers(host_document(plan, "n1", phase=phase))["n3"] for phase in (RECEIVE, ENFORCE)}
    assert kept[RECEIVE] - kept[ENFORCE] == {"10.244.4.0/24", "fd44:0:0:4::/64", "10.2.0.4/32", "fd00:2::4/128"}
    assert routes(host_document(plan, "n1"))["10.244.4.0/24"] == "throw"
    leaving = host_document(plan, "n4", phase=RECEIVE)
    assert leaving["temporary_sysctls"] == {"net/ipv4/conf/eth0/rp_filter": "2"}
    assert host_document(plan, "n4", phase=STOP)["ip_routes"][0]["routes"] == []


def test_another_leader_takes_over() -> None:
    fleet = settled(four())
    fleet[1] = fleet[1]._replace(variables={**fleet[1].variables, "location_leader": True})
    plan = planned(fleet)
    assert leaders(plan)["n1"] == "n2"
    assert host_document(plan, "n1", phase=RECEIVE).keys() == {"temporary_sysctls"}, "it still takes what comes"
    assert ways(host_document(plan, "n1"))["10.244.3.0/24"] == ("eth0", "10.1.0.1", "10.1.0.2")
    assert {"name": "kwg0", "state": "absent"} in host_document(plan, "n1")["interfaces"]
    assert peers(host_document(plan, "n3")).keys() == {"n2"}


def test_keys_are_rotated_with_the_same_leaders() -> None:
    fleet = [host._replace(variables={**host.variables, "rotate": True}) for host in settled(_named(2, 4))]
    fleet = [host._replace(variables={**host.variables, "location_leader": False}) for host in fleet]
    for host in fleet:
        host.fact["interfaces"]["kwg1"] = {**host.fact["interfaces"]["kwg0"], "addresses": [], "peers": ""}  # type: ignore[index]
    plan = planned(fleet)
    assert (plan.interface, set(leaders(plan).values())) == ("kwg1", {"n2", "n4"})
    gone = {one["name"] for one in host_document(plan, "n1")["interfaces"]}
    assert gone == {"kwg0", "kwg1"}
    for number in (0, 2):
        fleet[number].fact["tables"] = {}  # type: ignore[index]
    assert set(leaders(planned(fleet)).values()) == {"n2", "n4"}, "the old device tells"


REFUSED = [
    ({}, {1: {"location_leader": True}, 2: {"location_leader": True}}, "all lead the location 'a'"),
    ({}, {1: {"location_leader": True, "endpoint": "none"}}, "has no endpoint for the leaders of others"),
    ({"endpoint": "none"}, {}, "no node of the location 'a' has a reachable endpoint"),
    ({}, {1: {"location": "", "location_leader": True}}, "leads a location, but has none"),
    ({}, {4: {"location": "a"}}, "10.1.0.1 of the leader 'n1' is in no network"),
    ({}, {2: {"location": "c"}}, "is in 10.1.0.0/24, a network of 'c'"),
    ({}, {1: {"node_ip_families": [4], "node_ip": ["10.1.0.1"]}}, "lacks an address of a family"),
    (CLOSED, {}, "or set node_encryption_granularity to full"),
    ({"profile": "calico"}, {}, "calico does not support locations"),
    ({}, {1: {"granularity": "full"}}, "node_encryption_granularity: nodes differ"),
    ({"granularity": "site"}, {}, "'site'"),
    ({"backend": "ipsec"}, {}, "IPsec does not support locations"),
]


@pytest.mark.parametrize(("common", "own", "text"), REFUSED, ids=[text for _common, _own, text in REFUSED])
def test_invalid_combinations_are_refused(common: dict[str, Any], own: dict[int, dict[str, Any]], text: str) -> None:
    fleet = four()
    fleet = [
        host._replace(variables={**host.variables, **common, **own.get(number, {})})
        for number, host in enumerate(fleet, start=1)
    ]
    assert text in "\n".join(problems(*fleet)), problems(*fleet)


def test_check_mode_plans_with_the_keys_that_the_leaders_will_have() -> None:
    fleet = four()
    for host in fleet:
        host.fact["interfaces"]["kwg0"].update(public_key=None, new_key=True)  # type: ignore[index]
    plan = planned(fleet)
    assert leaders(plan) == {"n1": "n1", "n2": "n1", "n3": "n3", "n4": "n3"}
    (device,) = host_document(plan, "n1")["interfaces"]
    assert {peer["name"]: peer["public_key"] for peer in device["peers"]} == {"n3": "the new key of n3"}
    assert device["new_key"] == "the new key of n1"


def test_silent_nodes_are_no_problem() -> None:
    fleet = [silent(host) if host.name in ("n1", "n2") else host for host in four()]
    outcome = plan_node_encryption(fleet, now=NOW)
    assert outcome.plan is not None, outcome.problems
    assert leaders(outcome.plan) == {"n1": "", "n2": "", "n3": "n3", "n4": "n3"}
    named = {**LOCATION, "location": "a", "location_leader": True, "pod_cidrs": ["10.244.1.0/24"]}
    fleet[0] = silent(fleet[0])._replace(variables=named)
    assert leaders(planned(fleet))["n2"] == "n1", "where it is, it says when it is heard from"


def test_location_variables_are_ignored_without_granularity_location() -> None:
    fleet = [host._replace(variables={**host.variables, "granularity": "full"}) for host in _named(1, 2)]
    plan = planned(fleet)
    assert leaders(plan) == {f"n{n}": f"n{n}" for n in range(1, 5)}
    assert plan.encryption is not None and not plan.encryption.host_encryption
