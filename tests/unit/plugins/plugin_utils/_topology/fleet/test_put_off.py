# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that both ends of a tunnel share change only on hosts that a run changes together."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.hub_spoke.plan import plan_hub_spoke
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.mesh.plan import plan_mesh
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    Absence,
    FleetPlan,
    HostInput,
)
from planned_fleet import host, interface, key_of, peers, planned, remembered, silent
from planned_hub_spoke import hub, interfaces, spoke

ADDRESSES = {"h1": "198.51.100.1", "h2": "198.51.100.2", "h3": "198.51.100.3"}
OLD = {"notes": {"port": "51820"}}


def stored(*names: str, port: int = 51820) -> str:
    return "\n".join(remembered(name, endpoint=f"{ADDRESSES[name]}:{port}") for name in names)


def outside(one: HostInput) -> HostInput:
    """Return a host that is not in this run; its facts are those of a cache, or of an answer."""
    return one._replace(reached=False, outside=True)


def failed(one: HostInput) -> HostInput:
    """Return a host of which a task has failed earlier in the run."""
    return one._replace(reached=False, lost=Absence.FAILED)


def keeping(plan: FleetPlan, name: str) -> set[str]:
    return {other for other, peer in peers(plan, name).items() if peer.get("keep_preshared_key")}


def test_preshared_keys_change_only_between_hosts_that_are_changed_together() -> None:
    plan = planned(
        host("h1"), host("h2"), outside(host("h3")), outside(silent("h4", {"public_key": key_of("h4")})), silent("h5")
    )
    assert keeping(plan, "h1") == keeping(plan, "h2") == {"h3", "h4"}
    assert plan.absent == {"h3", "h4", "h5"}


def test_a_batch_is_what_is_changed_together() -> None:
    assert keeping(planned(host("h1"), host("h2")._replace(reached=False), host("h3")), "h1") == {"h2"}


NEW = {"port": 51900}


@pytest.mark.parametrize(
    "others",
    [
        [outside(silent("h2", NEW)), silent("h3", NEW)],
        [outside(host("h2", NEW, peers=stored("h1", "h3"), **OLD)), host("h3", NEW, peers=stored("h1", "h2"), **OLD)],
        [host("h2", NEW, peers=stored("h1", "h3"), **OLD)._replace(reached=False), silent("h3", NEW)],
    ],
    ids=["without facts", "one that was asked", "a later batch"],
)
def test_a_port_stays_while_others_have_it_stored(others: list[HostInput]) -> None:
    outcome = plan_mesh([host("h1", NEW, peers=stored("h2", "h3"), **OLD), *others])
    assert outcome.plan is not None, outcome.problems
    assert interface(outcome.plan, "h1")["listen_port"] == 51820
    assert {p["endpoint"] for p in peers(outcome.plan, "h1").values()} == {"198.51.100.2:51820", "198.51.100.3:51820"}
    assert "mesh_port: port 51900 is put off, 51820 stays: 'h2'" in "\n".join(outcome.warnings)


