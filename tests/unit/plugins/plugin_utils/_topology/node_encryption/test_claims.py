# Copyright (c) 2026, wirewright contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes claim: refused for the node that claims it, while the others are planned."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import NotInPlan, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec import records
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, PlanResult
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import Slots
from hypothesis import given
from hypothesis import strategies as st
from planned_fleet import remembered
from planned_nodes import NOW, addresses, node, pods

CLUSTER: dict[str, Any] = {"cluster_cidrs": ["10.244.0.0/16"]}
REPORTS = {"node_ip": [], "node_ip_detection": "first-found", "pod_cidrs": [], "pod_cidr_source": "routes"}
BACKENDS = ["wireguard", "ipsec"]
PHASES = ("receive", "send", "stop", "enforce")


def listed(number: int, variables: dict[str, Any]) -> HostInput:
    """Return a node with everything in the inventory."""
    found = node(number, variables)
    fact: Any = found.fact
    fact["ipsec"] = {"boot_id": "b"}
    return found


def claiming(number: int, *networks: str, own: str = "", **variables: Any) -> HostInput:
    """Return a node that reports its address, and the networks of its pods, by itself."""
    found = listed(number, {**REPORTS, **variables})
    fact: Any = found.fact
    routes = [{"destination": one, "type": "blackhole", "interface": "", "protocol": 80} for one in networks]
    fact["node"]["routes"] = routes
    if own:
        fact["node"]["interfaces"][0]["addresses"] = [f"{own}/16"]
    return found


def storing(host: HostInput, *peers: str) -> HostInput:
    fact: Any = host.fact
    fact["interfaces"]["kwg0"]["peers"] = "\n".join(peers)
    return host


def plan(*fleet: HostInput) -> PlanResult:
    return plan_node_encryption(fleet, now=NOW)


def allowed(outcome: PlanResult, name: str) -> dict[str, set[str]]:
    assert outcome.plan is not None, outcome.problems
    (interface,) = host_document(outcome.plan, name)["interfaces"]
    return {peer["name"]: set(peer["allowed_ips"]) for peer in interface["peers"]}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("networks", "why"),
    [
        (["198.51.100.0/24"], "10.244.0.0/16 does not contain 198.51.100.0/24 of this node, which it reports itself"),
        (["10.96.0.0/12"], "does not contain 10.96.0.0/12"),
        (
            [pods(1)[0]],
            "10.244.1.0/24 of 'n3', which it reports itself, overlaps 10.244.1.0/24 of 'n1', which the inventory",
        ),
        (["10.244.1.128/25"], "10.244.1.128/25 of 'n3'"),
        (["10.244.0.0/16"], "10.244.0.0/16 of 'n3'"),
    ],
)
def test_a_claim_is_refused_for_that_node_alone(backend: str, networks: list[str], why: str) -> None:
    variables = {**CLUSTER, "backend": backend}
    outcome = plan(listed(1, variables), listed(2, variables), claiming(3, *networks, **variables))
    assert outcome.plan is not None, outcome.problems
    (line,) = (one for one in outcome.warnings if "for this node alone" in one)
    assert line.startswith("host 'n3': node_encryption_pod_cidrs: ") and why in line
    for phase in PHASES:
        with pytest.raises(NotInPlan, match="'n3' is refused, so its overlay is not changed") as caught:
            host_document(outcome.plan, "n3", phase=phase)
        assert caught.value.skipped
    if backend == "wireguard":
        assert set(allowed(outcome, "n1")) == {"n2"}
        (interface,) = host_document(outcome.plan, "n1")["interfaces"]
        assert interface["unknown_peers"] == ["n3"]
    elif outcome.plan.ipsec is not None:
        assert outcome.plan.ipsec.nodes.keys() == {"n1", "n2"}


@pytest.mark.parametrize("network", [f"{addresses(1)[0]}/32", "192.0.2.0/24"])
def test_a_claim_on_the_address_of_another_node(network: str) -> None:
    outcome = plan(node(1), node(2), claiming(3, network))
    assert set(allowed(outcome, "n2")) == {"n1"}
    assert any("overlaps the address 192.0.2.1 of 'n1'" in line for line in outcome.warnings)


def test_a_claim_on_its_own_address() -> None:
    outcome = plan(node(1), node(2), claiming(3, f"{addresses(3)[0]}/32"))
    assert set(allowed(outcome, "n2")) == {"n1"}
    assert any("192.0.2.3/32 of its pods contains its own address" in line for line in outcome.warnings)


