# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expected traffic between nodes of a plan."""

from __future__ import annotations

from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.wireguard.expected_traffic import (
    wire,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput
from planned_nodes import NOW

KEYS = ["HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=", "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="]


def planned(**per_node: dict[str, Any]) -> dict[str, Any]:
    """Plan n1, n2 and n3; nobody knows the key of n3."""
    inputs = []
    for number, key in enumerate([*KEYS, ""], 1):
        name = f"n{number}"
        variables = {
            "node_ip": [f"10.0.0.{number}"],
            "pod_cidrs": [f"10.244.{number}.0/24", f"fd00:244:0:{number}::/64"],
            "public_key": key,
            **per_node.get(name, {}),
        }
        inputs.append(HostInput(name, variables))
    outcome = plan_node_encryption(inputs, now=NOW)
    assert outcome.plan is not None, outcome.problems
    return wire(outcome.plan)


def test_wire_of_a_plan() -> None:
    found = planned(n2={"port": 51900}, n1={"exempt_ports": [22, 2222]})
    assert found["nodes"][0] == {
        "name": "n1",
        "addresses": ["10.0.0.1"],
        "pod_networks": ["10.244.1.0/24", "fd00:244:0:1::/64"],
    }
    assert [peer["name"] for peer in found["peers"]] == ["n1", "n2"]
    assert found["peers"][1] == {"name": "n2", "public_key": KEYS[1], "addresses": ["10.244.2.0", "fd00:244:0:2::"]}
    assert (found["encrypting"], found["keyless"]) == (["n1", "n2", "n3"], ["n3"])
    assert found["marks"] == {"n1": 0x100000, "n2": 0x100000, "n3": 0x100000}
    assert (found["wireguard_ports"], found["exempt_ports"]) == ([51820, 51821, 51900], [22, 2222])
    assert (found["host_encryption"], found["exempt_hosts"]) == (False, [])


def test_disabled_node_is_listed_and_not_probed() -> None:
    found = planned(n2={"enabled": False})
    assert [node["name"] for node in found["nodes"]] == ["n1", "n2", "n3"]
    assert found["encrypting"] == ["n1", "n3"] and [peer["name"] for peer in found["peers"]] == ["n1"]


def test_excluded_pod_networks_are_not_expected() -> None:
    off = {"enabled": False, "exclude_cidrs": ["10.244.1.0/25"]}
    found = planned(n1={"exclude_cidrs": ["10.244.2.0/23"]}, n2=off, n3=off)
    networks = {node["name"]: node["pod_networks"][0] for node in found["nodes"]}
    assert networks == {"n1": "10.244.1.0/24", "n2": "fd00:244:0:2::/64", "n3": "fd00:244:0:3::/64"}
