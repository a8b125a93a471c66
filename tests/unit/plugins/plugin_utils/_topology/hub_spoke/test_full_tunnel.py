# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spokes that send all traffic through hubs: what they get, what is removed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._netlink.rule import Rule
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.sections import Interfaces
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.full_tunnel import noted
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan, HostInput
from planned_hub_spoke import SECOND, applied, hub, interfaces, peers, planned, problems, silent, spoke, warnings

BOTH = {"network": ["10.43.0.0/24", "fd43::/64"]}
HIDDEN = {"masquerade": True}
FULL = {"full_tunnel": True}
H1, H2 = hub("h1", HIDDEN), spoke("h2", {**FULL, "addresses": "10.43.0.2"})


def rules(document: dict[str, Any]) -> list[str]:
    """Return the rules of a document in short."""
    kept = ("priority", "family", "invert", "iif", "from", "fwmark", "suppress_prefixlength", "table")
    return [" ".join(str(rule[word]) for word in kept if word in rule) for rule in document["ip_rules"]["rules"]]


def after(host: HostInput, plan: FleetPlan) -> HostInput:
    """Return a host with the facts it reports after a run, notes included."""
    host = applied(host, plan)
    for name, entry in interfaces(plan, host.name).items():
        host.fact["interfaces"].setdefault(name, {})["notes"] = entry.get("notes", {})  # type: ignore[index]
    return host


TO_MAIN = [
    {"priority": 7170, "family": "both", "table": "main", "suppress_prefixlength": 0},
    {"priority": 7171, "family": "both", "table": "main", "fwmark": "0x1c02"},
    {"priority": 7174, "family": "ipv6", "table": "main", "from": "::/1"},
    {"priority": 7174, "family": "ipv6", "table": "main", "from": "8000::/1"},
]


def test_a_spoke_has_a_table_and_rules_by_source_address() -> None:
    document = host_document(planned(H1, H2), "h2")
    assert document["ip_routes"] == [
        {"table": "7170", "purge": True, "routes": [{"destination": "0.0.0.0/0", "dev": "wg0", "metric": 100}]}
    ]
    assert {**document["ip_rules"], "rules": ()} == {
        "priorities": "7170-7175",
        "tables": ["7170"],
        "exceptions": TO_MAIN,
        "purge": True,
        "rules": (),
    }
    assert rules(document) == [
        "7170 ipv4 0 main",
        "7171 ipv4 0x1c02 main",
        "7172 ipv4 True lo 7170",
        "7173 ipv4 10.43.0.2 7170",
        "7174 ipv4 0.0.0.0/32 7170",
    ]
    (interface,) = document["interfaces"]
    assert interface["fwmark"] == 7170 and interface["notes"]["full_tunnel"] == "7170 7170"
    assert interface["sysctls"] == {"net/ipv4/conf/wg0/rp_filter": "2"}
    (peer,) = interface["peers"]
    assert peer["exit"] and peer["allowed_ips"][-1] == "0.0.0.0/0"
    # The module accepts the document.
    found = parse_sections(document, Interfaces(["wg0"], ()).index_of)
    assert found.rules is not None and len(found.rules.present) == 5 and len(found.routes[0].present) == 1


def test_both_families_of_the_overlay_go_through_the_hub() -> None:
    plan = planned(hub("h1", {**HIDDEN, **BOTH}), spoke("h2", {**FULL, **BOTH, "addresses": "10.43.0.2,fd43::2"}))
    document = host_document(plan, "h2")
    assert rules(document)[5:] == [
        "7170 ipv6 0 main",
        "7171 ipv6 0x1c02 main",
        "7172 ipv6 True lo 7170",
        "7173 ipv6 fd43::2 7170",
        "7174 ipv6 ::/1 main",
        "7174 ipv6 8000::/1 main",
        "7175 ipv6 7170",
    ]
    assert [route["destination"] for route in document["ip_routes"][0]["routes"]] == ["0.0.0.0/0", "::/0"]
    assert peers(plan, "h2")["h1"]["allowed_ips"][-2:] == ["0.0.0.0/0", "::/0"]
    found = parse_sections(document, Interfaces(["wg0"], ()).index_of)
    assert found.rules is not None and len(found.rules.present) == 12


def test_numbers_from_the_inventory() -> None:
    numbers = {"full_tunnel_table": 99, "full_tunnel_priority": "0x50", "fwmark": 5}
    document = host_document(planned(H1, spoke("h2", {**FULL, **numbers})), "h2")
    assert document["ip_rules"]["priorities"] == "80-85" and document["ip_rules"]["tables"] == ["99"]
    assert document["ip_rules"]["rules"][1]["fwmark"] == "0x5" and document["interfaces"][0]["fwmark"] == 5