TOGETHER = "run all of them at once, without --limit and serial"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([outside(silent("h2", NEW))], f"'h2' has the old one stored and is not changed by this run; {TOGETHER}"),
        (
            [outside(silent("h2", NEW)), outside(silent("h3", NEW))],
            f"'h2', 'h3' have the old one stored and are not changed by this run; {TOGETHER}",
        ),
        (
            [host("h2", NEW, **OLD)._replace(reached=False)],
            f"'h2' has the old one stored and is not changed in this batch; {TOGETHER}",
        ),
        (
            [silent("h2", NEW)],
            "'h2' has the old one stored and is unreachable; run again when it is reachable, or revoke it "
            "(overlay_revoked), or take it out of the group",
        ),
        (
            [silent("h2", NEW), silent("h3", NEW)],
            "'h2', 'h3' have the old one stored and are unreachable; run again when they are reachable, or "
            "revoke them (overlay_revoked), or take them out of the group",
        ),
        (
            [outside(silent("h2", NEW)), silent("h3", NEW)],
            f"'h2', 'h3' have the old one stored and are not changed by this run ('h3' is unreachable); {TOGETHER} when this "
            "is corrected",
        ),
        (
            [failed(silent("h2", NEW))],
            "'h2' has the old one stored and failed earlier in this run; correct that failure and run again",
        ),
        (
            [silent("h2", NEW), failed(silent("h3", NEW))],
            "'h2', 'h3' have the old one stored and are not changed by this run ('h2' is unreachable, 'h3' failed earlier in "
            f"this run); {TOGETHER} when this is corrected",
        ),
    ],
    ids=[
        "outside",
        "two outside",
        "a later batch",
        "unreachable",
        "two unreachable",
        "one of each",
        "failed",
        "failed or unreachable",
    ],
)
def test_the_message_says_what_to_do_about_the_others(others: list[HostInput], expected: str) -> None:
    names = [other.name for other in others]
    outcome = plan_mesh([host("h1", NEW, peers=stored(*names), **OLD), *others])
    start = "host 'h1': mesh_port: port 51900 is put off, 51820 stays: "
    assert [line for line in outcome.warnings if line.startswith(start)] == [start + expected]


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        (silent("h2", NEW), "is unreachable; run again when it is"),
        (failed(silent("h2", NEW)), "failed earlier in this run; correct that failure and run again"),
        (outside(silent("h2", NEW)), "is not changed by"),
    ],
)
def test_an_absent_host_itself_keeps_its_port(absent: HostInput, expected: str) -> None:
    outcome = plan_mesh([host("h1", peers=stored("h2")), absent])
    assert f"host 'h2': mesh_port: port 51900 is put off, 51820 stays: the host {expected}" in "\n".join(
        outcome.warnings
    )


@pytest.mark.parametrize(
    ("one", "others"),
    [
        (host("h1", NEW, peers=stored("h2", "h3"), **OLD), [host("h2", peers=stored("h1")), host("h3")]),
        (host("h1", NEW, peers=stored("h2"), **OLD), [host("h2", peers=stored("h1")), outside(silent("h3"))]),
        (host("h1", NEW), [outside(host("h2")), outside(silent("h3"))]),
        (
            host("h1", {**NEW, "endpoint": "203.0.113.1:40001"}, peers=stored("h2"), **OLD),
            [outside(host("h2")), host("h3")],
        ),
        (host("h1", {**NEW, "endpoint": "none"}, peers=stored("h2"), **OLD), [outside(host("h2")), host("h3")]),
    ],
    ids=["all together", "a host that never had it", "a fresh host", "a port forward", "no endpoint"],
)
def test_a_port_that_nobody_else_has_stored_changes(one: HostInput, others: list[HostInput]) -> None:
    plan = planned(one, *others)
    assert interface(plan, "h1")["listen_port"] == 51900


def test_an_override_says_nothing_of_the_port_of_an_absent_host() -> None:
    view = {"peer_overrides": {"h2": {"endpoint": "203.0.113.1:40001"}}}
    outcome = plan_mesh([host("h1", view, peers=stored("h2", port=40001)), outside(silent("h2"))])
    assert outcome.warnings == ()


def test_the_port_is_noted() -> None:
    assert interface(planned(host("h1"), host("h2")), "h1")["notes"] == {"port": "51820"}


def renewed(name: str, *others: str, **fact: Any) -> HostInput:
    """Return a host with a new key file, whose interface has the old key."""
    return host(name, public_key=key_of("new"), replaced_key=key_of(name), peers=stored(*others), **fact)


def test_a_new_key_is_refused_while_others_of_the_fleet_are_not_changed_together() -> None:
    outcome = plan_mesh([renewed("h1", "h2", "h3"), host("h2"), outside(silent("h3"))])
    text = "\n".join(outcome.problems)
    assert "host 'h1': mesh_private_key_file: the key file has another key" in text
    assert "'h3' still uses, and it is not changed" in text and "'h2'" not in text


