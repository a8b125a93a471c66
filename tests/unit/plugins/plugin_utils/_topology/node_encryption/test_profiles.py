# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles of Calico and Cilium: rules, tables and marks."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import HostInput, PlanResult
from planned_nodes import NOW

CALICO = {"profile": "calico", "interface": "wireguard.cali", "table": 1}
CILIUM = {"profile": "cilium", "interface": "cilium_wg0", "port": 51871, "fwmark": 0, "table": 201, "rule_priority": 1}
KEYS = {1: "r9pWafcXX672a13g7j11kZAUkWKVMNGvLuWggK3twVo=", 2: "cmeMPmXLeGVrNWq1Z/wXN/roRTA3f644bgEznOR92ks="}


def planned(variables: dict[str, Any], plugin: str = "") -> PlanResult:
    """Return the plan of two nodes. plugin: the type of the CNI plugin that runs on them."""
    inputs = []
    for number, key in KEYS.items():
        own = {"node_ip": [f"10.0.0.{number}"], "pod_cidrs": [f"10.244.{number}.0/24"], **variables}
        fact: dict[str, Any] = {"interfaces": {variables["interface"]: {"public_key": key}}}
        if plugin:
            cni = {"file": "/etc/cni/net.d/10.conflist", "name": "k8s", "plugins": [{"type": plugin, "subnets": []}]}
            fact["node"] = {"nodename": f"n{number}", "cni": cni}
        inputs.append(HostInput(f"n{number}", own, f"10.0.0.{number}", fact))
    return plan_node_encryption(inputs, now=NOW)


def document(variables: dict[str, Any]) -> dict[str, Any]:
    """Return the document of the first of two nodes."""
    outcome = planned(variables)
    assert outcome.plan is not None, outcome.problems
    return host_document(outcome.plan, "n1")


def test_calico_has_one_table_and_one_rule() -> None:
    found = document(CALICO)
    assert found["ip_routes"] == [
        {
            "table": "1",
            "protocol": "boot",
            "purge": True,
            "routes": [
                {"destination": "10.244.1.0/24", "type": "throw"},
                {"destination": "10.244.2.0/24", "dev": "wireguard.cali"},
            ],
        }
    ]
    (rule,) = found["ip_rules"]["rules"]
    assert rule == {"priority": 99, "family": "ipv4", "fwmark": "0x100000/0x100000", "invert": True, "table": "1"}


def test_cilium_marks_packets_to_remote_pods() -> None:
    found = document(CILIUM)
    assert found["ip_routes"] == [
        {
            "table": "201",
            "protocol": "boot",
            "purge": True,
            "routes": [{"destination": "default", "family": "ipv4", "dev": "cilium_wg0", "scope": "global"}],
        }
    ]
    assert found["ip_rules"]["rules"] == [{"priority": 1, "family": "ipv4", "fwmark": "0xe00/0xf00", "table": "201"}]
    assert found["ip_rules"]["priorities"] == "1"
    assert found["nftables"]["cilium_wg0"]["set_mark"] == [
        {"mark": "0xe00/0xf00", "not_iif": ["cilium_wg0"], "daddr": ["10.244.2.0/24"]}
    ]
    (interface,) = found["interfaces"]
    assert interface["fwmark"] == 0 and interface["listen_port"] == 51871


def test_settings_that_a_profile_does_not_support_are_refused() -> None:
    found = "\n".join(planned({**CILIUM, "host_encryption": True}).problems)
    assert "the profile cilium encrypts traffic between pods only" in found
    assert "exceptions need two lower priority numbers" in "\n".join(planned({**CALICO, "rule_priority": 1}).problems)


def test_routes_carry_the_given_protocol() -> None:
    assert document({"interface": "kwg0"})["ip_routes"][0]["protocol"] == "87"
    assert document({**CALICO, "route_protocol": "80"})["ip_routes"][0]["protocol"] == "80"
    outcome = planned({**CALICO, "state": "absent"})
    assert outcome.plan is not None
    assert [table["protocol"] for table in host_document(outcome.plan, "n1")["ip_routes"]] == ["boot"] * 3


@pytest.mark.parametrize(
    ("variables", "plugin", "refused"),
    [
        (CALICO, "calico", True),
        (CALICO, "flannel", False),
        (CILIUM, "cilium-cni", True),
        ({"interface": "kwg0", "backend": "ipsec", "ipsec_profile": "cilium"}, "cilium-cni", True),
        ({"interface": "kwg0", "backend": "ipsec"}, "cilium-cni", False),
    ],
)
def test_profile_of_a_running_plugin_is_refused(variables: dict[str, Any], plugin: str, refused: bool) -> None:
    found = "\n".join(planned(variables, plugin).problems)
    assert ("its agent removes foreign objects" in found) == refused, found
