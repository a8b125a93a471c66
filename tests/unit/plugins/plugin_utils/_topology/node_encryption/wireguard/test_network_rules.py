# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table with routes to pods precedes the main table, so it must not have a network that a node has by itself."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_nodes import node, problems


def having(given: HostInput, *routes: str) -> HostInput:
    """Return a node that reports these routes of its own."""
    assert given.fact is not None
    return given._replace(fact={**given.fact, "routes": "\n".join(routes)})


@pytest.mark.parametrize(
    ("behind", "route", "refused"),
    [
        ({}, "10.244.1.0/24\teth1\t100\tconnected", True),
        ({}, "10.244.1.64/26\tdocker0\t0\tconnected", True),  # the LAN has the longer prefix, in another table
        ({}, "10.0.0.0/8\teth0\t0\tconnected", False),  # the network plugin has a route to these pods
        ({}, "10.244.2.0/24\tcni0\t0\tconnected", False),  # its own pods
        ({}, "10.244.1.0/24\tflannel.1\t0\trouted", False),  # the network plugin's route to the other node
        ({}, "10.244.1.0/24\tkwg0\t0\tconnected", False),
        ({}, "10.244.1.0/24\tkwg1\t0\tconnected", False),
        ({"extra_allowed_ips": ["192.168.50.0/24"]}, "192.168.50.0/24\teth1\t100\tconnected", True),
        ({"extra_allowed_ips": ["192.168.50.0/25"]}, "192.168.50.0/24\teth1\t100\tconnected", True),
        ({"extra_allowed_ips": ["192.168.0.0/16"]}, "192.168.50.0/24\teth1\t100\tconnected", True),
        ({"extra_allowed_ips": ["192.168.0.0/16"]}, "192.168.50.0/24\teth1\t100\trouted", False),
    ],
)
def test_networks_of_other_nodes(behind: dict[str, Any], route: str, refused: bool) -> None:
    found = problems(node(1, behind), having(node(2), route))
    assert bool(found) == refused, found
    variable = "extra_allowed_ips" if behind else "pod_cidrs"
    assert all(line.startswith(f"host 'n1': node_encryption_{variable}: ") for line in found)


def test_the_refusal_names_the_remedy() -> None:
    (found,) = problems(node(1), having(node(2), "10.244.1.64/26\tdocker0\t0\tconnected"))
    assert found == (
        "host 'n1': node_encryption_pod_cidrs: 10.244.1.0/24 would take a network that 'n2' has by itself, 10.244.1.64/26 "
        "(the network on docker0); use other addresses for one of them, or, if 'n2' is to keep its own, add 10.244.1.64/26 "
        "to node_encryption_exclude_cidrs there"
    )


@pytest.mark.parametrize(
    "exempt",
    [{"exclude_cidrs": ["10.244.1.64/26"]}, {"exclude_cidrs": ["10.244.1.0/24"]}, {"enabled": False}],
)
def test_exceptions(exempt: dict[str, Any]) -> None:
    assert problems(node(1), having(node(2, exempt), "10.244.1.64/26\tdocker0\t0\tconnected")) == ()


def test_cilium_selects_packets_by_its_own_mark() -> None:
    cilium = {"profile": "cilium"}
    assert problems(node(1, cilium), having(node(2, cilium), "10.244.1.64/26\tdocker0\t0\tconnected")) == ()
