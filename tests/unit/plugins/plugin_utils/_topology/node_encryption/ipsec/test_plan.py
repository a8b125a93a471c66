# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPsec between nodes from inventory and facts to one node's documents: joining, settled and leaving nodes, and key rotation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse as parse_nftables
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_sections, parse_states
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.describe import (
    changes,
    describe_state,
    diff,
    node_of_policy,
    node_of_state,
)
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.model import TUNNEL
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.policy_options import parse_policies
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.state_plan import label
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    FleetPlan,
    HostInput,
    PlanResult,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import (
    ENFORCE,
    PHASES,
    RECEIVE,
    SEND,
    STOP,
)
from planned_nodes import NOW

MASTER = "correct horse battery staple"
SECRETS = Secrets(ipsec_master=MASTER)
BOOT = "3f7ad1c0-1a0b-4c62-8d36-4a0f2d7e7a11"
NEW: Mapping[str, Any] = MappingProxyType(
    {"boot_id": BOOT, "record": None, "epochs_left": 0, "nodes": {}, "slots": {}, "lost": 0}
)


def settled(index: int, slot: int = 0, **more: Any) -> dict[str, Any]:
    """Return what a node tells that has been applied before."""
    nodes = {f"n{number}": {"index": number, "epoch": 5} for number in (1, 2, 3)}
    held = {"receive": [slot], "send": [slot]}
    return {
        **NEW,
        "record": {"epoch": 5, "boot_id": BOOT, "index": index},
        "epochs_left": 4,
        "nodes": nodes,
        "slots": held,
        **more,
    }


def node(number: int, ipsec: Mapping[str, Any] | None = NEW, *, reached: bool = True, **variables: Any) -> HostInput:
    own = {"backend": "ipsec", "node_ip": [f"10.0.0.{number}"], "pod_cidrs": [f"10.244.{number}.0/24"], **variables}
    return HostInput(f"n{number}", own, f"10.0.0.{number}", ipsec and {"ipsec": ipsec}, reached=reached)


def planned(*hosts: HostInput) -> FleetPlan:
    outcome = plan_node_encryption(hosts, now=NOW)
    assert outcome.plan is not None, outcome.problems
    return FleetPlan.from_dict(json.loads(json.dumps(outcome.plan.to_dict())))


def policies(plan: FleetPlan, name: str, phase: str) -> dict[str, set[str]]:
    """Return by direction what a node's policies in a phase say of levels and actions between pods."""
    document = host_document(plan, name, SECRETS, phase=phase)
    found: dict[str, set[str]] = {}
    for policy in document["xfrm_policies"]["policies"]:
        # Those with a template of mode transport only say whose they are.
        tunnels = [one for one in policy["templates"] if one.get("mode") != "transport"]
        words = {one.get("level", "required") for one in tunnels} or {policy.get("action", "")} - {""}
        if words:
            found.setdefault(policy["dir"], set()).update(words)
    return found


def test_plan_is_plain_data_without_a_key() -> None:
    outcome = plan_node_encryption([node(1), node(2)], now=NOW)
    assert outcome.plan is not None
    data = outcome.plan.to_dict()
    assert FleetPlan.from_dict(json.loads(json.dumps(data))).to_dict() == data
    document = host_document(outcome.plan, "n1", SECRETS)
    keys = document["xfrm_keys"].values()
    assert keys and not any(key in json.dumps(data) for key in keys)


@pytest.mark.parametrize("profile", ["selectors", "cilium"])
def test_every_document_is_accepted_by_the_module(profile: str) -> None:
    common = {"ipsec_profile": profile, "strict": "true", "cluster_cidrs": ["10.244.0.0/16"]}
    plan = planned(
        node(1, **common), node(2, **common), node(3, settled(3), enabled=False, exempt_hosts=["n3"], **common)
    )
    for name in ("n1", "n2", "n3"):
        for phase in PHASES:
            document = host_document(plan, name, SECRETS, phase=phase)
            document.pop("xfrm_boot", None)
            parse_nftables(document.pop("nftables", {}))
            parse_sections(document, lambda interface: 2)


