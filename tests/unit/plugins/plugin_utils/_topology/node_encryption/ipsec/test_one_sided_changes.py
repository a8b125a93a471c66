# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that leaves out nodes changes nothing that these would have to change at the same time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.options import parse_states
from ansible_collections.wirewright.overlay.plugins.module_utils._xfrm.shared_states import one_sided
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.nodes import ENFORCE, PHASES
from planned_nodes import NOW

from .test_plan import MASTER, SECRETS, node, planned, settled

HOSTS = {"host_encryption": True}
LATER = {"strict": "true", "cluster_cidrs": ["10.244.0.0/16"]}


def states(document: Any) -> Any:
    parsed = parse_states(document["xfrm_states"], document["xfrm_keys"], [])
    assert parsed is not None
    return parsed.states


def cluster(*, reached: bool = False, first: dict[str, Any] | None = None, **common: Any) -> list[HostInput]:
    """Return two nodes that encrypt; the second one is in the run or not. first: variables of the first one."""
    return [node(1, settled(1), **{**common, **(first or {})}), node(2, settled(2), reached=reached, **common)]


BEFORE = states(host_document(planned(*cluster(reached=True)), "n1", SECRETS, phase=ENFORCE))


@pytest.mark.parametrize(
    ("common", "first", "master"),
    [
        ({}, {}, MASTER + " changed"),
        ({"ipsec_aead": "rfc7539esp(chacha20,poly1305)", "ipsec_key_bits": 256}, {}, MASTER),
        ({"ipsec_key_bits": 256}, {}, MASTER),
        ({"ipsec_icv": 64}, {}, MASTER),
        ({"ipsec_esn": False}, {}, MASTER),
        ({"ipsec_replay_window": 512}, {}, MASTER),
        ({"ipsec_reqid": 7101}, {}, MASTER),
        ({}, {"node_ip": ["10.0.0.101"]}, MASTER),
    ],
)
def test_a_limited_run_replaces_no_state_that_an_absent_node_has(
    common: dict[str, Any], first: dict[str, Any], master: str
) -> None:
    for reached in (False, True):
        plan = planned(*cluster(reached=reached, first=first, **common))
        for phase in PHASES:
            document = host_document(plan, "n1", Secrets(ipsec_master=master), phase=phase)
            outside = document["xfrm_boot"].get("outside", {})
            assert outside == ({} if reached else {"10.0.0.2": "n2"})
            assert one_sided(BEFORE, states(document), outside) == ([] if reached else ["n2"])


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (cluster(), "an unchanged run"),
        (cluster(**LATER), "strict encryption"),
        (cluster(ipsec_epochs_ahead=9), "keys for more boots"),
        (cluster(ipsec_priority=900), "the priority of policies"),
        (cluster(first={"pod_cidrs": ["10.244.1.0/24", "10.244.9.0/24"]}), "another pod network"),
        ([node(1, settled(1, lost=1)), node(2, settled(2), reached=False)], "lost states: the next epoch"),
        ([*cluster(), node(3)], "a node that joins"),
    ],
)
def test_what_the_other_end_accepts_already_is_changed_in_a_limited_run(hosts: list[HostInput], name: str) -> None:
    plan = planned(*hosts)
    for phase in PHASES:
        document = host_document(plan, "n1", SECRETS, phase=phase)
        outside = document["xfrm_boot"].get("outside", {})
        found = parse_states(document["xfrm_states"], document.get("xfrm_keys", {}), [])
        assert found is not None and one_sided(BEFORE, found.states, outside) == [], name


def test_a_kernel_that_hides_keys_is_no_reason_to_refuse() -> None:
    hidden = [replace(one, aead=replace(one.aead, key=bytes(len(one.aead.key)))) for one in BEFORE]
    outside = {"10.0.0.2": "n2"}
    assert one_sided(hidden, BEFORE, outside, keys_hidden=True) == []
    assert one_sided(hidden, BEFORE, outside) == ["n2"]


def problems(first: dict[str, Any], common: dict[str, Any], *, reached: bool, **told: Any) -> list[str]:
    hosts = [
        node(1, settled(1, **told), **{**common, **first}),
        node(2, settled(2, **told), reached=reached, **common),
    ]
    return list(plan_node_encryption(hosts, now=NOW).problems)


@pytest.mark.parametrize(
    ("first", "common", "text"),
    [
        (
            {"enabled": False},
            {},
            "host 'n1': node_encryption_enabled: its encryption ends, and 'n2' is in a later batch",
        ),
        (
            {},
            {"state": "absent"},
            "host 'n1': node_encryption_state: its encryption ends, and 'n2' is in a later batch",
        ),
    ],
)
def test_encryption_does_not_end_at_one_end_only(first: dict[str, Any], common: dict[str, Any], text: str) -> None:
    (problem,) = problems(first, common, reached=False)
    assert problem.startswith(text) and "run all hosts at once" in problem
    assert problems(first, common, reached=True) == []


CHANGES = [
    ({"ipsec_index": 9}, {}, {}, "n1': node_encryption_ipsec_index: 9 replaces 1"),
    (
        {},
        HOSTS,
        {"hosts": [], "ports": [22]},
        "node_encryption_host_encryption: host encryption with 'n2' would change",
    ),
    ({}, {}, {"hosts": ["n1", "n2"], "ports": [22]}, "host encryption with 'n2' would change on this node only"),
    (
        {},
        {**HOSTS, "exempt_hosts": ["n2"]},
        {"hosts": ["n1", "n2"], "ports": [22]},
        "host encryption with 'n2' would change on this node only",
    ),
    (
        {},
        {**HOSTS, **LATER, "exempt_ports": [2222]},
        {"hosts": ["n1", "n2"], "ports": [22]},
        "node_encryption_exempt_ports: the exempt ports would change on this node only",
    ),
]


@pytest.mark.parametrize(("first", "common", "told", "text"), CHANGES)
def test_a_change_of_both_ends_is_refused_by_name_where_one_is_not_in_the_run(
    first: dict[str, Any], common: dict[str, Any], told: dict[str, Any], text: str
) -> None:
    (problem,) = problems(first, common, reached=False, **told)
    assert text in problem and "'n2' is" in problem and "run all nodes together" in problem
    assert "set node_encryption_enabled to false for it" in problem
    assert problems(first, common, reached=True, **told) == []


@pytest.mark.parametrize(
    ("common", "told"),
    [
        (HOSTS, {}),  # recorded by an earlier version
        (HOSTS, {"hosts": ["n1", "n2"], "ports": [22]}),
        ({**HOSTS, "exempt_ports": [2222]}, {"hosts": ["n1", "n2"], "ports": [22]}),  # plaintext is accepted
        ({}, {"hosts": [], "ports": [22]}),
    ],
)
def test_other_limited_runs_are_not_refused(common: dict[str, Any], told: dict[str, Any]) -> None:
    assert problems({}, common, reached=False, **told) == []


def test_what_a_node_records_refuses_nothing_in_the_next_run() -> None:
    common = {**HOSTS, "exempt_ports": [22]}
    boot = host_document(planned(*cluster(reached=True, **common)), "n1", SECRETS, phase=ENFORCE)["xfrm_boot"]
    assert (boot["hosts"], boot["ports"]) == (["n2"], [22])
    assert problems({}, common, reached=False, hosts=boot["hosts"], ports=boot["ports"]) == []