def test_several_hubs_are_exits_in_the_order_of_their_priorities() -> None:
    plan = planned(H1, hub("h4", {**HIDDEN, **SECOND}), H2)
    assert [(route["dev"], route["metric"]) for route in host_document(plan, "h2")["ip_routes"][0]["routes"]] == [
        ("wg0", 100),
        ("wg1", 200),
    ]
    assert warnings(H1, hub("h4", {**HIDDEN, **SECOND}), H2) == ()


def test_a_hub_that_does_not_forward_gets_overlay_traffic_only() -> None:
    hosts = H1, hub("h4", SECOND), H2
    plan = planned(*hosts)
    assert [route["dev"] for route in host_document(plan, "h2")["ip_routes"][0]["routes"]] == ["wg0"]
    assert "0.0.0.0/0" not in peers(plan, "h2", "wg1")["h4"]["allowed_ips"]
    assert "exit" not in peers(plan, "h2", "wg1")["h4"]
    (warning,) = warnings(*hosts)
    assert warning.startswith(
        "host 'h2': hub_spoke_full_tunnel: hub 'h4' forwards this spoke's traffic to the overlay only"
    )


@pytest.mark.parametrize(
    "hosts",
    [
        (hub("h1", {"forward": True}), H2),
        (hub("h1", {"network": "8.8.8.0/24"}), spoke("h2", {**FULL, "network": "8.8.8.0/24"})),
    ],
    ids=["explicit forwarding", "global addresses"],
)
def test_a_hub_that_does_not_masquerade_forwards(hosts: tuple[HostInput, ...]) -> None:
    sections = host_document(planned(*hosts), "h1")["nftables"]
    assert {"iif": "wg0"} in sections["wg0"]["forward"] and {"oif": "wg0"} in sections["wg0"]["forward"]


def test_other_spokes_are_unchanged() -> None:
    plan = planned(H1, H2, spoke("h3"))
    assert set(host_document(plan, "h3")) == {"interfaces"}
    assert "0.0.0.0/0" not in peers(plan, "h3")["h1"]["allowed_ips"]


def test_switched_off_it_is_removed_once() -> None:
    host = after(H2, planned(H1, H2))
    off = host._replace(variables={**host.variables, "full_tunnel": False})
    plan = planned(H1, off)
    document = host_document(plan, "h2")
    assert document["ip_routes"] == [{"table": "7170", "purge": True, "routes": []}]
    assert document["ip_rules"] == {
        "priorities": "7170-7175",
        "tables": ["7170"],
        "exceptions": TO_MAIN,
        "purge": True,
        "rules": [],
    }
    (interface,) = document["interfaces"]
    assert interface["fwmark"] == 0 and "full_tunnel" not in interface["notes"]
    assert "0.0.0.0/0" not in interface["peers"][0]["allowed_ips"]
    assert set(host_document(planned(H1, after(off, plan)), "h2")) == {"interfaces"}


def test_rules_of_an_earlier_mark_are_managed_and_rules_of_others_are_not() -> None:
    before = after(H2, planned(H1, H2._replace(variables={**H2.variables, "fwmark": 5})))
    assert noted(before) == (7170, 7170, 5)
    for now in (before, before._replace(variables={**before.variables, "full_tunnel": False})):
        found = parse_sections(host_document(planned(H1, now), "h2"), Interfaces(["wg0"], ()).index_of).rules
        assert found is not None
        own = {5, 7170}
        for family in (2, 10):
            marks = {mark for mark in (5, 6, 7170) if found.own.owns(to_main(family, 7171, mark))}
            assert marks == own and not found.own.owns(to_main(family, 7172, 0))
            assert not found.own.owns(to_main(family, 7171, 0))


def to_main(family: int, priority: int, mark: int) -> Rule:
    """Return a rule that looks up the main table for packets with a mark, 0 for all packets."""
    return Rule(family, priority, table=254, fwmark=mark, fwmask=0xFFFFFFFF if mark else 0)


OTHER = "hub_spoke hubs2 spokes2"


def with_another_overlay(variables: dict[str, Any]) -> HostInput:
    """Return a spoke that has the full tunnel of another overlay on wg8."""
    one = spoke("h2", {"addresses": "10.43.0.2", **variables})
    assert one.fact is not None
    one.fact["interfaces"]["wg8"] = {"notes": {"overlay": OTHER, "full_tunnel": "7170 7170"}}
    return one


