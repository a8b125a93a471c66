# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct tunnels in the plan of a fleet, from the first run until a spoke is removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import (
    Secrets,
    host_document,
    key_missing,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.direct.pairs import ProbeStage
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.direct.plan import DirectRun
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    FleetPlan,
    HostInput,
    PlanResult,
)
from planned_hub_spoke import applied, device_key, hub, interfaces, peers, planned, problems, silent, spoke

WISH = {"direct": True}
DEVICES: dict[str, dict[str, Any]] = {"wg0": {}, "wgdirect": {}}


def wishing(name: str, **variables: Any) -> HostInput:
    """Return a reachable spoke that wants direct tunnels."""
    return spoke(name, {**WISH, **variables}, DEVICES)


def key(name: str) -> str:
    """Return the key of a spoke's interface for direct tunnels."""
    return device_key(name, "wgdirect")


def with_probe_results(host: HostInput, **ages: int) -> HostInput:
    """Return a host with probe results of peers, each on its own port. ages: seconds since the last handshake."""
    found = [
        {"public_key": key(name), "endpoint": f"198.51.100.{name[1:]}:400{name[1:]}", "handshake_age": age}
        for name, age in ages.items()
    ]
    return host._replace(probe_results=[{"peers": found}])


def run(stage: ProbeStage, *hosts: HostInput, batch: frozenset[str] | None = None) -> PlanResult:
    """Return the outcome of a stage, with all hosts in the run."""
    names = frozenset(host.name for host in hosts)
    outcome = plan_hub_spoke(hosts, direct=DirectRun(stage, names, names if batch is None else batch))
    assert outcome.plan is not None, outcome.problems
    return outcome


def direct(outcome: PlanResult) -> Mapping[str, Any]:
    """Return what the role gets about direct tunnels."""
    assert outcome.direct is not None
    return outcome.direct


def plan_of(outcome: PlanResult) -> FleetPlan:
    """Return the plan as read back from a registered result."""
    assert outcome.plan is not None
    return FleetPlan.from_dict(json.loads(json.dumps(outcome.plan.to_dict())))


FLEET = (hub("h1"), wishing("s2"), wishing("s3", networks=["10.50.3.0/24", "fd50:3::/64"]))


def established(*fleet: HostInput) -> tuple[HostInput, ...]:
    """Return a fleet after a run in which the pair of s2 and s3 became direct, with facts of a later run."""
    ages = {"s2": {"s3": 1}, "s3": {"s2": 1}}
    later = [
        with_probe_results(fleet[0], s2=3, s3=3),
        *(with_probe_results(host, **ages.get(host.name, {})) for host in fleet[1:]),
    ]
    plan = plan_of(run(ProbeStage.DECIDE, *later))
    return tuple(with_sessions(applied(host, plan)) for host in fleet)


def with_sessions(host: HostInput, age: int = 60) -> HostInput:
    """Return a host whose fact has a session with every peer of its last interface."""
    assert host.fact is not None
    name, device = list(host.fact["interfaces"].items())[-1]
    keys = [line.split("\t")[0] for line in device["peers"].split("\n") if line]
    places = {key(f"s{n}"): f"198.51.100.{n}:900{n}" for n in range(2, 6)}
    sessions = "\n".join(f"{one}\t{places.get(one, '')}\t{age}" for one in keys)
    interfaces = {**host.fact["interfaces"], name: {**device, "sessions": sessions}}
    return host._replace(fact={**host.fact, "interfaces": interfaces})


def test_hubs_discover_the_interface_and_send_no_packets_to_it() -> None:
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


