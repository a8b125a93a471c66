# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's document in each phase: new and kept objects, and drops that never disappear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay import temporary_sysctls
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.packet_filter import parse_filter
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import (
    cumulative_document,
    host_document,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import (
    ENFORCE,
    PHASES,
    RECEIVE,
    SEND,
    STOP,
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
    "networks behind nodes": [
        node(1, CLOSED, extra_allowed_ips=["10.244.200.0/24", "198.51.100.0/24"]),
        node(2, CLOSED),
        node(3, CLOSED, extra_allowed_ips=["10.244.201.0/24"]),
    ],
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
def test_documents_are_valid_for_overlay_apply(name: str) -> None:
    for fleet in (VARIANTS[name], settled(VARIANTS[name])):
        for document in documents(planned(fleet)).values():
            parsed(document)


def test_phases_of_a_fresh_node() -> None:
    found = {phase: host_document(planned(VARIANTS["closed"]), "n1", phase=phase) for phase in PHASES}
    assert {phase: sorted(document) for phase, document in found.items()} == {
        RECEIVE: ["interfaces", "nftables", "temporary_sysctls"],
        SEND: ["ip_routes", "ip_rules", "keep_masqueraded"],
        STOP: [],
        ENFORCE: ["interfaces", "ip_routes", "ip_rules", "keep_masqueraded", "nftables", "temporary_sysctls"],
    }
    (receiving,), (closing,) = found[RECEIVE]["interfaces"], found[ENFORCE]["interfaces"]
    assert (receiving["purge"], closing["purge"]) == (False, True)
    assert {peer["persistent_keepalive"] for peer in receiving["peers"]} == {5}
    assert {peer["persistent_keepalive"] for peer in closing["peers"]} == {0}
    assert found[RECEIVE]["temporary_sysctls"] == {"net/ipv4/conf/eth0/rp_filter": "2"}
    assert found[ENFORCE]["temporary_sysctls"] == {}
    assert "drop_plaintext" not in found[RECEIVE]["nftables"]["kwg0"], "others send plain packets still"
    assert found[ENFORCE]["nftables"]["kwg0"]["drop_plaintext"]["directions"] == ["in", "out"]
    assert "blackhole" not in routes(found[SEND]).values()
    assert routes(found[ENFORCE]) == {
        "10.244.1.0/24": "throw",
        "fd44:0:0:1::/64": "throw",
        "10.244.2.0/24": "kwg0",
        "fd44:0:0:2::/64": "kwg0",
        "10.244.3.0/24": "kwg0",
        "fd44:0:0:3::/64": "kwg0",
    }
    behind = [one for one in found[ENFORCE]["ip_routes"][0]["routes"] if one.get("metric") == 65535]
    assert {(one["destination"], one["type"]) for one in behind} == {
        (destination, "blackhole") for destination, way in routes(found[ENFORCE]).items() if way == "kwg0"
    }
    nodes = found[ENFORCE]["ip_routes"][1]["routes"]
    assert nodes[0] == {"destination": "192.0.2.2/32", "dev": "kwg0"}
    assert nodes[4] == {"destination": "192.0.2.2/32", "type": "blackhole", "metric": 65535}


def test_plaintext_that_is_accepted_after_an_interrupted_run_is_accepted_until_both_ends_are_in_a_run() -> None:
    wanted = {**HOSTS, **CLOSED}
    fleet = settled([node(1, wanted), node(2, wanted), node(3, wanted)])
    network, address = "10.244.2.0/24", "192.0.2.2/32"

    def found(phase: str, *, reached: bool, closed: bool = True, **facts: Any) -> dict[str, Any]:
        fact = {**(fleet[0].fact or {}), **facts}
        fact["node"] = {**fact["node"], "loosened": ["eth0"]}
        if not closed:
            fact["nftables"] = {"kwg0": []}
        other = fleet[1]._replace(reached=reached, outside=not reached)
        plan = planned([fleet[0]._replace(fact=fact), other, fleet[2]])
        return dict(host_document(plan, "n1", phase=phase))

    def accepted(phase: str, **options: Any) -> list[str]:
        return list(found(phase, **options)["nftables"]["kwg0"].get("drop_plaintext", {}).get("except_in", []))

    both = f"{network}\n{address}"
    for reached in (False, True):
        assert accepted(RECEIVE, reached=reached, accepted=both) == [network, address]
        assert accepted(RECEIVE, reached=reached) == [], "all is dropped already"
    assert accepted(ENFORCE, reached=False, accepted=both) == [network, address]
    assert accepted(ENFORCE, reached=False, accepted=f"{network}\nnonsense\n10.0.0.0/33") == [network]
    assert accepted(ENFORCE, reached=True, accepted=both) == accepted(ENFORCE, reached=False) == []
    assert accepted(ENFORCE, reached=False, closed=False) == [network, address], "nothing was dropped before"
    assert accepted(ENFORCE, reached=True, closed=False) == []
    loose = {"net/ipv4/conf/eth0/rp_filter": "2"}
    assert found(ENFORCE, reached=False)["temporary_sysctls"] == loose
    assert found(ENFORCE, reached=True)["temporary_sysctls"] == {}
    routes_of_closed = [one for one in found(ENFORCE, reached=False)["ip_routes"][0]["routes"] if "type" in one]
    assert {"destination": network, "type": "blackhole", "metric": 65535} in routes_of_closed, (
        "this node sends encrypted"
    )


def test_nothing_that_stays_on_a_node_is_dropped() -> None:
    plan = planned(VARIANTS["networks behind nodes"])
    own, other = host_document(plan, "n1"), host_document(plan, "n2")
    assert routes(own)["10.244.200.0/24"] == routes(own)["198.51.100.0/24"] == routes(own)["10.244.1.0/24"] == "throw"
    assert "10.244.0.0/16" not in routes(own), "it would take a new pod of this node"
    kept = own["nftables"]["kwg0"]["drop_plaintext"]["except"]
    assert kept == ["10.244.200.0/24", "198.51.100.0/24"]
    assert routes(other)["10.244.200.0/24"] == routes(other)["10.244.201.0/24"] == "kwg0"
    closed = {one["destination"] for one in other["ip_routes"][0]["routes"] if one.get("type") == "blackhole"}
    assert {"10.244.200.0/24", "10.244.201.0/24", "10.244.1.0/24"} <= closed
    assert other["nftables"]["kwg0"]["drop_plaintext"]["except"] == []


def test_a_network_around_those_of_other_nodes_is_not_exempt() -> None:
    plan = planned([node(1, CLOSED, extra_allowed_ips=["10.244.0.0/17"]), node(2, CLOSED)])
    assert host_document(plan, "n1")["nftables"]["kwg0"]["drop_plaintext"]["except"] == []


def test_the_source_check_is_loose_where_pods_of_others_are_reached() -> None:
    one, other = node(1), node(2)
    assert one.fact is not None
    own = {
        **one.fact["node"],
        "rp_filter": {"all": "0", **dict.fromkeys(["eth0", "eth1", "eth2", "eth3"], "1")},
        "gateway_interfaces": ["eth1"],
    }
    one = one._replace(fact={**one.fact, "node": own, "routes": "10.240.0.0/12\teth2\t0\tconnected"})
    loose = host_document(planned([one, other]), "n1", phase=RECEIVE)["temporary_sysctls"]
    assert loose == {f"net/ipv4/conf/{name}/rp_filter": "2" for name in ("eth0", "eth1", "eth2")}


def test_threaded_napi_is_set_per_node() -> None:
    plan = planned([node(1, threaded_napi=False), node(2, threaded_napi="true"), node(3)])
    (first,), (second,), (third,) = (host_document(plan, name)["interfaces"] for name in ("n1", "n2", "n3"))
    assert first["threaded_napi"] is False and second["threaded_napi"] is True and "threaded_napi" not in third


@pytest.mark.parametrize("name", VARIANTS)
def test_cumulative_document_has_each_section_once(name: str) -> None:
    plan = planned(settled(VARIANTS[name]))
    for host in plan.hosts:
        single = {phase: host_document(plan, host, phase=phase) for phase in PHASES}
        for phase in (RECEIVE, SEND, STOP):
            so_far = [single[each] for each in PHASES[: PHASES.index(phase) + 1]]
            together = cumulative_document(plan, host, phase=phase)
            assert sorted(together) == sorted(section for document in so_far for section in document), f"{host} {phase}"
            assert all(together[section] == document[section] for document in so_far for section in document)
        assert cumulative_document(plan, host, phase=ENFORCE) == single[ENFORCE]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.startswith("closed")])
