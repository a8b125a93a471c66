# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's document in each phase: what comes, what stays, and that nothing is opened on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction import temporary_sysctls
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.packet_filter import parse_filter
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.sections import parse_sections
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.document import document_so_far, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_model import (
    CLOSE,
    FLIP,
    LEAVE,
    PHASES,
    RECEIVE,
)
from planned_nodes import CLOSED, DUAL, HOSTS, node, planned, pods, routes, settled, silent

VARIANTS: dict[str, list[HostInput]] = {
    "plain": [node(1), node(2), node(3)],
    "dual stack": [node(1, DUAL), node(2, DUAL), node(3, DUAL)],
    "closed": [node(number, {**CLOSED, **DUAL}) for number in (1, 2, 3)],
    "closed outward": [node(number, {**CLOSED, "strict": "egress"}) for number in (1, 2, 3)],
    "closed inward": [node(number, {**CLOSED, "strict": "ingress"}) for number in (1, 2, 3)],
    "hosts": [node(number, HOSTS) for number in (1, 2, 3)],
    "closed hosts": [node(number, {**HOSTS, **CLOSED, **DUAL}) for number in (1, 2, 3)],
    "a node is off": [node(1), node(2), node(3, enabled=False)],
    "a node is off and exempt": [
        node(1, CLOSED, exempt_hosts=["n3"]),
        node(2, CLOSED, exempt_hosts=["n3"]),
        node(3, enabled=False),
    ],
    "a node is dead": [node(1, CLOSED), node(2, CLOSED), silent(node(3, CLOSED))],
    "a node is left out": [node(1, CLOSED), node(2, CLOSED), node(3, CLOSED, reached=False)],
    "pods of single addresses": [node(1, pod_cidrs=["10.244.1.7/32", "10.244.9.1/32"]), node(2), node(3)],
    "excluded networks": [node(number, CLOSED, exclude_cidrs=["10.244.200.0/24"]) for number in (1, 2, 3)],
}


def documents(plan: FleetPlan) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all documents of a plan by node and phase."""
    return {(name, phase): host_document(plan, name, phase=phase) for name in plan.hosts for phase in PHASES}


def parsed(document: Mapping[str, Any]) -> None:
    """Let overlay_apply's parsers see a document; they raise where it is wrong."""
    parse_document(document.get("interfaces", ()), {})
    parse_filter(document)
    parse_sections(document, lambda _name: 7)
    temporary_sysctls.parse(document.get("temporary_sysctls", {}))


@pytest.mark.parametrize("name", VARIANTS)
def test_documents_are_what_overlay_apply_takes(name: str) -> None:
    for fleet in (VARIANTS[name], settled(VARIANTS[name])):
        for document in documents(planned(fleet)).values():
            parsed(document)


def test_phases_of_a_fresh_node() -> None:
    found = {phase: host_document(planned(VARIANTS["closed"]), "n1", phase=phase) for phase in PHASES}
    assert {phase: sorted(document) for phase, document in found.items()} == {
        RECEIVE: ["interfaces", "nftables", "temporary_sysctls"],
        FLIP: ["ip_routes", "ip_rules"],
        LEAVE: [],
        CLOSE: ["interfaces", "ip_routes", "ip_rules", "nftables", "temporary_sysctls"],
    }
    (receiving,), (closing,) = found[RECEIVE]["interfaces"], found[CLOSE]["interfaces"]
    assert (receiving["purge"], closing["purge"]) == (False, True)
    assert {peer["persistent_keepalive"] for peer in receiving["peers"]} == {5}
    assert {peer["persistent_keepalive"] for peer in closing["peers"]} == {0}
    assert found[RECEIVE]["temporary_sysctls"] == {"net/ipv4/conf/eth0/rp_filter": "2"}
    assert found[CLOSE]["temporary_sysctls"] == {}
    assert "closed" not in found[RECEIVE]["nftables"]["kwg0"], "others send plain packets still"
    assert found[CLOSE]["nftables"]["kwg0"]["closed"]["ways"] == ["in", "out"]
    assert "blackhole" not in routes(found[FLIP]).values()
    assert routes(found[CLOSE]) == {
        "10.244.1.0/24": "throw",
        "fd44:0:0:1::/64": "throw",
        "10.244.2.0/24": "kwg0",
        "fd44:0:0:2::/64": "kwg0",
        "10.244.3.0/24": "kwg0",
        "fd44:0:0:3::/64": "kwg0",
        "10.244.0.0/16": "blackhole",
        "fd44::/32": "blackhole",
    }
    nodes = found[CLOSE]["ip_routes"][1]["routes"]
    assert nodes[0] == {"destination": "192.0.2.2/32", "dev": "kwg0"}
    assert nodes[4] == {"destination": "192.0.2.2/32", "type": "blackhole", "metric": 65535}


