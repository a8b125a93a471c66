# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster and the inventory: nodes that are no hosts, hosts that opt out, and what the plan says of every node."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, PlanResult
from planned_nodes import CLOSED, NOW, addresses, node

P = "node_encryption_"
IPSEC = {"boot_id": "3f7ad1c0", "record": None, "epochs_left": 0, "nodes": {}, "slots": {}, "lost": 0}
BACKENDS = pytest.mark.parametrize("backend", ["wireguard", "ipsec"])


def listed(number: int, *, pods: bool = True, **labels: str) -> dict[str, Any]:
    """Return a node as the cluster lists it."""
    return {
        "metadata": {"name": f"n{number}", "labels": {"kubernetes.io/os": "linux", **labels}},
        "spec": {"podCIDRs": [f"10.244.{number}.0/24"]} if pods else {},
        "status": {"addresses": [{"type": "InternalIP", "address": addresses(number)[0]}]},
    }


def planned_with(cluster: list[dict[str, Any]], *fleet: HostInput, **variables: Any) -> PlanResult:
    hosts = []
    for host in fleet:
        fact = {**(host.fact or {}), "ipsec": IPSEC}
        hosts.append(host._replace(fact=fact, variables={**host.variables, "nodes": cluster, **variables}))
    return plan_node_encryption(hosts, now=NOW)


@BACKENDS
def test_a_node_that_is_no_host_is_named(backend: str) -> None:
    cluster, fleet = [listed(number) for number in (1, 2, 9)], (node(1), node(2))
    outcome = planned_with(cluster, *fleet, backend=backend)
    (told,) = outcome.warnings
    assert told == (
        f"hosts 'n1', 'n2': {P}exclude_cidrs: 'n9' of the cluster is no host of {P}group, so traffic with it is unencrypted; "
        "add it to the group, or, to leave it unencrypted, add 10.244.9.0/24 to this variable"
    )
    excluded = planned_with(cluster, *fleet, backend=backend, exclude_cidrs=["10.244.9.0/24"])
    assert excluded.plan is not None and not excluded.warnings


@BACKENDS
def test_strict_encryption_refuses_to_cut_a_node_off(backend: str) -> None:
    cluster, fleet = [listed(number) for number in (1, 2, 8, 9)], (node(1), node(2))
    outcome = planned_with(cluster, *fleet, backend=backend, **CLOSED)
    (told,) = outcome.problems
    assert told == (
        f"hosts 'n1', 'n2': {P}exclude_cidrs: 'n8', 'n9' of the cluster are no hosts of {P}group, so strict encryption drops "
        "traffic with their pods; add them to the group, or, to leave them unencrypted, add 10.244.8.0/24, 10.244.9.0/24 to this "
        "variable"
    )
    excluded = planned_with(cluster, *fleet, backend=backend, exclude_cidrs=["10.244.8.0/23"], **CLOSED)
    assert excluded.plan is not None


def test_nodes_that_exclude_a_node_are_not_named() -> None:
    excluding = node(2, exclude_cidrs=["10.244.9.0/24"])
    (told,) = planned_with([listed(number) for number in (1, 2, 9)], node(1), excluding, **CLOSED).problems
    assert told.startswith(f"host 'n1': {P}exclude_cidrs: ")


def test_what_is_not_certain_is_a_warning() -> None:
    no_pods = planned_with([listed(1), listed(2), listed(9, pods=False)], node(1), node(2), **CLOSED)
    assert no_pods.plan is not None and "add the networks of its pods to this variable" in str(no_pods.warnings)
    # The node of n2 has another name and address, so it may be n9.
    unmatched = planned_with([listed(1), listed(9)], node(1), node(2), **CLOSED)
    assert unmatched.plan is not None and "'n9' of the cluster" in str(unmatched.warnings)


@BACKENDS
def test_what_a_plan_says_of_every_node(backend: str) -> None:
    labelled = {"example.com/plain": "yes"}
    cluster = [listed(1), listed(2), listed(3, **labelled), listed(4), listed(8), listed(9)]
    fleet = [node(1), node(2), node(3), node(4, enabled=False)]
    outcome = planned_with(
        cluster,
        *fleet,
        backend=backend,
        opt_out_labels=["example.com/plain=yes", "no/such"],
        exclude_cidrs=["10.244.8.0/24"],
    )
    assert outcome.plan is not None, outcome.problems
    found = {one.name: (one.status, one.reason) for one in outcome.plan.coverage}
    assert found == {
        "n1": ("encrypted", ""),
        "n2": ("encrypted", ""),
        "n3": ("exempt", f"its node has the label example.com/plain=yes ({P}opt_out_labels)"),
        "n4": ("exempt", f"{P}enabled is false"),
        "n8": ("exempt", f"its pods are in {P}exclude_cidrs, and it is no host of the group"),
        "n9": ("not covered", f"the node is no host of {P}group"),
    }
    assert "'n3'" not in str(outcome.warnings) and "'n4'" not in str(outcome.warnings), "they need no key"


def test_a_label_without_its_value_does_not_count() -> None:
    cluster = [listed(1, **{"example.com/plain": "no"}), listed(2)]
    for labels, status in ((["example.com/plain=yes"], "encrypted"), (["example.com/plain"], "exempt")):
        outcome = planned_with(cluster, node(1), node(2), opt_out_labels=labels)
        assert outcome.plan is not None and outcome.plan.coverage[0].status == status
        own = outcome.plan.hosts["n1"].node
        assert own is not None and own.enabled == (status == "encrypted")