def test_joining_nodes_accept_both_before_they_send_encrypted_and_before_plaintext_is_dropped() -> None:
    strict = {"strict": "true", "cluster_cidrs": ["10.244.0.0/16"]}
    plan = planned(node(1, **strict), node(2, **strict))
    receive, send, stop, enforce = (policies(plan, "n1", phase) for phase in PHASES)
    assert "out" not in receive and receive["in"] == {"use"} == receive["fwd"]
    assert send == stop and send["out"] == {"required"} and send["in"] == {"use"}
    assert enforce["out"] == {"required"} and enforce["in"] == enforce["fwd"] == {"required"}


def test_nothing_changes_for_settled_nodes_when_another_joins() -> None:
    alone = planned(node(1, settled(1)), node(2, settled(2)))
    joined = planned(node(1, settled(1)), node(2, settled(2)), node(3))
    for phase in PHASES:
        before = host_document(alone, "n1", SECRETS, phase=ENFORCE)["xfrm_policies"]["policies"]
        after = host_document(joined, "n1", SECRETS, phase=phase)["xfrm_policies"]["policies"]
        assert all(policy in after for policy in before)


def test_leaving_node_reverses_the_phases_and_ends_without_objects() -> None:
    plan = planned(node(1, settled(1)), node(2, settled(2), enabled=False))
    receive, send, stop, enforce = (policies(plan, "n2", phase) for phase in PHASES)
    assert receive == send and receive["in"] == {"use"} and receive["out"] == {"required"}
    assert "out" not in stop and stop["in"] == {"use"}
    assert enforce == {}
    assert host_document(plan, "n2", SECRETS, phase=ENFORCE)["xfrm_boot"] == {"state": "absent"}
    assert policies(plan, "n1", ENFORCE) == {}


STRICT = {"strict": "true", "cluster_cidrs": ["10.244.0.0/16"]}


def told(plan: FleetPlan, name: str, phase: str) -> dict[str, Any]:
    """Return what a node tells after a phase was applied to it."""
    boot = host_document(plan, name, SECRETS, phase=phase)["xfrm_boot"]
    record = {"epoch": boot["epoch"], "boot_id": BOOT, "index": boot["index"]}
    return {**NEW, "record": record, "epochs_left": 4, "nodes": boot["nodes"], "slots": boot["slots"]}


def test_unreached_node_that_continues_to_encrypt_is_named() -> None:
    def said(ipsec: Mapping[str, Any], **variables: Any) -> list[str]:
        warnings = plan_node_encryption([node(1, ipsec), node(2, None, reached=False, **variables)], now=NOW).warnings
        return [line.partition(": the host")[0] for line in warnings]

    assert said(settled(1), state="absent") == ["host 'n2': node_encryption_state"]
    assert said(settled(1), enabled=False) == ["host 'n2': node_encryption_enabled"]
    without = planned(node(1, settled(1)), node(2, None, reached=False, enabled=False))
    assert said(told(without, "n1", ENFORCE), enabled=False) == [], "the others have forgotten it"


@pytest.mark.parametrize("done", PHASES)
def test_interrupted_run_is_resumed_and_drops_plaintext_last(done: str) -> None:
    """After each phase, the policies of the phases that follow are those of a run that was not cut short."""
    first = planned(node(1, **STRICT), node(2, **STRICT))
    again = planned(*(node(number, told(first, f"n{number}", done), **STRICT) for number in (1, 2)))
    for at, phase in enumerate(PHASES):
        resumed = PHASES[max(at, PHASES.index(done))]
        assert policies(again, "n1", phase) == policies(first, "n1", resumed), phase


@pytest.mark.parametrize("done", PHASES)
def test_node_that_failed_during_a_run_is_neither_dropped_nor_sent_unexpected_packets(done: str) -> None:
    """It has the phase before for certain, and the one in which the run was cut short perhaps."""
    first = planned(node(1, **STRICT), node(2, **STRICT))
    plan = planned(node(1, told(first, "n1", done), **STRICT), node(2, None, **STRICT))
    found = policies(plan, "n1", ENFORCE)
    document = host_document(plan, "n1", SECRETS, phase=ENFORCE)
    spared = document["nftables"]["node_encryption"]["drop_plaintext"]["except"]
    if done == ENFORCE:
        assert (found["in"], found["out"], spared) == ({"required"}, {"required"}, [])
    else:
        assert (found["in"], spared) == ({"use"}, ["10.244.2.0/24"]), "it sends in plain text, perhaps"
        assert ("required" in found.get("out", ())) == (done != "receive")