def test_a_new_key_is_applied_although_a_host_cannot_be_reached() -> None:
    outcome = plan_mesh([renewed("h1", "h2", "h3"), host("h2"), silent("h3", {"public_key": key_of("h3")})])
    assert outcome.plan is not None, outcome.problems
    assert peers(outcome.plan, "h2")["h1"]["public_key"] == key_of("new")
    assert "'h3' is unreachable, so the tunnels to it are down until it is run" in "\n".join(outcome.warnings)
    outcome = plan_mesh([renewed("h1", "h2", "h3"), host("h2"), failed(silent("h3", {"public_key": key_of("h3")}))])
    assert "'h3' failed earlier in this run, so the tunnels to it are down" in "\n".join(outcome.warnings)
    problems = "\n".join(plan_mesh([renewed("h1", "h2"), failed(host("h2"))]).problems)
    assert (
        "'h2' still uses, and it is not changed together with this host ('h2' failed earlier in this run)" in problems
    )


def test_a_new_key_is_applied_to_all_at_once_or_in_place_of_a_revoked_one() -> None:
    assert planned(renewed("h1", "h2"), host("h2")).hosts["h1"].public_key == key_of("new")
    revoked = {"revoked": [key_of("h1")]}
    others = [host("h2", revoked), outside(silent("h3", revoked))]
    assert planned(renewed("h1", "h2", "h3"), *others).hosts["h1"].public_key == key_of("new")


def test_an_absent_host_has_the_key_that_its_interface_has() -> None:
    plan = planned(host("h1"), outside(renewed("h2", "h1")))
    assert peers(plan, "h1")["h2"]["public_key"] == key_of("h2")


def test_a_hub_keeps_its_port_while_spokes_are_absent() -> None:
    away = outside(spoke("h3")._replace(fact=None))
    outcome = plan_hub_spoke([hub("h1", {"port": 51900}, peers=stored("h2", "h3"), **OLD), spoke("h2"), away])
    assert outcome.plan is not None, outcome.problems
    assert interfaces(outcome.plan, "h1")["wg0"]["listen_port"] == 51820
    assert interfaces(outcome.plan, "h2")["wg0"]["peers"][0]["endpoint"] == "198.51.100.1:51820"
    assert "host 'h1': hub_spoke_port: port 51900 is put off, 51820 stays: 'h3'" in "\n".join(outcome.warnings)


def test_a_spoke_alone_follows_no_change_of_its_hub() -> None:
    hub_outside = outside(hub("h1", {"port": 51900})._replace(fact=None))
    outcome = plan_hub_spoke([hub_outside, spoke("h2", {"port": 51999}, peers=stored("h1"))])
    assert outcome.plan is not None, outcome.problems
    entry = interfaces(outcome.plan, "h2")["wg0"]
    assert entry["peers"][0]["endpoint"] == "198.51.100.1:51820"
    assert entry["peers"][0]["keep_preshared_key"]
    assert entry["listen_port"] == 51999, "hubs learn the port of a spoke without an endpoint"


MOVED = {"addresses": ["10.42.0.77"]}
KNOWN = remembered("h1", "10.42.0.1", "198.51.100.1:51820")


def about_addresses(*hosts: HostInput) -> list[str]:
    outcome = plan_mesh(hosts)
    assert outcome.plan is not None, outcome.problems
    return [line for line in outcome.warnings if "is replaced by another address" in line]


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (
            [outside(silent("h2"))],
            f"'h2' accepts packets of the old one only and is not changed by this run; {TOGETHER}",
        ),
        (
            [outside(host("h2", peers=KNOWN)), outside(silent("h3"))],
            f"'h2', 'h3' accept packets of the old one only and are not changed by this run; {TOGETHER}",
        ),
        (
            [host("h2", peers=KNOWN), silent("h3")],
            "'h3' accepts packets of the old one only and is unreachable; run again",
        ),
    ],
    ids=["outside", "two outside", "unreachable"],
)
def test_the_hosts_that_do_not_learn_a_new_address_are_named(others: list[HostInput], expected: str) -> None:
    own = host("h1", MOVED, addresses=["10.42.0.1/24"], peers=stored(*(one.name for one in others)))
    (warning,) = about_addresses(own, *others)
    assert warning.startswith(f"host 'h1': mesh_addresses: 10.42.0.1 is replaced by another address, and {expected}")