def test_what_other_nodes_have_stored_decides_between_reports() -> None:
    knows = storing(claiming(2, pods(2)[0]), remembered("n1", "10.244.1.0", "192.0.2.1:51820"))
    outcome = plan(claiming(1, pods(1)[0]), knows, claiming(3, pods(1)[0]))
    assert allowed(outcome, "n2")["n1"] >= {pods(1)[0]}
    assert any("overlaps 10.244.1.0/24 of 'n1', which other nodes have stored" in line for line in outcome.warnings)
    outcome = plan(claiming(1, pods(1)[0]), knows, claiming(3, pods(3)[0], own=addresses(1)[0]))
    assert set(allowed(outcome, "n2")) == {"n1"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_claims_of_equal_weight_refuse_the_plan(backend: str) -> None:
    """Nobody can say which of the nodes is right; without one of them the plan succeeds."""
    one, other = (claiming(number, pods(1)[0], backend=backend) for number in (1, 3))
    third = listed(2, {"backend": backend})
    assert any("10.244.1.0/24" in line for line in plan(one, third, other).problems)
    assert plan(one, third).plan is not None


def test_a_claim_on_the_lan_of_another_node_is_refused_for_that_node_alone() -> None:
    lan: Any = node(1)
    lan.fact["routes"] = "192.168.50.0/24\teth1\t0\tconnected"
    outcome = plan(lan, node(2), claiming(3, "192.168.50.0/24"))
    assert set(allowed(outcome, "n2")) == {"n1"}
    assert any("would take a network that 'n1' has by itself" in line for line in outcome.warnings)


def test_wrong_settings_are_no_false_claim() -> None:
    outside: dict[str, Any] = {"cluster_cidrs": ["10.0.0.0/24"]}
    found = plan(*(claiming(number, pods(number)[0], **outside) for number in (1, 2)))
    assert found.plan is None
    assert any("node_encryption_cluster_cidrs: 10.0.0.0/24 does not contain" in line for line in found.problems)


def test_without_cluster_cidrs_the_run_says_what_is_trusted() -> None:
    found = plan(claiming(1, pods(1)[0]), node(2))
    (line,) = (one for one in found.warnings if "cluster_cidrs" in one)
    assert line.startswith(
        "host 'n1': node_encryption_cluster_cidrs: not set, so these nodes themselves can claim any network"
    )
    assert not any(
        "cluster_cidrs" in one for one in plan(claiming(1, pods(1)[0], **CLUSTER), node(2, CLUSTER)).warnings
    )
    assert not any("cluster_cidrs" in one for one in plan(node(1), node(2)).warnings)


CLAIMS = st.sampled_from(
    [pods(number)[0] for number in range(1, 5)]
    + [f"{addresses(number)[0]}/32" for number in range(1, 5)]
    + ["10.244.1.77/32", "10.244.0.0/16", "10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "0.0.0.0/0", "fd44::/48"]
)


@given(
    st.lists(CLAIMS, max_size=4),
    st.sampled_from(["", *(addresses(number)[0] for number in range(1, 5))]),
    st.booleans(),
)
def test_no_node_takes_what_belongs_to_an_honest_one(networks: list[str], own: str, limited: bool) -> None:
    variables: dict[str, Any] = CLUSTER if limited else {}
    honest = [storing(claiming(n, pods(n)[0], **variables), *_known(n)) for n in (1, 2, 3)]
    outcome = plan(*honest, claiming(4, *networks, own=own, **variables))
    if outcome.plan is None:
        assert outcome.problems
    else:
        for number in (1, 2, 3):
            found = allowed(outcome, f"n{number}")
            for other in {1, 2, 3} - {number}:
                if f"n{other}" in found:
                    assert found[f"n{other}"] == {pods(other)[0], f"{addresses(other)[0]}/32"}
            for claim in found.get("n4", ()):
                assert claim.startswith(("10.244.4.", "192.0.2.4/")) or (
                    not limited and claim.startswith(("198.51.100.", "fd44:"))
                )
    assert plan(*honest).plan is not None


def _known(number: int) -> list[str]:
    others = (other for other in (1, 2, 3) if other != number)
    return [remembered(f"n{other}", f"10.244.{other}.0", f"{addresses(other)[0]}:51820") for other in others]


def test_slots_ahead_of_all_others_are_ignored() -> None:
    held = {"n1": Slots((0,), (0,)), "n2": Slots((0, 1), (0, 1)), "n3": Slots((9,), (9,))}
    found, ahead = records.credible_slots(held, 0)
    assert (set(found), ahead) == ({"n1", "n2"}, ["n3"])
    assert records.credible_slots(held, 9) == (held, [])
    del held["n3"]
    assert records.credible_slots(held, 0) == (held, [])