def between(plan: FleetPlan, name: str, other: int, phase: str) -> dict[str, set[str]]:
    """Return by direction the levels of a node's policies for the pods of another one."""
    found: dict[str, set[str]] = {}
    for policy in host_document(plan, name, SECRETS, phase=phase)["xfrm_policies"]["policies"]:
        pods, (template, *_more) = policy["dst" if policy["dir"] == "out" else "src"], policy["templates"]
        if pods == f"10.244.{other}.0/24" and template.get("mode") != "transport":
            found.setdefault(policy["dir"], set()).add(template.get("level", "required"))
    return found


BEFORE = {"in": {"use"}, "fwd": {"use"}}
SENDS = {**BEFORE, "out": {"required"}}
ALL = {direction: {"required"} for direction in ("in", "fwd", "out")}


def spared(plan: FleetPlan, name: str, phase: str) -> list[str]:
    """Return the networks that a node's packet filter lets pass in plain text."""
    closed = host_document(plan, name, SECRETS, phase=phase)["nftables"]["node_encryption"]["drop_plaintext"]
    return list(closed["except"])


def test_joining_node_sends_an_unreachable_node_only_accepted_packets() -> None:
    """They go through the phases together when both are there, and nobody else is touched."""
    shut = {"nftables": {"node_encryption": ["drop_ingress", "drop_egress"]}}
    both = planned(node(1, settled(1), **STRICT), node(2, settled(2), **STRICT))
    told_before = told(both, "n1", ENFORCE), told(both, "n2", ENFORCE)
    joined = planned(node(1, told_before[0], **STRICT), node(2, None, **STRICT), node(3, **STRICT))
    assert between(joined, "n3", 1, ENFORCE) == between(joined, "n1", 2, ENFORCE) == ALL
    assert between(joined, "n3", 2, ENFORCE) == BEFORE and spared(joined, "n3", ENFORCE) == ["10.244.2.0/24"]

    facts = told(joined, "n1", ENFORCE), told(joined, "n3", ENFORCE)
    again = planned(node(1, facts[0], **STRICT), node(2, None, **STRICT), node(3, facts[1], **STRICT))
    for name in ("n1", "n3"):
        assert host_document(again, name, SECRETS) == host_document(joined, name, SECRETS)

    hosts = [node(1, facts[0], **STRICT), node(2, told_before[1], **STRICT), node(3, facts[1], **STRICT)]
    back = planned(*(host._replace(fact={**(host.fact or {}), **shut}) for host in hosts))
    for name, other in (("n2", 3), ("n3", 2)):
        assert [between(back, name, other, phase) for phase in PHASES] == [BEFORE, SENDS, SENDS, ALL]
        assert [spared(back, name, phase) for phase in PHASES] == [[f"10.244.{other}.0/24"]] * 3 + [[]]
    for name, other in (("n1", 2), ("n1", 3), ("n2", 1), ("n3", 1)):
        assert all(between(back, name, other, phase) == ALL for phase in PHASES)
    done = planned(*(node(number, told(back, f"n{number}", ENFORCE), **STRICT) for number in (1, 2, 3)))
    assert done.ipsec is not None and done.ipsec.pair_roles == {}


def test_the_earlier_recorded_phase_of_a_pair_counts() -> None:
    """As where a node came back from a backup that is older than the other node."""
    both = planned(node(1, **STRICT), node(2, **STRICT))
    facts = told(both, "n1", ENFORCE), told(both, "n2", ENFORCE)
    facts[1]["nodes"] = {"n2": facts[1]["nodes"]["n2"]}
    plan = planned(node(1, facts[0], **STRICT), node(2, facts[1], **STRICT))
    for name, other in (("n1", 2), ("n2", 1)):
        assert [between(plan, name, other, phase) for phase in PHASES] == [BEFORE, SENDS, SENDS, ALL]


