# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct tunnels in the plan of a fleet: who is told what, from the first run to the day a spoke is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_pairs import Stage
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.direct_plan import DirectRun
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.document import host_document, lacks_key
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.hub_spoke import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan, HostInput, Outcome
from planned_hub_spoke import applied, device_key, hub, interfaces, peers, planned, problems, silent, spoke

WISH = {"direct": True}
DEVICES: dict[str, dict[str, Any]] = {"wg0": {}, "wgdirect": {}}


def wishing(name: str, **variables: Any) -> HostInput:
    """Return a spoke that was heard from, and wants direct tunnels."""
    return spoke(name, {**WISH, **variables}, DEVICES)


def key(name: str) -> str:
    """Return the key of a spoke's device for direct tunnels."""
    return device_key(name, "wgdirect")


def heard(host: HostInput, **ages: int) -> HostInput:
    """Return a host to which peers have spoken since, from ports of their own, so many seconds ago."""
    found = [
        {"public_key": key(name), "endpoint": f"198.51.100.{name[1:]}:400{name[1:]}", "handshake_age": age}
        for name, age in ages.items()
    ]
    return host._replace(heard=[{"peers": found}])


def run(stage: Stage, *hosts: HostInput, batch: frozenset[str] | None = None) -> Outcome:
    """Return the outcome of a stage, with all hosts in the run."""
    names = frozenset(host.name for host in hosts)
    outcome = plan_hub_spoke(hosts, direct=DirectRun(stage, names, names if batch is None else batch))
    assert outcome.plan is not None, outcome.problems
    return outcome


def told(outcome: Outcome) -> Mapping[str, Any]:
    """Return what a role is told of direct tunnels."""
    assert outcome.direct is not None
    return outcome.direct


def plan_of(outcome: Outcome) -> FleetPlan:
    """Return the plan, as it is after it was registered."""
    assert outcome.plan is not None
    return FleetPlan.from_dict(json.loads(json.dumps(outcome.plan.to_dict())))


FLEET = (hub("h1"), wishing("s2"), wishing("s3", networks=["10.50.3.0/24", "fd50:3::/64"]))


def settled(*fleet: HostInput) -> tuple[HostInput, ...]:
    """Return a fleet after a run in which all pairs of s2 and s3 shook hands, with facts of a later run."""
    ages = {"s2": {"s3": 1}, "s3": {"s2": 1}}
    later = [heard(fleet[0], s2=3, s3=3), *(heard(host, **ages.get(host.name, {})) for host in fleet[1:])]
    plan = plan_of(run(Stage.SETTLE, *later))
    return tuple(with_sessions(applied(host, plan)) for host in fleet)


def with_sessions(host: HostInput, age: int = 60) -> HostInput:
    """Return a host whose fact tells of a session with every peer that it remembers on its last device."""
    assert host.fact is not None
    name, device = list(host.fact["interfaces"].items())[-1]
    keys = [line.split("\t")[0] for line in device["peers"].split("\n") if line]
    places = {key(f"s{n}"): f"198.51.100.{n}:900{n}" for n in range(2, 6)}
    sessions = "\n".join(f"{one}\t{places.get(one, '')}\t{age}" for one in keys)
    interfaces = {**host.fact["interfaces"], name: {**device, "sessions": sessions}}
    return host._replace(fact={**host.fact, "interfaces": interfaces})


def test_hubs_see_the_device_and_send_nothing_to_it() -> None:
    plan = planned(*FLEET)
    seen = peers(plan, "h1")["s2 (direct)"]
    assert (seen["public_key"], seen["allowed_ips"], seen["endpoint"]) == (key("s2"), [], None)
    there = peers(plan, "s2", "wgdirect")
    assert set(there) == {"h1"}
    assert (there["h1"]["allowed_ips"], there["h1"]["persistent_keepalive"]) == ([], 25)
    assert there["h1"]["endpoint"] == peers(plan, "s2")["h1"]["endpoint"]
    device = interfaces(plan, "s2")["wgdirect"]
    assert device["addresses"] == interfaces(plan, "s2")["wg0"]["addresses"]
    assert device["private_key_file"] == "/etc/wireguard/wgdirect.key"
    assert {entry["sysctls"][f"net/ipv4/conf/{name}/rp_filter"] for name, entry in interfaces(plan, "s2").items()} == {
        "2"
    }


