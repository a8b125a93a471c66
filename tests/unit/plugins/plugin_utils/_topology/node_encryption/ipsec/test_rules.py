# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules on IPsec: each is violated once, and all of them together."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import Prefix, parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.rules import (
    violations,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import (
    BOTH,
    IpsecNode,
    IpsecSettings,
)

PREFIX = "nodes_"


def prefixes(*texts: str) -> tuple[Prefix, ...]:
    return tuple(map(parse_prefix, texts))


SETTINGS = IpsecSettings(strict=BOTH, cluster_cidrs=prefixes("10.244.0.0/16"))


def cluster(count: int = 3) -> dict[str, IpsecNode]:
    return {
        f"n{n}": IpsecNode(
            f"n{n}",
            n,
            prefixes(f"10.0.0.{n}", f"fd00::{n:x}"),
            prefixes(f"10.244.{n}.0/24", f"fd44:0:0:{n:x}::/64"),
        )
        for n in range(1, count + 1)
    }


@pytest.mark.parametrize(
    ("change", "variable", "told"),
    [
        ({"reqid": 16384}, "ipsec_reqid", "16384 is not a number from 1 to 16383"),
        ({"replay_window": 0}, "ipsec_replay_window", "0 is not"),
        ({"epochs_ahead": 1}, "ipsec_epochs_ahead", "1 is not"),
        ({"priority": 100}, "ipsec_priority", "100 is not"),
        ({"slot": -1}, "ipsec_slot", "-1 is not"),
        ({"profile": "calico"}, "ipsec_profile", "'calico' is not one of selectors, cilium"),
        ({"strict": "yes"}, "strict", "'yes' is not one of"),
        ({"key_bits": 160}, "ipsec_aead", "takes 128 or 192 or 256 bits, not 160"),
        ({"icv": 80}, "ipsec_icv", "has no tag of 80 bits"),
        ({"cluster_cidrs": ()}, "cluster_cidrs", "needs all pod networks"),
        ({"exempt_ports": (0,)}, "exempt_ports", "0 is not a port"),
    ],
)
def test_settings_that_are_refused(change: dict[str, Any], variable: str, told: str) -> None:
    found = list(violations({}, replace(SETTINGS, **change), PREFIX, names=["n1", "n2"]))
    assert [problem.host for problem in found] == ["n1", "n2"]
    assert all(problem.variable == PREFIX + variable and told in problem.text for problem in found)


@pytest.mark.parametrize(
    ("change", "variable", "told"),
    [
        ({"index": 0}, "ipsec_index", "0 is not a number from 1 to 4095"),
        ({"index": 1}, "ipsec_index", "the index 1 is that of host 'n1' too"),
        ({"addresses": prefixes("10.0.0.1", "fd00::2")}, "node_ip", "the address 10.0.0.1 is that of host 'n1' too"),
        ({"addresses": prefixes("10.0.0.2", "10.0.0.9", "fd00::2")}, "node_ip", "several addresses of IPv4"),
        ({"addresses": prefixes("10.0.0.2")}, "node_ip", "needs an address of the family of fd44:0:0:2::/64"),
        ({"pod_cidrs": prefixes("10.244.3.128/25")}, "pod_cidrs", "lies within 10.244.3.0/24 of host 'n3'"),
        ({"pod_cidrs": prefixes("10.244.1.0/24")}, "pod_cidrs", "10.244.1.0/24 belongs to host 'n1', too"),
        ({"pod_cidrs": prefixes("10.0.0.3/32")}, "pod_cidrs", "belongs to host"),
        ({"enabled": False}, "enabled", "add it to nodes_exempt_hosts of the others, or unset nodes_strict"),
    ],
)
def test_nodes_that_are_refused(change: dict[str, Any], variable: str, told: str) -> None:
    nodes = cluster()
    nodes["n2"] = replace(nodes["n2"], **change)
    problems = list(violations(nodes, SETTINGS, PREFIX))
    assert any(problem.variable == PREFIX + variable and told in problem.text for problem in problems)
    # An address that two nodes have is the same mistake as a network, and told as both.
    assert len(problems) <= 2


def test_a_network_behind_a_node_is_named_by_its_own_variable() -> None:
    nodes, inside = cluster(), prefixes("10.244.3.128/25")
    nodes["n2"] = replace(nodes["n2"], pod_cidrs=nodes["n2"].pod_cidrs + inside)
    (problem,) = violations(nodes, SETTINGS, PREFIX, behind={"n2": inside})
    assert problem.variable == PREFIX + "extra_allowed_ips" and "lies within 10.244.3.0/24" in problem.text


def test_all_problems_are_reported_at_once_and_nothing_else() -> None:
    assert list(violations(cluster(), SETTINGS, PREFIX)) == []
    nodes = {"n1": replace(cluster()["n1"], index=0, addresses=prefixes("10.0.0.1", "10.0.0.9"), enabled=False)}
    assert len(list(violations(nodes, SETTINGS, PREFIX))) == 3
    exempt = replace(SETTINGS, exempt_hosts=frozenset(("n1",)))
    assert len(list(violations(nodes, exempt, PREFIX))) == 2


def test_two_hundred_nodes() -> None:
    started = time.process_time()
    assert not list(violations(cluster(200), SETTINGS, PREFIX))
    assert time.process_time() - started < 0.5