def test_threads_of_the_kernel_are_the_nodes_own_choice() -> None:
    plan = planned([node(1, threaded_napi=False), node(2, threaded_napi="true"), node(3)])
    (first,), (second,), (third,) = (host_document(plan, name)["interfaces"] for name in ("n1", "n2", "n3"))
    assert first["threaded_napi"] is False and second["threaded_napi"] is True and "threaded_napi" not in third


@pytest.mark.parametrize("name", VARIANTS)
def test_what_a_run_has_done_that_ends_early_says_nothing_twice(name: str) -> None:
    plan = planned(settled(VARIANTS[name]))
    for host in plan.hosts:
        single = {phase: host_document(plan, host, phase=phase) for phase in PHASES}
        for phase in (RECEIVE, FLIP, LEAVE):
            so_far = [single[each] for each in PHASES[: PHASES.index(phase) + 1]]
            together = document_so_far(plan, host, phase=phase)
            assert sorted(together) == sorted(section for document in so_far for section in document), f"{host} {phase}"
            assert all(together[section] == document[section] for document in so_far for section in document)
        assert document_so_far(plan, host, phase=CLOSE) == single[CLOSE]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("closed")])
def test_what_is_closed_stays_closed_in_every_phase(name: str) -> None:
    fleet = settled(VARIANTS[name])
    before, after = planned(VARIANTS[name]), planned(fleet)
    for host in after.hosts:
        wanted = host_document(before, host)
        for phase in (RECEIVE, CLOSE):
            closed = dict(host_document(after, host, phase=phase)["nftables"]["kwg0"]["closed"])
            assert closed == wanted["nftables"]["kwg0"]["closed"], f"{host} {phase}"
        for phase in (FLIP, CLOSE):
            document = host_document(after, host, phase=phase)
            for table in (0, 1):
                assert document["ip_routes"][table] == wanted["ip_routes"][table], f"{host} {phase}"


def test_a_receiving_node_keeps_what_was_there() -> None:
    gone = settled(VARIANTS["closed"])[:2]
    receiving = host_document(planned(gone), "n1", phase=RECEIVE)
    assert not receiving["interfaces"][0]["purge"] and "ip_routes" not in receiving and "ip_rules" not in receiving
    fresh = [*settled(VARIANTS["closed"][:2]), VARIANTS["closed"][2]]
    closed = host_document(planned(fresh), "n1", phase=RECEIVE)["nftables"]["kwg0"]["closed"]
    assert closed["except"] == ["10.244.3.0/24", "fd44:0:0:3::/64"], "only what the new node sends may be plain"
    assert closed["hosts"] == ["192.0.2.2", "fd00::2"]
    assert closed["pods"] == ["10.244.1.0/24", "fd44:0:0:1::/64"]


def test_a_node_that_is_not_spoken_to_stays_as_it_is() -> None:
    for lost in (silent, lambda host: host._replace(reached=False)):
        fresh = [VARIANTS["closed"][0], VARIANTS["closed"][1], lost(VARIANTS["closed"][2])]
        found = routes(host_document(planned(fresh), "n1"))
        assert found["10.244.2.0/24"] == "kwg0" and "10.244.3.0/24" not in found, (
            "nothing leads there, and it is closed"
        )
        known = settled(VARIANTS["closed"])
        found = host_document(planned([known[0], known[1], lost(known[2])]), "n1")
        assert (routes(found)["10.244.3.0/24"], routes(found, 7101)["192.0.2.3/32"]) == ("kwg0", "kwg0")
        unclosed = [VARIANTS["plain"][0], VARIANTS["plain"][1], lost(VARIANTS["plain"][2])]
        assert routes(host_document(planned(unclosed), "n1"))["10.244.3.0/24"] == "throw"


def test_nodes_whose_pods_are_unknown_keep_their_routes() -> None:
    known = settled(VARIANTS["closed"])
    lost = silent(known[2])
    unknown = lost._replace(variables={**lost.variables, "pod_cidrs": [], "node_ip": []})
    found = host_document(planned([known[0], known[1], unknown]), "n1")
    assert routes(found)["10.244.3.0/24"] == "kwg0"
    assert routes(found, 7101)["192.0.2.3/32"] == "kwg0"
    assert "192.0.2.3/32" not in routes(found), "what leads there for pods does not lead there for the node itself"


def test_a_node_that_is_switched_off_leaves_when_the_others_have() -> None:
    known = settled(VARIANTS["plain"])
    off = known[2]._replace(variables={**known[2].variables, "enabled": False})
    plan = planned([*known[:2], off])
    found = {phase: host_document(plan, "n3", phase=phase) for phase in PHASES}
    assert found[RECEIVE]["nftables"] == {"kwg0": {"keep": ["set_mark", "mark_arp", "clamp_mss"]}}
    assert found[FLIP] == {}
    assert sorted(found[LEAVE]) == ["ip_routes", "ip_rules"] and routes(found[LEAVE]) == {}
    assert found[CLOSE]["interfaces"] == [{"name": "kwg0", "state": "absent"}]
    assert routes(host_document(plan, "n1", phase=FLIP))["10.244.3.0/24"] == "throw"
    assert [peer["name"] for peer in host_document(plan, "n1")["interfaces"][0]["peers"]] == ["n2"]
    never = planned([*known[:2], node(3, enabled=False)])
    assert host_document(never, "n3", phase=RECEIVE) == {}