def test_the_first_run_tries_listens_and_then_sends() -> None:
    first = told(run(Stage.PLAN, *FLEET))
    assert sorted(first["tries"]) == ["s2", "s3"]
    assert first["observe"] == [{"name": name, "public_key": key(name)} for name in ("s2", "s3")]
    assert first["report"] == ["s2 and s3: through the hub, to be tried"]
    there = (heard(FLEET[0], s2=3, s3=3), *FLEET[1:])
    trial = run(Stage.TRY, *there)
    assert told(trial)["tries"] == {
        "s2": [{"name": "s3", "public_key": key("s3")}],
        "s3": [{"name": "s2", "public_key": key("s2")}],
    }
    partner = peers(plan_of(trial), "s2", "wgdirect")["s3"]
    assert (partner["endpoint"], partner["persistent_keepalive"]) == ("198.51.100.3:4003", 25)
    assert partner["routed"] is False
    shaken = run(Stage.SETTLE, there[0], heard(there[1], s3=1), heard(there[2], s2=1))
    assert told(shaken)["report"] == ["s2 and s3: direct"]
    assert peers(plan_of(shaken), "s2", "wgdirect")["s3"] == {**partner, "routed": True}


def test_sites_are_halved_so_that_their_routes_come_before_those_of_the_hub() -> None:
    plan = plan_of(run(Stage.TRY, heard(FLEET[0], s2=3, s3=3), *FLEET[1:]))
    found = peers(plan, "s2", "wgdirect")["s3"]["allowed_ips"]
    assert found[1:] == ["10.50.3.0/25", "10.50.3.128/25", "fd50:3::/65", "fd50:3:0:0:8000::/65"]
    whole = [parse_prefix(text) for text in ("10.50.3.0/24", "fd50:3::/64")]
    assert all(any(site.contains(parse_prefix(half)) for site in whole) for half in found[1:])


def test_the_device_of_a_full_tunnel_spoke_sends_by_the_underlay() -> None:
    exit_hub = hub("h1", {"masquerade": True})
    fleet = (heard(exit_hub, s2=3, s3=3), wishing("s2", full_tunnel=True), FLEET[2])
    plan = plan_of(run(Stage.TRY, *fleet))
    found = interfaces(plan, "s2")
    assert found["wgdirect"]["fwmark"] == found["wg0"]["fwmark"] != 0
    assert "0.0.0.0/0" in peers(plan, "s2")["h1"]["allowed_ips"]
    assert "0.0.0.0/0" not in peers(plan, "s2", "wgdirect")["s3"]["allowed_ips"]


def test_the_way_out_of_the_overlay_stays_with_the_hub() -> None:
    plan = plan_of(run(Stage.TRY, heard(FLEET[0], s2=3, s3=3), *FLEET[1:]))
    out = replace(plan, hosts={**plan.hosts, "s3": replace(plan.hosts["s3"], networks=("0.0.0.0/0",))})
    assert len(peers(out, "s2", "wgdirect")["s3"]["allowed_ips"]) == 1


@pytest.mark.parametrize(
    "site, halves", [("10.50.3.9/32", ["10.50.3.9/32"]), ("10.50.3.8/31", ["10.50.3.8/32", "10.50.3.9/32"])]
)
def test_small_sites(site: str, halves: list[str]) -> None:
    fleet = (FLEET[0], FLEET[1], wishing("s3", networks=[site]))
    plan = plan_of(run(Stage.TRY, heard(FLEET[0], s2=3, s3=3), *fleet[1:]))
    assert peers(plan, "s2", "wgdirect")["s3"]["allowed_ips"][1:] == halves


def test_the_next_run_wants_the_very_same_although_mappings_have_moved() -> None:
    before = [heard(FLEET[0], s2=3, s3=3), heard(FLEET[1], s3=1), heard(FLEET[2], s2=1)]
    plan = plan_of(run(Stage.SETTLE, *before))
    again = run(Stage.PLAN, *settled(*FLEET))
    assert told(again)["tries"] == {}
    for name in ("h1", "s2", "s3"):
        assert host_document(plan_of(again), name) == host_document(plan, name)


def test_a_failed_pair_leaves_a_note_and_nothing_else() -> None:
    before = (heard(FLEET[0], s2=3, s3=3), heard(FLEET[1], s3=1), FLEET[2])
    outcome = run(Stage.SETTLE, *before)
    plan = plan_of(outcome)
    assert set(peers(plan, "s2", "wgdirect")) == {"h1"}
    note = interfaces(plan, "s2")["wgdirect"]["notes"]["s3"]
    assert told(outcome)["report"] == [f"s2 and s3: through the hub, because {note.partition(': ')[2]}"]
    assert "no handshake on s3" in note
    later = [with_sessions(applied(host, plan)) for host in FLEET]
    for host in later[1:]:
        assert host.fact is not None
        host.fact["interfaces"]["wgdirect"]["notes"] = interfaces(plan, host.name)["wgdirect"]["notes"]
    again = run(Stage.PLAN, *later)
    assert (told(again)["tries"], told(again)["report"]) == ({}, told(outcome)["report"])
    assert interfaces(plan_of(again), "s3") == interfaces(plan, "s3")


