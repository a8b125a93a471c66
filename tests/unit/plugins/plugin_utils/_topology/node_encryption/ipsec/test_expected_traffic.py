# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expected traffic between nodes with IPsec, and the addresses to probe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.wirewright.overlay.plugins.module_utils._ip.prefix import parse_prefix
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.ipsec.expected_traffic import (
    ipsec_wire,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec import (
    CILIUM,
    IpsecNode,
    IpsecSettings,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.ipsec_plan import (
    IpsecPlan,
    NodeRole,
)

NODES = {
    f"n{number}": IpsecNode(
        f"n{number}", number, (parse_prefix(f"10.0.0.{number}"),), (parse_prefix(f"10.244.{number}.0/24"),)
    )
    for number in (1, 2, 3)
}
PLAN = IpsecPlan(
    NODES,
    {"n1": NodeRole.SETTLED, "n2": NodeRole.JOINING, "n3": NodeRole.ABSENT},
    IpsecSettings(),
    {},
    {"n1": ("eth0", 9000), "n2": ("eth0", 1500)},
    {},
    gateways={"n1": (parse_prefix("10.244.1.1"), parse_prefix("fd00:244:0:1::1"))},
)


def wire(**settings: Any) -> dict[str, Any]:
    return ipsec_wire(replace(PLAN, settings=replace(PLAN.settings, **settings)))


def test_wire_of_a_plan() -> None:
    found = wire()
    assert found["nodes"][0] == {"name": "n1", "addresses": ["10.0.0.1"], "pod_networks": ["10.244.1.0/24"]}
    assert found["encrypting"] == ["n1", "n2"] and len(found["nodes"]) == 3
    assert found["by_pair"] and found["ipsec"] == {
        "reqids": "7100",
        "targets": [
            {"name": "n1", "address": "10.244.1.1", "mtu": 1446},
            {"name": "n1", "address": "fd00:244:0:1::1", "mtu": 1426},
        ],
    }


def test_own_addresses_of_nodes_are_probed_with_host_encryption_and_no_other_address() -> None:
    def asked(**settings: Any) -> list[tuple[str, str]]:
        return [(one["name"], one["address"]) for one in wire(**settings)["ipsec"]["targets"]]

    gateways = [("n1", "10.244.1.1"), ("n1", "fd00:244:0:1::1")]
    assert asked(host_encryption=True) == [*gateways, ("n2", "10.0.0.2")]
    assert asked(host_encryption=True, exempt_hosts=frozenset(["n2"])) == gateways
    assert asked(exempt_cidrs=(parse_prefix("10.244.0.0/23"),)) == gateways[1:]


def test_exempt_pod_networks_are_not_expected() -> None:
    assert wire(exempt_cidrs=(parse_prefix("10.244.0.0/23"),))["nodes"][0]["pod_networks"] == []


def test_cilium_has_no_states_of_pairs() -> None:
    found = wire(profile=CILIUM)
    assert (found["by_pair"], found["ipsec"]) == (False, {"reqids": "1", "targets": []})