def test_the_first_run_probes_without_routes_and_then_adds_them() -> None:
    first = direct(run(ProbeStage.PLAN, *FLEET))
    assert sorted(first["probes"]) == ["s2", "s3"]
    assert first["discover"] == [{"name": name, "public_key": key(name)} for name in ("s2", "s3")]
    assert first["report"] == ["s2 and s3: through the hub, to be probed"]
    there = (with_probe_results(FLEET[0], s2=3, s3=3), *FLEET[1:])
    probe = run(ProbeStage.PROBE, *there)
    assert direct(probe)["probes"] == {
        "s2": [{"name": "s3", "public_key": key("s3")}],
        "s3": [{"name": "s2", "public_key": key("s2")}],
    }
    partner = peers(plan_of(probe), "s2", "wgdirect")["s3"]
    assert (partner["endpoint"], partner["persistent_keepalive"]) == ("198.51.100.3:4003", 25)
    assert partner["routed"] is False
    stages = [ProbeStage.PLAN, ProbeStage.PROBE, ProbeStage.DECIDE]
    probing = [found.probing for stage in stages if (found := plan_of(run(stage, *there)).direct)]
    assert probing == [False, True, False], "peers for a probe are no facts of a host"
    decided = run(ProbeStage.DECIDE, there[0], with_probe_results(there[1], s3=1), with_probe_results(there[2], s2=1))
    assert direct(decided)["report"] == ["s2 and s3: direct"]
    assert peers(plan_of(decided), "s2", "wgdirect")["s3"] == {**partner, "routed": True}


def test_sites_are_halved_so_that_their_routes_win_over_those_through_the_hub() -> None:
    plan = plan_of(run(ProbeStage.PROBE, with_probe_results(FLEET[0], s2=3, s3=3), *FLEET[1:]))
    found = peers(plan, "s2", "wgdirect")["s3"]["allowed_ips"]
    assert found[1:] == ["10.50.3.0/25", "10.50.3.128/25", "fd50:3::/65", "fd50:3:0:0:8000::/65"]
    whole = [parse_prefix(text) for text in ("10.50.3.0/24", "fd50:3::/64")]
    assert all(any(site.contains(parse_prefix(half)) for site in whole) for half in found[1:])


def test_the_device_of_a_full_tunnel_spoke_sends_by_the_underlay() -> None:
    exit_hub = hub("h1", {"masquerade": True})
    fleet = (with_probe_results(exit_hub, s2=3, s3=3), wishing("s2", full_tunnel=True), FLEET[2])
    plan = plan_of(run(ProbeStage.PROBE, *fleet))
    found = interfaces(plan, "s2")
    assert found["wgdirect"]["fwmark"] == found["wg0"]["fwmark"] != 0
    assert "0.0.0.0/0" in peers(plan, "s2")["h1"]["allowed_ips"]
    assert "0.0.0.0/0" not in peers(plan, "s2", "wgdirect")["s3"]["allowed_ips"]


def test_a_default_route_stays_with_the_hub() -> None:
    plan = plan_of(run(ProbeStage.PROBE, with_probe_results(FLEET[0], s2=3, s3=3), *FLEET[1:]))
    out = replace(plan, hosts={**plan.hosts, "s3": replace(plan.hosts["s3"], networks=(parse_prefix("0.0.0.0/0"),))})
    assert len(peers(out, "s2", "wgdirect")["s3"]["allowed_ips"]) == 1


@pytest.mark.parametrize(
    "site, halves", [("10.50.3.9/32", ["10.50.3.9/32"]), ("10.50.3.8/31", ["10.50.3.8/32", "10.50.3.9/32"])]
)
def test_small_sites(site: str, halves: list[str]) -> None:
    fleet = (FLEET[0], FLEET[1], wishing("s3", networks=[site]))
    plan = plan_of(run(ProbeStage.PROBE, with_probe_results(FLEET[0], s2=3, s3=3), *fleet[1:]))
    assert peers(plan, "s2", "wgdirect")["s3"]["allowed_ips"][1:] == halves


def test_the_next_run_plans_the_same_although_nat_mappings_have_changed() -> None:
    before = [
        with_probe_results(FLEET[0], s2=3, s3=3),
        with_probe_results(FLEET[1], s3=1),
        with_probe_results(FLEET[2], s2=1),
    ]
    plan = plan_of(run(ProbeStage.DECIDE, *before))
    again = run(ProbeStage.PLAN, *established(*FLEET))
    assert direct(again)["probes"] == {}
    for name in ("h1", "s2", "s3"):
        assert host_document(plan_of(again), name) == host_document(plan, name)