def test_an_absent_host_whose_address_changes_on_others_only_is_named() -> None:
    others = [host(name, peers=remembered("h1", "10.42.0.1", "198.51.100.1:51820")) for name in ("h2", "h3")]
    (warning,) = about_addresses(silent("h1", MOVED), *others)
    assert "10.42.0.1 is replaced by another address, and the host itself is unreachable" in warning


def test_an_address_that_all_learn_or_that_is_added_or_taken_away_is_no_warning() -> None:
    old = {"addresses": ["10.42.0.1/24"], "peers": stored("h2")}
    away = outside(silent("h2"))
    assert not about_addresses(host("h1", MOVED, **old), host("h2", peers=KNOWN))
    assert not about_addresses(host("h1", {"addresses": ["10.42.0.1", "10.42.0.77"]}, **old), away)
    two = {**old, "addresses": ["10.42.0.1/24", "10.42.0.77/24"]}
    assert not about_addresses(host("h1", MOVED, **two), away), "others know the address that stays"
    assert not about_addresses(host("h1", MOVED), away), "a new host"


def test_the_hub_that_does_not_learn_the_new_address_of_a_spoke_is_named() -> None:
    away = outside(hub("h1")._replace(fact=None))
    moved = spoke("h2", {"addresses": ["10.43.0.77"]}, addresses=["10.43.0.2/24"], peers=stored("h1"))
    outcome = plan_hub_spoke([away, moved])
    assert outcome.plan is not None, outcome.problems
    assert [line for line in outcome.warnings if "10.43.0.2 is replaced by another address, and 'h1' accepts" in line]


def about_revoked(*hosts: HostInput) -> list[str]:
    outcome = plan_mesh(hosts)
    assert outcome.plan is not None, outcome.problems
    return [line for line in outcome.warnings if "may remain a peer of" in line]


REVOKED = {"revoked": ["h9"]}
STALE = remembered("h9", "10.42.0.9", "198.51.100.9:51820")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (outside(host("h2", REVOKED, peers=STALE)), f"'h2': it is not changed by this run; {TOGETHER}"),
        (outside(silent("h2", REVOKED)), f"'h2': it is not changed by this run; {TOGETHER}"),
        (silent("h2", REVOKED), "'h2': it is unreachable; run again when it is reachable"),
    ],
    ids=["asked", "outside", "unreachable"],
)
def test_the_hosts_that_go_on_with_a_revoked_peer_are_named(other: HostInput, expected: str) -> None:
    (warning,) = about_revoked(host("h1", REVOKED, peers=STALE), other)
    assert warning.startswith(f"host 'h1': mesh_revoked: 'h9' may remain a peer of {expected}")


def test_a_revoked_peer_that_is_gone_is_no_warning() -> None:
    assert not about_revoked(host("h1", REVOKED), outside(silent("h2", REVOKED)))
    assert not about_revoked(host("h1", REVOKED, peers=STALE), host("h2", REVOKED, peers=STALE))
    assert not about_revoked(host("h1", REVOKED, peers=STALE), outside(host("h2", REVOKED)))


def test_a_host_that_is_known_to_go_on_with_a_revoked_peer_is_named_in_later_runs_too() -> None:
    (warning,) = about_revoked(host("h1", REVOKED), outside(host("h2", REVOKED, peers=STALE)))
    assert warning.startswith("host 'h2': mesh_revoked: 'h9' may remain a peer of 'h2': it is not changed by this run")
