# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused of a cluster's IPsec: every rule broken once, and all of them together in one go."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    BOTH,
    IpsecNode,
    IpsecSettings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.validation_node_ipsec import (
    node_problems,
    settings_problems,
)

SETTINGS = IpsecSettings(strict=BOTH, cluster_cidrs=("10.244.0.0/16",))


def cluster(count: int = 3) -> dict[str, IpsecNode]:
    return {
        f"n{n}": IpsecNode(f"n{n}", n, (f"10.0.0.{n}", f"fd00::{n:x}"), (f"10.244.{n}.0/24", f"fd44:0:0:{n:x}::/64"))
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
        ({"profile": "calico"}, "ipsec_profile", "'calico' is none of selectors, cilium"),
        ({"strict": "yes"}, "strict", "'yes' is none of"),
        ({"key_bits": 160}, "ipsec_aead", "takes 128 or 192 or 256 bits, not 160"),
        ({"icv": 80}, "ipsec_icv", "has no tag of 80 bits"),
        ({"cluster_cidrs": ("10.244.0.0/33",)}, "cluster_cidrs", "10.244.0.0/33"),
        ({"cluster_cidrs": ()}, "cluster_cidrs", "is empty"),
        ({"exempt_cidrs": ("here",)}, "exempt_cidrs", "here"),
        ({"exempt_ports": (0,)}, "exempt_ports", "0 is not a port"),
    ],
)
def test_settings_that_are_refused(change: dict[str, Any], variable: str, told: str) -> None:
    (problem,) = settings_problems(replace(SETTINGS, **change))
    assert problem.variable == f"node_encryption_{variable}" and told in problem.text


@pytest.mark.parametrize(
    ("change", "variable", "told"),
    [
        ({"index": 0}, "ipsec_index", "0 is not a number from 1 to 4095"),
        ({"index": 1}, "ipsec_index", "the index 1 is that of host 'n1' too"),
        ({"addresses": ("10.0.0.1", "fd00::2")}, "node_ip", "the address 10.0.0.1 is that of host 'n1' too"),
        ({"addresses": ("10.0.0.2", "10.0.0.9", "fd00::2")}, "node_ip", "several addresses of IPv4"),
        ({"addresses": ("10.0.0.2",)}, "node_ip", "fd44:0:0:2::/64 has no address of its family"),
        ({"pod_cidrs": ("10.244.3.128/25",)}, "pod_cidrs", "lies within 10.244.3.0/24 of host 'n3'"),
        ({"pod_cidrs": ("10.244.1.0/24",)}, "pod_cidrs", "10.244.1.0/24 belongs to host 'n1' too"),
        ({"pod_cidrs": ("10.0.0.3/32",)}, "pod_cidrs", "belongs to host"),
        ({"pod_cidrs": ("10.244.1/24",)}, "pod_cidrs", "10.244.1/24"),
        ({"enabled": False}, "enabled", "cuts it off"),
    ],
)
def test_nodes_that_are_refused(change: dict[str, Any], variable: str, told: str) -> None:
    nodes = cluster()
    nodes["n2"] = replace(nodes["n2"], **change)
    problems = list(node_problems(nodes, SETTINGS))
    assert any(problem.variable == f"node_encryption_{variable}" and told in problem.text for problem in problems)
    # An address that two nodes have is the same mistake as a network, and told as both.
    assert len(problems) <= 2


def test_all_is_told_at_once_and_what_is_right_is_not() -> None:
    assert list(settings_problems(SETTINGS)) == list(node_problems(cluster(), SETTINGS)) == []
    nodes = {"n1": replace(cluster()["n1"], index=0, pod_cidrs=("x",), enabled=False)}
    assert len(list(node_problems(nodes, SETTINGS))) == 3
    exempt = replace(SETTINGS, exempt_hosts=frozenset(("n1",)))
    assert len(list(node_problems(nodes, exempt))) == 2


def test_two_hundred_nodes() -> None:
    started = time.process_time()
    assert not list(node_problems(cluster(200), SETTINGS))
    assert time.process_time() - started < 0.5