def test_unreachable_node_is_known_from_the_records_of_others() -> None:
    plan = planned(node(1, settled(1)), node(2, None))
    assert policies(plan, "n1", ENFORCE)["out"] == {"required"}
    stranger = planned(node(1), node(2, None))
    assert policies(stranger, "n1", ENFORCE) == {}


def spis(plan: FleetPlan, phase: str) -> tuple[set[str], set[str]]:
    """Return the SPIs that n1 receives and sends by in a phase."""
    states = host_document(plan, "n1", SECRETS, phase=phase)["xfrm_states"]["states"]
    receive = {state["spi"] for state in states if state.get("receive_only")}
    return receive, {state["spi"] for state in states} - receive


def test_new_keys_are_received_everywhere_before_they_are_used_for_sending() -> None:
    old = planned(node(1, settled(1)), node(2, settled(2)))
    new = planned(node(1, settled(1), ipsec_slot=1), node(2, settled(2), ipsec_slot=1))
    receive, send, _stop, enforce = (spis(new, phase) for phase in PHASES)
    before = spis(old, ENFORCE)
    assert receive[0] > before[0] and receive[1] == before[1]
    assert send[0] == receive[0] and send[1] > before[1]
    assert not enforce[0] & before[0] and not enforce[1] & before[1]


@pytest.mark.parametrize(
    ("hosts", "slot"),
    [
        ([node(1, settled(1), rotate=True), node(2, settled(2), rotate=True)], 1),
        ([node(1, settled(1, 4)), node(2, settled(2, 4))], 4),
        ([node(1, settled(1, 4), ipsec_slot=3), node(2, settled(2, 4), ipsec_slot=3)], 4),
        ([node(1, settled(1, key_age_days=90), max_key_age_days=90), node(2, settled(2))], 1),
        ([node(1, settled(1, key_age_days=89), max_key_age_days=90), node(2, settled(2))], 0),
        ([node(1, settled(1, key_age_days=90)), node(2, settled(2), max_key_age_days=90)], 0),
        ([node(1, settled(1, key_age_days=90), max_key_age_days=90, phase="send"), node(2, phase="send")], 0),
        ([node(1, settled(1, sequence_percent=50)), node(2, settled(2))], 1),
        ([node(1, settled(1, sequence_percent=49)), node(2, settled(2))], 0),
        ([node(1, settled(1, sequence_percent=50)), node(2, settled(2), reached=False)], 0),
        ([node(1, settled(1, sequence_percent=50)), node(2, settled(2, 1))], 1),
        ([node(1, settled(1, 2), rotate=True, state="absent"), node(2, settled(2, 2), rotate=True, state="absent")], 2),
        ([node(1, rotate=True), node(2, rotate=True)], 0),
        ([node(1, settled(1, 2)), node(2)], 2),
    ],
)
def test_keys_are_rotated_on_request_or_when_they_are_exhausted(hosts: list[HostInput], slot: int) -> None:
    plan = planned(*hosts)
    assert plan.ipsec is not None and plan.ipsec.settings.slot == slot


def problems(outcome: PlanResult) -> str:
    assert outcome.plan is None
    return "\n".join(outcome.problems)


def test_all_problems_are_reported_at_once() -> None:
    silent = plan_node_encryption([node(1, settled(1), ipsec_slot=1), node(2, None, ipsec_slot=1)], now=NOW)
    assert "at once, and 'n2' is unreachable; run all of them" in problems(silent)
    asked = plan_node_encryption([node(1, settled(1), rotate=True), node(2, settled(2), reached=False)], now=NOW)
    assert "node_encryption_rotate: keys are rotated on all nodes at once" in problems(asked)
    cilium = plan_node_encryption([node(1, rotate=True, ipsec_profile="cilium")], now=NOW)
    assert "raise node_encryption_ipsec_slot instead" in problems(cilium)
    mixed = plan_node_encryption([node(1), node(2, backend="wireguard")], now=NOW)
    assert "host 'n2': node_encryption_backend: this node has another backend than others" in problems(mixed)
    differing = plan_node_encryption([node(1), node(2, ipsec_reqid=9), node(3, ipsec_index=9999)], now=NOW)
    found = problems(differing)
    assert (
        "nodes differ in settings that must be the same for all" in found
        and "node_encryption_ipsec_index: 9999" in found
    )