def test_plaintext_stays_dropped_in_every_phase(name: str) -> None:
    fleet = settled(VARIANTS[name])
    before, after = planned(VARIANTS[name]), planned(fleet)
    for host in after.hosts:
        wanted = host_document(before, host)
        for phase in (RECEIVE, ENFORCE):
            closed = dict(host_document(after, host, phase=phase)["nftables"]["kwg0"]["drop_plaintext"])
            assert closed == wanted["nftables"]["kwg0"]["drop_plaintext"], f"{host} {phase}"
        for phase in (SEND, ENFORCE):
            document = host_document(after, host, phase=phase)
            for table in (0, 1):
                assert document["ip_routes"][table] == wanted["ip_routes"][table], f"{host} {phase}"


def test_node_in_phase_receive_keeps_existing_objects() -> None:
    gone = settled(VARIANTS["closed"])[:2]
    receiving = host_document(planned(gone), "n1", phase=RECEIVE)
    assert not receiving["interfaces"][0]["purge"] and "ip_routes" not in receiving and "ip_rules" not in receiving
    fresh = [*settled(VARIANTS["closed"][:2]), VARIANTS["closed"][2]]
    closed = host_document(planned(fresh), "n1", phase=RECEIVE)["nftables"]["kwg0"]["drop_plaintext"]
    assert closed["except"] == ["10.244.3.0/24", "fd44:0:0:3::/64"], "only what the new node sends may be plain"
    assert closed["pod_hosts"] == ["192.0.2.2", "fd00::2"] and "hosts" not in closed
    assert closed["pods"] == ["10.244.1.0/24", "fd44:0:0:1::/64"]


