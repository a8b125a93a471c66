# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the wire between nodes with IPsec should look like, and who is asked through it, from a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec import (
    CILIUM,
    IpsecNode,
    IpsecSettings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_model import (
    JOINING,
    OUT_OF_IT,
    SETTLED,
    IpsecPlan,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_ipsec_wire import ipsec_wire

NODES = {
    f"n{number}": IpsecNode(f"n{number}", number, (f"10.0.0.{number}",), (f"10.244.{number}.0/24",))
    for number in (1, 2, 3)
}
PLAN = IpsecPlan(
    NODES,
    {"n1": SETTLED, "n2": JOINING, "n3": OUT_OF_IT},
    IpsecSettings(),
    {},
    {"n1": ("eth0", 9000), "n2": ("eth0", 1500)},
    {},
    gateways={"n1": ("10.244.1.1", "fd00:244:0:1::1")},
)


def wire(**settings: Any) -> dict[str, Any]:
    return ipsec_wire(replace(PLAN, settings=replace(PLAN.settings, **settings)))


def test_wire_of_a_plan() -> None:
    found = wire()
    assert found["nodes"][0] == {"name": "n1", "addresses": ["10.0.0.1"], "pod_networks": ["10.244.1.0/24"]}
    assert found["encrypting"] == ["n1", "n2"] and len(found["nodes"]) == 3
    assert found["by_pair"] and found["ipsec"] == {
        "reqids": "7100",
        "ask": [
            {"name": "n1", "address": "10.244.1.1", "mtu": 1446},
            {"name": "n1", "address": "fd00:244:0:1::1", "mtu": 1426},
        ],
    }


def test_nodes_own_addresses_are_asked_where_they_are_encrypted_and_there_are_no_others() -> None:
    def asked(**settings: Any) -> list[tuple[str, str]]:
        return [(one["name"], one["address"]) for one in wire(**settings)["ipsec"]["ask"]]

    gateways = [("n1", "10.244.1.1"), ("n1", "fd00:244:0:1::1")]
    assert asked(host_encryption=True) == [*gateways, ("n2", "10.0.0.2")]
    assert asked(host_encryption=True, exempt_hosts=frozenset(["n2"])) == gateways
    assert asked(exempt_cidrs=("10.244.0.0/23",)) == gateways[1:]


def test_pods_that_are_exempt_are_nobodys() -> None:
    assert wire(exempt_cidrs=("10.244.0.0/23",))["nodes"][0]["pod_networks"] == []


def test_cilium_has_no_states_of_pairs() -> None:
    found = wire(profile=CILIUM)
    assert (found["by_pair"], found["ipsec"]) == (False, {"reqids": "1", "ask": []})