@pytest.mark.parametrize(
    ("numbers", "refused"),
    [
        (
            {},
            [
                "_priority: the full tunnel of",
                "_table: 7170 is the table of the full tunnel of 'wg8', which is of another",
            ],
        ),
        (
            {"full_tunnel_table": 7180},
            ["_priority: the full tunnel of 'wg8', which is of another overlay, has the priorities"],
        ),
        (
            {"full_tunnel_priority": 7175, "full_tunnel_table": 7180},
            ["7170 to 7175; set 7176 or more, or set hub_spoke_full"],
        ),
        (
            {"full_tunnel_priority": 7165, "full_tunnel_table": 7180},
            ["7170 to 7175; set 7176 or more, or set hub_spoke_full"],
        ),
        ({"full_tunnel_priority": 7176, "full_tunnel_table": 7180}, []),
    ],
)
def test_two_full_tunnels_share_no_numbers(numbers: dict[str, Any], refused: list[str]) -> None:
    found = plan_hub_spoke([H1, with_another_overlay({**FULL, **numbers})], overlay="hub_spoke hubs spokes")
    assert len(found.problems) == len(refused), found.problems
    assert all(words in line for words, line in zip(refused, found.problems))


def test_a_fleet_without_full_tunnel_keeps_that_of_another_fleet() -> None:
    found = plan_hub_spoke([H1, with_another_overlay({})], overlay="hub_spoke hubs spokes")
    assert found.plan is not None
    assert set(host_document(found.plan, "h2")) == {"interfaces"}
    own = plan_hub_spoke([H1, with_another_overlay({})], overlay=OTHER)
    assert own.plan is not None
    assert "ip_rules" in host_document(own.plan, "h2"), "the interface is one that this overlay had before"


def test_a_plan_survives_serialization() -> None:
    plan = planned(H1, H2)
    assert FleetPlan.from_dict(plan.to_dict()) == plan


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (
            (hub("h1"), H2),
            "host 'h2': hub_spoke_full_tunnel: no hub forwards its IPv4 packets and gets the replies",
        ),
        ((hub("h1", {**HIDDEN, "forward": False}), H2), "host 'h2': hub_spoke_full_tunnel: no hub forwards"),
        (
            (hub("h1", {"masquerade": "10.43.0.128/25"}), H2),
            "host 'h2': hub_spoke_full_tunnel: no hub forwards",
        ),
        (
            (hub("h1", {**BOTH, "masquerade": "10.43.0.0/24"}), spoke("h2", {**FULL, **BOTH})),
            "host 'h2': hub_spoke_full_tunnel: no hub forwards its IPv6 packets",
        ),
        ((hub("h1", {**HIDDEN, **FULL}), H2), "host 'h1': hub_spoke_full_tunnel: only spokes have a full tunnel"),
        (
            (H1, spoke("h2", {**FULL, "full_tunnel_table": 254})),
            "host 'h2': hub_spoke_full_tunnel_table: 254 is the table main of the host; use another number",
        ),
        (
            (H1, spoke("h2", {**FULL, "full_tunnel_priority": 32761})),
            "host 'h2': hub_spoke_full_tunnel_priority: 32761 is not a whole number from 1 to 32760",
        ),
        ((H1, spoke("h2", {"full_tunnel": "perhaps"})), "host 'h2': hub_spoke_full_tunnel: 'perhaps' is neither"),
    ],
)
def test_refused(hosts: tuple[HostInput, ...], expected: str) -> None:
    (found,) = problems(*hosts)
    assert found.startswith(expected)


def test_numbers_cannot_change_while_it_is_on() -> None:
    host = after(H2, planned(H1, H2))
    other = host._replace(variables={**host.variables, "full_tunnel_table": 99, "full_tunnel_priority": 98})
    found = problems(H1, other)
    assert [text.partition(";")[0] for text in found] == [
        "host 'h2': hub_spoke_full_tunnel_priority: 98 here, but 7170 on the host",
        "host 'h2': hub_spoke_full_tunnel_table: 99 here, but 7170 on the host",
    ]


def test_networks_that_no_hub_masquerades_give_a_warning() -> None:
    site = spoke("h2", {**FULL, "networks": "10.50.2.0/24"})
    (warning,) = warnings(H1, site)
    assert "hub_spoke_networks: 10.50.2.0/24 is sent through the hubs too, and no hub masquerades it" in warning
    assert warnings(hub("h1", {"masquerade": "10.43.0.0/24,10.50.2.0/24"}), site) == ()


def test_an_unreachable_spoke_is_planned_for_the_others() -> None:
    assert host_document(planned(H1, silent(H2), spoke("h3")), "h1")["nftables"]["wg0"]["masquerade"]


def test_an_unreachable_hub_remains_an_exit() -> None:
    unreachable = silent(hub("h1", HIDDEN))._replace(unresolved={"masquerade": "undefined"})
    document = host_document(planned(unreachable, H2), "h2")
    assert document["ip_routes"][0]["routes"] and len(document["ip_rules"]["rules"]) == 5


@pytest.mark.parametrize("reported", [3, {"notes": "text"}, {"notes": {"full_tunnel": 7170}}, {}])
def test_malformed_facts_are_no_full_tunnel(reported: object) -> None:
    host = spoke("s3")._replace(fact={"interfaces": {"wg0": reported}})
    assert noted(host) is None