def test_a_failed_pair_leaves_only_a_note() -> None:
    before = (with_probe_results(FLEET[0], s2=3, s3=3), with_probe_results(FLEET[1], s3=1), FLEET[2])
    outcome = run(ProbeStage.DECIDE, *before)
    plan = plan_of(outcome)
    assert set(peers(plan, "s2", "wgdirect")) == {"h1"}
    note = interfaces(plan, "s2")["wgdirect"]["notes"]["s3"]
    assert direct(outcome)["report"] == [f"s2 and s3: through the hub, because {note.partition(': ')[2]}"]
    assert "no handshake on s3" in note
    later = [with_sessions(applied(host, plan)) for host in FLEET]
    for host in later[1:]:
        assert host.fact is not None
        host.fact["interfaces"]["wgdirect"]["notes"] = interfaces(plan, host.name)["wgdirect"]["notes"]
    again = run(ProbeStage.PLAN, *later)
    assert (direct(again)["probes"], direct(again)["report"]) == ({}, direct(outcome)["report"])
    assert interfaces(plan_of(again), "s3") == interfaces(plan, "s3")


@pytest.mark.parametrize("more", ["x" * 1000, "\n", "\x1b[2J", 7])
def test_a_note_that_no_run_has_written_is_ignored(more: object) -> None:
    note = f"198.51.100.2 198.51.100.3: {more}" if isinstance(more, str) else more
    fleet = [
        with_probe_results(FLEET[0], s2=3, s3=3),
        FLEET[1],
        spoke("s3", WISH, {**DEVICES, "wgdirect": {"notes": {"s2": note}}}),
    ]
    outcome = run(ProbeStage.PROBE, *fleet)
    assert set(direct(outcome)["probes"]) == {"s2", "s3"}
    assert "notes" not in interfaces(plan_of(outcome), "s3")["wgdirect"]


def test_a_direct_pair_has_no_note() -> None:
    fleet = list(established(*FLEET))
    assert fleet[1].fact is not None
    fleet[1].fact["interfaces"]["wgdirect"]["notes"] = {"s3": "198.51.100.2 198.51.100.3: it did not"}
    assert "notes" not in interfaces(plan_of(run(ProbeStage.PLAN, *fleet)), "s2")["wgdirect"]


def test_dead_tunnels_go_through_the_hub_at_once() -> None:
    fleet = [with_sessions(host, 200) if host.name != "h1" else host for host in established(*FLEET)]
    outcome = run(ProbeStage.PLAN, *fleet)
    assert set(peers(plan_of(outcome), "s2", "wgdirect")) == {"h1"}
    assert direct(outcome)["report"] == [
        "s2 and s3: through the hub, to be probed (the direct tunnel is dead: no handshake for 180 seconds on s2 and s3)"
    ]


def test_an_unreachable_spoke_is_kept_and_a_removed_one_is_not() -> None:
    fleet = established(*FLEET)
    before = interfaces(plan_of(run(ProbeStage.PLAN, *fleet)), "s2")
    kept = plan_of(run(ProbeStage.PLAN, *fleet[:2], silent(fleet[2])))
    before["wgdirect"]["peers"] = [
        {**peer, "keep_preshared_key": True} if peer["name"] == "s3" else peer for peer in before["wgdirect"]["peers"]
    ]
    assert interfaces(kept, "s2") == before
    assert peers(kept, "h1")["s3 (direct)"]["public_key"] == key("s3")
    undecided = silent(fleet[2])._replace(variables={"network": "10.43.0.0/24"}, unresolved={"direct": "facts"})
    assert set(peers(plan_of(run(ProbeStage.PLAN, *fleet[:2], undecided)), "s2", "wgdirect")) == {"h1", "s3"}
    left = plan_of(run(ProbeStage.PLAN, *fleet[:2]))
    assert set(peers(left, "s2", "wgdirect")) == {"h1"}
    assert "s3 (direct)" not in peers(left, "h1")


def test_the_key_of_an_unreachable_spoke_is_the_one_hubs_report() -> None:
    fleet = established(*FLEET)
    alone = (fleet[0], silent(fleet[1]), silent(fleet[2]))
    assert peers(plan_of(run(ProbeStage.PLAN, *alone)), "h1")["s2 (direct)"]["public_key"] == key("s2")


def test_sessions_of_hubs_outside_the_run_are_ignored() -> None:
    spokes = frozenset({"s2", "s3"})
    fleet = [with_probe_results(FLEET[0], s2=3, s3=3), *FLEET[1:]]
    outcome = plan_hub_spoke(fleet, direct=DirectRun(ProbeStage.PROBE, spokes, spokes))
    assert direct(outcome)["probes"] == {}
    assert direct(outcome)["report"][0].endswith(
        "no hub in this run has a session with the interface for direct tunnels of s2 and s3"
    )