def test_packet_filter_drops_plaintext_last_and_accepts_it_first() -> None:
    strict = {"strict": "true", "cluster_cidrs": ["10.244.0.0/16"], "host_encryption": True}

    def closed(plan: FleetPlan, name: str, phase: str) -> dict[str, Any]:
        sections = host_document(plan, name, SECRETS, phase=phase)["nftables"]["node_encryption"]
        return dict(sections.get("drop_plaintext", {}))

    joining = planned(node(1, **strict), node(2, **strict))
    assert [bool(closed(joining, "n1", phase)) for phase in PHASES] == [False, False, False, True]
    assert closed(joining, "n1", ENFORCE)["hosts"] == ["10.0.0.2"]
    shut = {"node_encryption": ["drop_ingress", "drop_egress"]}
    there = [node(1, settled(1), **strict), node(2, **strict)]
    there[0] = there[0]._replace(fact={**(there[0].fact or {}), "nftables": shut})
    grown = planned(*there)
    assert closed(grown, "n1", "receive")["except"] == ["10.244.2.0/24"], "it still sends in plain text"
    assert closed(grown, "n1", ENFORCE)["except"] == [] and "hosts" not in closed(grown, "n1", "receive")
    leaving = planned(node(1, settled(1), state="absent", **strict))
    assert not any(closed(leaving, "n1", phase) for phase in PHASES)


def after(host: HostInput, document: Mapping[str, Any]) -> HostInput:
    """Return a node as it is heard from after a document was applied."""
    boot = document["xfrm_boot"]
    told = {
        "record": {"epoch": boot["epoch"], "boot_id": BOOT, "index": boot["index"]},
        "epochs_left": 4,
        "nodes": boot["nodes"],
        "slots": boot["slots"],
    }
    return host._replace(fact={"ipsec": {**NEW, **told}})


def gone_through(hosts: list[HostInput], last: str) -> list[list[dict[str, Any]]]:
    """Return by node the documents of a run that ends with a phase."""
    plan, up_to = planned(*hosts), PHASES[: PHASES.index(last) + 1]
    return [[host_document(plan, host.name, SECRETS, phase=phase) for phase in up_to] for host in hosts]


@pytest.mark.parametrize("strict", [False, True])
def test_second_run_with_the_same_last_phase_changes_nothing(strict: bool) -> None:
    hosts = [node(number, strict=strict, cluster_cidrs=["10.244.0.0/16"]) for number in (1, 2, 3)]
    for last in (RECEIVE, SEND, STOP):
        held = [documents[-1] for documents in gone_through(hosts, last)]
        hosts = [after(host, document) for host, document in zip(hosts, held)]
        for document, documents in zip(held, gone_through(hosts, last)):
            assert documents == [document] * len(documents), last


def test_states_and_policies_are_named_after_the_node_at_the_other_end() -> None:
    document = host_document(planned(*map(node, (1, 2, 3))), "n1", SECRETS, phase=ENFORCE)
    names = document["node_names"]
    assert names == {"10.0.0.2": "n2", "10.0.0.3": "n3"}
    states = parse_states(document["xfrm_states"], document["xfrm_keys"], [])
    assert states is not None
    ends = Counter(node_of_state(state, names) for state in states.states)
    assert set(ends) == {"n2", "n3"} and len(set(ends.values())) == 1
    wanted = parse_policies(document["xfrm_policies"]).policies
    assert {node_of_policy(policy, names) for policy in wanted if policy.templates[0].mode == TUNNEL} == {"n2", "n3"}
    made = [Operation(None, state) for state in states.states]
    (shown,) = diff(made, label, describe_state, lambda state: node_of_state(state, names))
    assert shown.before == {} and all(name.startswith(("n2: dst ", "n3: dst ")) for name in shown.after)
    assert {(one.kind, one.name) for one in changes("state", made, lambda state: node_of_state(state, names))} == {
        ("state", "n2"),
        ("state", "n3"),
    }
