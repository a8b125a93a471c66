# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that revoked hosts leave, and what hosts may say of them."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_address, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.addressing import Claim, allocate
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.left_addresses import (
    left_addresses,
    noted,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.fleet.observation import LEFT_NOTE, observe
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from planned_fleet import fact_of, host, interface, key_of, planned, remembered, silent, warnings

NETWORK = parse_prefix("10.42.0.0/24")
REVOKED = {"revoked": ["h9"]}


def left(**notes: str) -> dict[str, dict[str, list[str]]]:
    """Return what a host reports as left by h9 and h8, with its notes."""
    lines = remembered("h9", "10.42.0.9") + "\n" + remembered("h7", "10.42.0.7")
    seen = {"h1": observe(fact_of("h1", peers=lines, notes=notes), "wg0")}
    found = left_addresses(["h9", "h8"], [NETWORK], [seen])
    return {
        reporter: {name: [address.bare for address in addresses] for name, addresses in about.items()}
        for reporter, about in found.items()
    }


def test_stored_peers_of_revoked_names_count_and_no_others() -> None:
    assert left() == {"h1": {"h9": ["10.42.0.9"]}}


def test_a_note_of_an_earlier_run_counts() -> None:
    assert left(**{LEFT_NOTE: "h8\t10.42.0.8"}) == {"h1": {"h8": ["10.42.0.8"], "h9": ["10.42.0.9"]}}


def test_one_host_withholds_one_address_in_each_network_for_each_revoked_name() -> None:
    every = ",".join(f"10.42.0.{number}" for number in range(1, 255))
    told = "h8\t203.0.113.1\nh8\nh8\t\t\th8\tx\n" + "\n".join(f"{name}\t{every}" for name in ("h8", "h7", ""))
    assert left(**{LEFT_NOTE: told}) == {"h1": {"h8": ["10.42.0.1"], "h9": ["10.42.0.9"]}}


def test_the_note_is_read_back() -> None:
    seen = {"h1": observe(fact_of("h1", peers=remembered("h9", "10.42.0.9")), "wg0")}
    note = noted(left_addresses(["h9"], [NETWORK], [seen]))["h1"]
    again = {"h1": observe(fact_of("h1", notes={LEFT_NOTE: note}), "wg0")}
    assert left_addresses(["h9"], [NETWORK], [again]) == left_addresses(["h9"], [NETWORK], [seen])


def test_each_host_notes_only_what_it_has_stored_itself() -> None:
    plan = planned(
        host("h1", REVOKED, addresses=["10.42.0.1/24"], peers=remembered("h9", "10.42.0.9")),
        host("h2", REVOKED, addresses=["10.42.0.2/24"]),
        silent("h9", REVOKED),
    )
    assert interface(plan, "h1")["notes"][LEFT_NOTE] == "h9\t10.42.0.9"
    assert LEFT_NOTE not in interface(plan, "h2").get("notes", {})


def test_no_word_takes_the_address_of_a_host_that_has_it() -> None:
    lie = "\n".join(remembered("h9", address) for address in ("10.42.0.2", "10.42.0.3"))
    plan = planned(
        host("h1", REVOKED, addresses=["10.42.0.1/24"], peers=lie),
        host("h2", REVOKED, addresses=["10.42.0.2/24"], peers=remembered("h3", "10.42.0.3")),
        silent("h3", REVOKED),
        host("h4", {**REVOKED, "addresses": ["10.42.0.4"]}, peers=remembered("h9", "10.42.0.4")),
    )
    found = {name: [address.bare for address in one.addresses] for name, one in plan.hosts.items()}
    assert found == {"h1": ["10.42.0.1"], "h2": ["10.42.0.2"], "h3": ["10.42.0.3"], "h4": ["10.42.0.4"]}


def test_who_says_what_of_a_withheld_address_is_said() -> None:
    found = warnings(
        host("h1", REVOKED, addresses=["10.42.0.1/24"], peers=remembered("h9", "10.42.0.9")),
        host("h2", REVOKED, addresses=["10.42.0.2/24"], peers=remembered("h3", "10.42.0.9")),
        host("h3", REVOKED),
    )
    expected = (
        "host 'h3': mesh_addresses: 10.42.0.9, which 'h2' has stored for this host, is that of 'h9', which is revoked, "
        "according to 'h1'; it gets another one"
    )
    assert expected in found


def test_a_full_network_gives_the_address_of_a_revoked_host_and_says_so() -> None:
    network = (parse_prefix("10.42.0.0/30"),)
    claims = [
        Claim("h1", network, own=(parse_address("10.42.0.1/30"),), reports=True),
        Claim("h2", network, reports=True),
    ]
    found = allocate(claims, prefix="mesh_", withheld={parse_address("10.42.0.2/30").packed: "that of 'h9'"})
    assert [address.bare for address in found.addresses["h2"]] == ["10.42.0.2"]
    assert not found.problems
    assert [(one.host, "no other address than 10.42.0.2, that of 'h9'" in one.text) for one in found.warnings] == [
        ("h2", True)
    ]


def test_hubs_and_spokes_withhold_them_too() -> None:
    def member(name: str, part: str, **state: Any) -> Any:
        variables = {**REVOKED, "endpoint": f"{name}.example"} if part == "hub" else REVOKED
        return host(name, variables, **state)._replace(parts=(part,))

    lines = remembered("h9", "10.42.0.9") + "\n" + remembered("h2", "10.42.0.9", key=key_of("h2"))
    hub = member("h1", "hub", addresses=["10.42.0.1/24"], peers=lines)
    plan = plan_hub_spoke([hub, member("h2", "spoke")]).plan
    assert plan is not None
    assert [address.bare for address in plan.hosts["h2"].addresses] != ["10.42.0.9"]
    assert interface(plan, "h1")["notes"][LEFT_NOTE] == "h9\t10.42.0.9"