def test_limited_to_one_spoke_nothing_changes() -> None:
    fleet = established(*FLEET)
    before = interfaces(plan_of(run(ProbeStage.PLAN, *fleet)), "s2")
    outcome = plan_hub_spoke(
        [silent(fleet[0]), fleet[1], silent(fleet[2])],
        direct=DirectRun(ProbeStage.PLAN, frozenset({"s2"}), frozenset({"s2"})),
    )
    found = interfaces(plan_of(outcome), "s2")
    assert found["wgdirect"]["peers"][-1] == {**before["wgdirect"]["peers"][-1], "keep_preshared_key": True}
    assert direct(outcome)["probes"] == {}


def test_a_revoked_spoke_is_removed_with_its_interface_for_direct_tunnels() -> None:
    fleet = established(*FLEET)
    first = fleet[0]._replace(variables={**fleet[0].variables, "revoked": ["s3"]})
    plan = plan_of(run(ProbeStage.PLAN, first, *fleet[1:]))
    assert plan.revoked[key("s3")] == "s3"
    assert set(peers(plan, "s2", "wgdirect")) == {"h1"}
    assert "s3 (direct)" not in peers(plan, "h1")
    remembering = applied(fleet[0], plan)
    remembering = remembering._replace(variables={**remembering.variables, "revoked": [key("s3")]})
    back = spoke("s3", {**WISH, "public_key": ""}, {"wg0": {"public_key": device_key("s3", "new")}, "wgdirect": {}})
    again = run(ProbeStage.PLAN, remembering, fleet[1], back)
    assert "s3 (direct)" not in peers(plan_of(again), "h1")
    assert direct(again)["report"] == ["s2 and s3: through the hub, because the public key of s3 is unknown"]


def test_a_spoke_without_direct_tunnels_loses_the_interface_and_others_do_not_change() -> None:
    third = spoke("s4")
    fleet = (*established(*FLEET), third)
    before = plan_of(run(ProbeStage.PLAN, *fleet))
    assert "wgdirect" not in interfaces(before, "s4")
    tired = fleet[1]._replace(variables={**fleet[1].variables, "direct": False})
    after = plan_of(run(ProbeStage.PLAN, fleet[0], tired, *fleet[2:]))
    assert interfaces(after, "s2")["wgdirect"] == {"name": "wgdirect", "state": "absent"}
    assert set(peers(after, "s3", "wgdirect")) == {"h1"}
    assert interfaces(after, "s4") == interfaces(before, "s4")
    nobody = [host._replace(variables={**host.variables, "direct": False}) for host in fleet]
    assert interfaces(plan_of(run(ProbeStage.PLAN, *nobody)), "s3")["wgdirect"] == {
        "name": "wgdirect",
        "state": "absent",
    }


def test_a_new_spoke_changes_only_spokes_it_has_a_tunnel_to() -> None:
    fleet = established(*(host._replace(variables={**host.variables, "direct": ["s2", "s3"]}) for host in FLEET))
    before = plan_of(run(ProbeStage.PLAN, *fleet))
    after = plan_of(run(ProbeStage.PLAN, *fleet, wishing("s4")))
    for name in ("s2", "s3"):
        assert interfaces(after, name) == interfaces(before, name)


def test_no_direct_tunnels_without_a_spoke_that_wants_them() -> None:
    outcome = run(ProbeStage.PLAN, hub("h1", {"direct": True}), spoke("s2"))
    assert outcome.direct is None and plan_of(outcome).direct is None


def test_preshared_keys_are_those_of_the_pair() -> None:
    plan = plan_of(run(ProbeStage.PLAN, *established(*FLEET)))
    master = "correct horse battery staple"
    secrets = {name: host_document(plan, name, Secrets(master))["preshared_keys"] for name in ("h1", "s2", "s3")}
    assert secrets["s2"]["wgdirect"][key("s3")] == secrets["s3"]["wgdirect"][key("s2")]
    assert secrets["s2"]["wgdirect"][device_key("h1", "wg0")] == secrets["h1"]["wg0"][key("s2")]
    assert len({*secrets["s2"]["wgdirect"].values(), *secrets["s2"]["wg0"].values()}) == 3