def test_hosts_that_talk_encrypted() -> None:
    document = host_document(planned(VARIANTS["closed hosts"]), "n1")
    assert routes(document)["192.0.2.2/32"] == routes(document)["fd00::2/128"] == "kwg0"
    assert {"destination": "192.0.2.2/32", "type": "blackhole", "metric": 65535} in document["ip_routes"][0]["routes"]
    assert document["ip_routes"][1] == {"table": "7101", "protocol": "87", "purge": True, "routes": []}
    (mark,) = document["nftables"]["kwg0"]["set_mark"]
    assert (mark["saddr"], mark["udp_dport"]) == (["192.0.2.2", "fd00::2", "192.0.2.3", "fd00::3"], 51820)
    arp = document["nftables"]["kwg0"]["mark_arp"]
    assert arp == {"mark": mark["mark"], "saddr": ["192.0.2.2", "192.0.2.3"]}
    closed = document["nftables"]["kwg0"]["closed"]
    assert (closed["hosts"], closed["ports"], closed["tcp_ports"]) == (mark["saddr"], [51820], [22])
    assert document["interfaces"][0]["sysctls"]["net/ipv4/conf/all/src_valid_mark"] == "1"
    above = [rule for rule in document["ip_rules"]["rules"] if rule["priority"] == 98]
    assert {(rule["from"], rule.get("sport"), rule.get("dport")) for rule in above} == {
        (address, *ports) for address in ("192.0.2.1/32", "fd00::1/128") for ports in (("22", None), (None, "22"))
    }
    exempt = [node(number, HOSTS, exempt_hosts=["n3"]) for number in (1, 2, 3)]
    found = host_document(planned(exempt), "n1")
    assert "192.0.2.3/32" not in routes(found) and routes(found)["10.244.3.0/24"] == "kwg0"
    assert found["nftables"]["kwg0"]["set_mark"][0]["saddr"] == ["192.0.2.2"]
    assert found["nftables"]["kwg0"]["mark_arp"]["saddr"] == ["192.0.2.2"]


def test_source_check_of_nodes_whose_pods_have_ipv6_alone() -> None:
    plain = planned([node(number, DUAL, pod_cidrs=[pods(number)[1]]) for number in (1, 2)])
    assert not host_document(plain, "n1")["interfaces"][0].get("sysctls")
    hosts = planned([node(number, {**DUAL, **HOSTS}, pod_cidrs=[pods(number)[1]]) for number in (1, 2)])
    assert host_document(hosts, "n1")["interfaces"][0]["sysctls"] == {
        "net/ipv4/conf/kwg0/rp_filter": "2",
        "net/ipv4/conf/all/src_valid_mark": "1",
    }


def test_excluded_networks_and_single_pods() -> None:
    document = host_document(planned(VARIANTS["excluded networks"]), "n1")
    assert routes(document)["10.244.200.0/24"] == "throw"
    assert document["nftables"]["kwg0"]["closed"]["except"] == ["10.244.200.0/24"]
    single = planned(VARIANTS["pods of single addresses"])
    assert host_document(single, "n1")["interfaces"][0]["addresses"] == ["192.0.2.1/32"]
    found = host_document(single, "n2")
    assert routes(found)["10.244.1.7/32"] == routes(found)["10.244.9.1/32"] == "kwg0"
    (peer,) = (peer for peer in found["interfaces"][0]["peers"] if peer["name"] == "n1")
    assert peer["allowed_ips"] == ["10.244.1.7/32", "10.244.9.1/32", "192.0.2.1/32"]


def begins(plan: FleetPlan, name: str) -> set[str]:
    """Return the peers with which a node begins a handshake of its own accord in the first phase."""
    (interface,) = host_document(plan, name, phase=RECEIVE)["interfaces"]
    return {peer["name"] for peer in interface["peers"] if peer["persistent_keepalive"]}


def test_of_two_nodes_one_begins_the_handshake() -> None:
    plan = planned([node(1), node(2), node(3)])
    assert [begins(plan, name) for name in ("n1", "n2", "n3")] == [{"n2", "n3"}, {"n3"}, set()]


def test_node_that_nobody_can_call_begins_itself() -> None:
    plan = planned([node(1), node(2), node(3, endpoint="none")])
    assert [begins(plan, name) for name in ("n1", "n2", "n3")] == [{"n2"}, set(), {"n1", "n2"}]