def test_what_works_after_all_leaves_no_note() -> None:
    fleet = list(settled(*FLEET))
    assert fleet[1].fact is not None
    fleet[1].fact["interfaces"]["wgdirect"]["notes"] = {"s3": "198.51.100.2 198.51.100.3: it did not"}
    assert "notes" not in interfaces(plan_of(run(Stage.PLAN, *fleet)), "s2")["wgdirect"]


def test_dead_tunnels_go_back_to_the_hub_at_once() -> None:
    fleet = [with_sessions(host, 200) if host.name != "h1" else host for host in settled(*FLEET)]
    outcome = run(Stage.PLAN, *fleet)
    assert set(peers(plan_of(outcome), "s2", "wgdirect")) == {"h1"}
    assert told(outcome)["report"] == [
        "s2 and s3: through the hub, to be tried (the direct tunnel is dead: no handshake for 180 seconds on s2 and s3)"
    ]


def test_a_silent_spoke_keeps_its_place_and_one_that_left_does_not() -> None:
    fleet = settled(*FLEET)
    before = interfaces(plan_of(run(Stage.PLAN, *fleet)), "s2")
    kept = plan_of(run(Stage.PLAN, *fleet[:2], silent(fleet[2])))
    assert interfaces(kept, "s2") == before
    assert peers(kept, "h1")["s3 (direct)"]["public_key"] == key("s3")
    undecided = silent(fleet[2])._replace(variables={"network": "10.43.0.0/24"}, unresolved={"direct": "facts"})
    assert set(peers(plan_of(run(Stage.PLAN, *fleet[:2], undecided)), "s2", "wgdirect")) == {"h1", "s3"}
    left = plan_of(run(Stage.PLAN, *fleet[:2]))
    assert set(peers(left, "s2", "wgdirect")) == {"h1"}
    assert "s3 (direct)" not in peers(left, "h1")


def test_the_key_of_a_silent_spoke_is_what_hubs_remember() -> None:
    fleet = settled(*FLEET)
    alone = (fleet[0], silent(fleet[1]), silent(fleet[2]))
    assert peers(plan_of(run(Stage.PLAN, *alone)), "h1")["s2 (direct)"]["public_key"] == key("s2")


def test_what_hubs_outside_the_run_have_heard_counts_for_nothing() -> None:
    spokes = frozenset({"s2", "s3"})
    fleet = [heard(FLEET[0], s2=3, s3=3), *FLEET[1:]]
    outcome = plan_hub_spoke(fleet, direct=DirectRun(Stage.TRY, spokes, spokes))
    assert told(outcome)["tries"] == {}
    assert told(outcome)["report"][0].endswith("no hub in this run hears s2 and s3 on the device for direct tunnels")


def test_limited_to_one_spoke_nothing_changes() -> None:
    fleet = settled(*FLEET)
    before = interfaces(plan_of(run(Stage.PLAN, *fleet)), "s2")
    outcome = plan_hub_spoke(
        [silent(fleet[0]), fleet[1], silent(fleet[2])],
        direct=DirectRun(Stage.PLAN, frozenset({"s2"}), frozenset({"s2"})),
    )
    found = interfaces(plan_of(outcome), "s2")
    assert found["wgdirect"]["peers"][-1] == before["wgdirect"]["peers"][-1]
    assert told(outcome)["tries"] == {}


def test_a_revoked_spoke_loses_its_direct_device_everywhere_and_for_good() -> None:
    fleet = settled(*FLEET)
    first = fleet[0]._replace(variables={**fleet[0].variables, "revoked": ["s3"]})
    plan = plan_of(run(Stage.PLAN, first, *fleet[1:]))
    assert plan.revoked[key("s3")] == "s3"
    assert set(peers(plan, "s2", "wgdirect")) == {"h1"}
    assert "s3 (direct)" not in peers(plan, "h1")
    remembering = applied(fleet[0], plan)
    assert remembering.fact is not None
    remembering.fact["interfaces"]["wg0"]["revoked"] = dict(plan.revoked)
    back = spoke("s3", {**WISH, "public_key": ""}, {"wg0": {"public_key": device_key("s3", "new")}, "wgdirect": {}})
    again = run(Stage.PLAN, remembering, fleet[1], back)
    assert "s3 (direct)" not in peers(plan_of(again), "h1")
    assert told(again)["report"] == ["s2 and s3: through the hub, because the key of s3 is not known"]