def test_no_preshared_key_without_the_key_of_the_direct_device() -> None:
    plan = planned(hub("h1"), spoke("s2", WISH, {"wg0": {}, "wgdirect": {"public_key": None}}))
    assert key_missing(plan, "s2")
    assert interfaces(plan, "h1")["wg0"]["unknown_peers"] == ["s2 (direct)"]


def test_a_plan_for_one_host_has_its_pairs_only() -> None:
    plan = run(ProbeStage.PLAN, *established(*FLEET), wishing("s4")).plan
    assert plan is not None and plan.direct is not None
    one = FleetPlan.from_dict(plan.to_dict(), "s4")
    assert one.direct == replace(plan.direct, pairs=())


@pytest.mark.parametrize(
    "fleet, expected",
    [
        ((hub("h1", {"isolate": True}), wishing("s2")), "hub_spoke_direct: spokes are isolated"),
        ((hub("h1"), wishing("s2", direct_interface="wg0")), "direct_interface: wg0 leads to hub 'h1'"),
        ((hub("h1"), wishing("s2", direct_interface="a/b")), "'a/b' is no interface name"),
        (
            (hub("h1"), wishing("s2"), wishing("s3", direct_interface="wgx")),
            "spokes have wgdirect and wgx; set one name",
        ),
        (
            (hub("h1"), wishing("s2", private_key_file="/k")),
            "hub_spoke_private_key_file: direct tunnels need an interface",
        ),
        ((hub("h1"), wishing("s2", direct=["h1"])), "hub_spoke_direct: 'h1' is no spoke; list spokes"),
        ((hub("h1"), spoke("s2", {"ports": {"wgdirect": 5}})), "no hub has the interface 'wgdirect'"),
        (
            (hub("h1"), *(wishing(f"s{n}") for n in range(2, 104))),
            "this makes 101 direct tunnels, and a spoke can have at most 100",
        ),
    ],
)
def test_refused(fleet: tuple[HostInput, ...], expected: str) -> None:
    (line,) = problems(*fleet)
    assert expected in line


def test_an_endpoint_of_the_inventory_is_used_with_the_port_of_the_device() -> None:
    open_spoke = wishing("s3", endpoint="198.51.100.3", ports={"wgdirect": 51900})
    plan = plan_of(run(ProbeStage.PROBE, with_probe_results(FLEET[0], s2=3), FLEET[1], open_spoke))
    assert peers(plan, "s2", "wgdirect")["s3"]["endpoint"] == "198.51.100.3:51900"
    assert interfaces(plan, "s3")["wgdirect"]["listen_port"] == 51900
    # Reachable by hubs, so no keepalive on wg0; keepalives on wgdirect, so that hubs discover its endpoint.
    assert (
        peers(plan, "s3")["h1"]["persistent_keepalive"],
        peers(plan, "s3", "wgdirect")["h1"]["persistent_keepalive"],
    ) == (0, 25)


def test_the_first_run_is_planned_with_the_keys_that_spokes_will_have() -> None:
    new = {"wg0": {"new_key": True}, "wgdirect": {"new_key": True}}
    fresh = [hub("h1", new_key=True), *(spoke(name, WISH, new) for name in ("s1", "s2"))]
    outcome = run(ProbeStage.PLAN, *fresh)
    assert outcome.plan is not None and outcome.direct is not None
    assert interfaces(outcome.plan, "s1")["wgdirect"]["new_key"] == "the new key of s1 on wgdirect"
    assert peers(outcome.plan, "h1")["s1 (direct)"]["public_key"] == "the new key of s1 on wgdirect"
    real = run(ProbeStage.PLAN, hub("h1"), wishing("s1"), wishing("s2"))
    assert real.direct is not None and outcome.direct["report"] == real.direct["report"]


def test_a_spoke_that_becomes_a_hub_removes_the_interface() -> None:
    second = hub("h4", {"interface": "wg1", "priority": 200})
    assert second.fact is not None
    devices = {**second.fact["interfaces"], "wgdirect": {"addresses": ["10.43.0.4/32"]}}
    before = second._replace(fact={**second.fact, "interfaces": devices})
    plan = plan_of(run(ProbeStage.PLAN, FLEET[0], before, spoke("s2", {}, {"wg0": {}, "wg1": {}})))
    assert interfaces(plan, "h4")["wgdirect"] == {"name": "wgdirect", "state": "absent"}