def test_node_outside_the_run_is_not_changed() -> None:
    for lost in (silent, lambda host: host._replace(reached=False)):
        fresh = [VARIANTS["closed"][0], VARIANTS["closed"][1], lost(VARIANTS["closed"][2])]
        document = host_document(planned(fresh), "n1")
        assert (routes(document)["10.244.2.0/24"], routes(document)["10.244.3.0/24"]) == ("kwg0", "throw"), "as before"
        dropped = document["nftables"]["kwg0"]["drop_plaintext"]
        assert dropped["except"] == ["10.244.3.0/24", "fd44:0:0:3::/64"] and dropped["pod_hosts"] == [
            "192.0.2.2",
            "fd00::2",
        ]
        again = settled(fresh)[:2]
        assert host_document(planned([*again, fresh[2]]), "n1") == document, "a second run"
        joined = [*settled(VARIANTS["closed"][:2]), fresh[2]]
        document = host_document(planned(joined), "n1")
        assert routes(document)["10.244.3.0/24"] == "blackhole", "what is dropped stays dropped"
        assert document["nftables"]["kwg0"]["drop_plaintext"]["except"] == []
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


def test_disabled_node_is_removed_after_the_others_stopped_sending() -> None:
    known = settled(VARIANTS["plain"])
    off = known[2]._replace(variables={**known[2].variables, "enabled": False})
    plan = planned([*known[:2], off])
    found = {phase: host_document(plan, "n3", phase=phase) for phase in PHASES}
    assert found[RECEIVE]["nftables"] == {"kwg0": {"keep": ["set_mark", "mark_arp", "clamp_mss"]}}
    assert found[SEND] == {}
    assert sorted(found[STOP]) == ["ip_routes", "ip_rules", "keep_masqueraded"] and routes(found[STOP]) == {}
    assert found[ENFORCE]["interfaces"] == [{"name": "kwg0", "state": "absent"}]
    assert routes(host_document(plan, "n1", phase=SEND))["10.244.3.0/24"] == "throw"
    assert [peer["name"] for peer in host_document(plan, "n1")["interfaces"][0]["peers"]] == ["n2"]
    never = planned([*known[:2], node(3, enabled=False)])
    assert host_document(never, "n3", phase=RECEIVE) == {}


def test_host_encryption() -> None:
    document = host_document(planned(VARIANTS["closed hosts"]), "n1")
    assert routes(document)["192.0.2.2/32"] == routes(document)["fd00::2/128"] == "kwg0"
    assert {"destination": "192.0.2.2/32", "type": "blackhole", "metric": 65535} in document["ip_routes"][0]["routes"]
    assert routes(document, 7101)["192.0.2.2/32"] == "kwg0", "as without it, so that pods lose no packet when it is set"
    open_ports = host_document(
        planned([node(number, host_encryption=True, exempt_ports=[]) for number in (1, 2)]), "n1"
    )
    assert routes(open_ports, 7102) == {} and len(open_ports["ip_rules"]["rules"]) == 2
    (mark,) = document["nftables"]["kwg0"]["set_mark"]
    assert (mark["saddr"], mark["udp_dport"]) == (["192.0.2.2", "fd00::2", "192.0.2.3", "fd00::3"], 51820)
    arp = document["nftables"]["kwg0"]["mark_arp"]
    assert arp == {"mark": mark["mark"], "saddr": ["192.0.2.2", "192.0.2.3"]}
    closed = document["nftables"]["kwg0"]["drop_plaintext"]
    assert (closed["hosts"], closed["ports"], closed["tcp_ports"]) == (mark["saddr"], [51820], [22])
    assert document["interfaces"][0]["sysctls"]["net/ipv4/conf/all/src_valid_mark"] == "1"
    above = [rule for rule in document["ip_rules"]["rules"] if rule["table"] == "main"]
    assert {rule["priority"] for rule in above} == {98}
    assert {(rule["from"], rule.get("sport"), rule.get("dport")) for rule in above} == {
        (address, *ports) for address in ("192.0.2.1/32", "fd00::1/128") for ports in (("22", None), (None, "22"))
    }
    first = [rule for rule in document["ip_rules"]["rules"] if rule["priority"] == 97]
    assert first == [{**rule, "priority": 97, "table": "7102"} for rule in above]
    assert routes(document, 7102) == {
        destination: way for destination, way in routes(document).items() if destination.startswith(("10.244", "fd44"))
    }
    listed = document["ip_rules"]["exceptions"]
    assert {rule["from"] for rule in listed} == {"0.0.0.0/32", "::/128"} and all(
        rule["table"] == "main" for rule in listed
    )
    exempt = [node(number, HOSTS, exempt_hosts=["n3"]) for number in (1, 2, 3)]
    found = host_document(planned(exempt), "n1")
    assert "192.0.2.3/32" not in routes(found) and routes(found)["10.244.3.0/24"] == "kwg0"
    assert found["nftables"]["kwg0"]["set_mark"][0]["saddr"] == ["192.0.2.2"]
    replies = {"mark": mark["mark"], "not_iif": [], "saddr": ["192.0.2.3"], "ct_saddr": ["10.244.1.0/24"]}
    assert found["nftables"]["kwg0"]["set_mark"][1:] == [replies], "to masqueraded pods"
    assert found["nftables"]["kwg0"]["mark_arp"]["saddr"] == ["192.0.2.2"]
    assert routes(found, 7101)["192.0.2.3/32"] == "kwg0", "its traffic with pods is encrypted"
    itself = host_document(planned(exempt), "n3")
    assert "192.0.2.1/32" not in routes(itself) and "mark_arp" not in itself["nftables"]["kwg0"], "both ends"