def test_who_wants_no_more_gives_the_device_away_and_the_others_change_nothing() -> None:
    third = spoke("s4")
    fleet = (*settled(*FLEET), third)
    before = plan_of(run(Stage.PLAN, *fleet))
    assert "wgdirect" not in interfaces(before, "s4")
    tired = fleet[1]._replace(variables={**fleet[1].variables, "direct": False})
    after = plan_of(run(Stage.PLAN, fleet[0], tired, *fleet[2:]))
    assert interfaces(after, "s2")["wgdirect"] == {"name": "wgdirect", "state": "absent"}
    assert set(peers(after, "s3", "wgdirect")) == {"h1"}
    assert interfaces(after, "s4") == interfaces(before, "s4")
    nobody = [host._replace(variables={**host.variables, "direct": False}) for host in fleet]
    assert interfaces(plan_of(run(Stage.PLAN, *nobody)), "s3")["wgdirect"] == {"name": "wgdirect", "state": "absent"}


def test_a_spoke_that_comes_changes_nothing_on_those_it_has_no_tunnel_to() -> None:
    fleet = settled(*(host._replace(variables={**host.variables, "direct": ["s2", "s3"]}) for host in FLEET))
    before = plan_of(run(Stage.PLAN, *fleet))
    after = plan_of(run(Stage.PLAN, *fleet, wishing("s4")))
    for name in ("s2", "s3"):
        assert interfaces(after, name) == interfaces(before, name)


def test_without_anybody_who_wants_it_there_is_nothing() -> None:
    outcome = run(Stage.PLAN, hub("h1", {"direct": True}), spoke("s2"))
    assert outcome.direct is None and plan_of(outcome).direct is None


def test_preshared_keys_are_those_of_the_pair() -> None:
    plan = plan_of(run(Stage.PLAN, *settled(*FLEET)))
    master = "correct horse battery staple"
    secrets = {name: host_document(plan, name, master)["preshared_keys"] for name in ("h1", "s2", "s3")}
    assert secrets["s2"]["wgdirect"][key("s3")] == secrets["s3"]["wgdirect"][key("s2")]
    assert secrets["s2"]["wgdirect"][device_key("h1", "wg0")] == secrets["h1"]["wg0"][key("s2")]
    assert len({*secrets["s2"]["wgdirect"].values(), *secrets["s2"]["wg0"].values()}) == 3


def test_no_preshared_key_without_the_key_of_the_direct_device() -> None:
    plan = planned(hub("h1"), spoke("s2", WISH, {"wg0": {}, "wgdirect": {"public_key": None}}))
    assert lacks_key(plan, "s2")
    assert interfaces(plan, "h1")["wg0"]["unknown_peers"] == ["s2 (direct)"]


def test_a_plan_for_one_host_has_its_pairs_only() -> None:
    plan = run(Stage.PLAN, *settled(*FLEET), wishing("s4")).plan
    assert plan is not None and plan.direct is not None
    one = FleetPlan.from_dict(plan.to_dict(), "s4")
    assert one.direct == replace(plan.direct, pairs=())


@pytest.mark.parametrize(
    "fleet, said",
    [
        ((hub("h1", {"isolate": True}), wishing("s2")), "hub_spoke_direct: spokes are isolated"),
        ((hub("h1"), wishing("s2", direct_interface="wg0")), "direct_interface: wg0 leads to hub 'h1'"),
        ((hub("h1"), wishing("s2", direct_interface="a/b")), "'a/b' is no interface name"),
        (
            (hub("h1"), wishing("s2"), wishing("s3", direct_interface="wgx")),
            "spokes have wgdirect and wgx; say the same",
        ),
        ((hub("h1"), wishing("s2", private_key_file="/k")), "hub_spoke_private_key_file: direct tunnels need a device"),
        ((hub("h1"), wishing("s2", direct=["h1"])), "hub_spoke_direct: 'h1' is no spoke; name spokes"),
        ((hub("h1"), spoke("s2", {"ports": {"wgdirect": 5}})), "no hub has the interface 'wgdirect'"),
        ((hub("h1"), *(wishing(f"s{n}") for n in range(2, 104))), "this makes 101 direct tunnels, and 100 is the most"),
    ],
)
def test_what_is_refused(fleet: tuple[HostInput, ...], said: str) -> None:
    (line,) = problems(*fleet)
    assert said in line


def test_an_endpoint_of_the_inventory_is_used_with_the_port_of_the_device() -> None:
    open_spoke = wishing("s3", endpoint="203.0.113.3", ports={"wgdirect": 51900})
    plan = plan_of(run(Stage.TRY, heard(FLEET[0], s2=3), FLEET[1], open_spoke))
    assert peers(plan, "s2", "wgdirect")["s3"]["endpoint"] == "203.0.113.3:51900"
    assert interfaces(plan, "s3")["wgdirect"]["listen_port"] == 51900
    # It needs no keepalive for the hubs' sake, and here one so that they hear it.
    assert (
        peers(plan, "s3")["h1"]["persistent_keepalive"],
        peers(plan, "s3", "wgdirect")["h1"]["persistent_keepalive"],
    ) == (0, 25)