def changed(fleet: list[HostInput], variables: Mapping[str, Any], *, limit: str = "") -> FleetPlan:
    """Return the plan of converged nodes with other variables, in a run of one of them if limit is given."""
    known = settled(fleet)
    return planned(
        host._replace(variables={**host.variables, **variables}, reached=limit in ("", host.name)) for host in known
    )


def test_limited_run_leaves_traffic_of_nodes_outside_as_it_is() -> None:
    plan = changed(VARIANTS["closed"], {**HOSTS, **DUAL}, limit="n1")
    for phase in (SEND, ENFORCE):
        document = host_document(plan, "n1", phase=phase)
        assert "192.0.2.2/32" not in routes(document), "the node's own packets stay plain"
        assert routes(document, 7101)["192.0.2.2/32"] == routes(document)["10.244.2.0/24"] == "kwg0"
        assert not any(rule["table"] == "main" for rule in document["ip_rules"]["rules"])
    dropped = host_document(plan, "n1")["nftables"]["kwg0"]["drop_plaintext"]
    assert "hosts" not in dropped and dropped["pod_hosts"] == ["192.0.2.2", "fd00::2", "192.0.2.3", "fd00::3"]


def test_limited_run_that_unsets_host_encryption_keeps_it_towards_nodes_outside() -> None:
    before = host_document(changed(VARIANTS["closed hosts"], {}), "n1")
    plan = changed(VARIANTS["closed hosts"], {"host_encryption": False}, limit="n1")
    after = host_document(plan, "n1")
    assert {**after, "interfaces": []} == {**before, "interfaces": []}
    assert after["interfaces"][0]["sysctls"] == before["interfaces"][0]["sysctls"]
    receiving = host_document(plan, "n1", phase=RECEIVE)
    assert receiving["nftables"] == before["nftables"]
    assert receiving["interfaces"][0]["sysctls"] == before["interfaces"][0]["sysctls"]


def test_marks_stay_as_long_as_the_routes_that_need_them() -> None:
    before = host_document(changed(VARIANTS["closed hosts"], {}), "n1")
    plan = changed(VARIANTS["closed hosts"], {"host_encryption": False})
    receiving = host_document(plan, "n1", phase=RECEIVE)["nftables"]["kwg0"]
    assert all(receiving[part] == before["nftables"]["kwg0"][part] for part in ("set_mark", "mark_arp"))
    last = host_document(plan, "n1")
    assert "mark_arp" not in last["nftables"]["kwg0"] and "192.0.2.2/32" not in routes(last)


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
    assert document["nftables"]["kwg0"]["drop_plaintext"]["except"] == ["10.244.200.0/24"]
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


def test_one_of_two_nodes_initiates_the_handshake() -> None:
    plan = planned([node(1), node(2), node(3)])
    assert [begins(plan, name) for name in ("n1", "n2", "n3")] == [{"n2", "n3"}, {"n3"}, set()]


def test_node_without_an_endpoint_initiates() -> None:
    plan = planned([node(1), node(2), node(3, endpoint="none")])
    assert [begins(plan, name) for name in ("n1", "n2", "n3")] == [{"n2"}, set(), {"n1", "n2"}]
