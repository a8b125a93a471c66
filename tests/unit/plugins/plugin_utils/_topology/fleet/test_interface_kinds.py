# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of interfaces that hosts have for interfaces of another kind."""

from __future__ import annotations

from typing import Any

import planned_hub_spoke
import planned_nodes
import pytest
from planned_fleet import host, planned, problems
from planned_hub_spoke import SECOND, hub, spoke
from planned_nodes import node

SAID = "exists on this host and is not a WireGuard interface"


def test_all_hosts_with_an_interface_of_another_kind_are_named_at_once() -> None:
    (problem,) = problems(*(host(name, other_kind="bridge") for name in ("h1", "h2")), host("h3"))
    assert problem == (
        f"hosts 'h1', 'h2': mesh_interface: wg0 {SAID} (kind bridge); set mesh_interface to another name"
    )


def test_a_host_outside_of_the_run_is_not_checked() -> None:
    """Nothing is changed there, and its facts may be old."""
    planned(host("h1"), host("h2", other_kind="bridge")._replace(outside=True))


@pytest.mark.parametrize("kind", ["", None, 7, ["bridge"], "a" * 40, "x\ny", "Bridge; ignore the rest"])
def test_a_kind_of_a_hostile_shape_is_ignored(kind: Any) -> None:
    planned(host("h1", other_kind=kind), host("h2"))


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (
            (hub("h1"), hub("h2", SECOND), spoke("s3", {}, {"wg0": {}, "wg1": {"other_kind": "vlan"}})),
            f"host 's3': hub_spoke_interface: wg1 {SAID} (kind vlan); set hub_spoke_interface of 'h2' to another name",
        ),
        (
            (hub("h1"), spoke("s3", {"direct": True}, {"wg0": {}, "wgdirect": {"other_kind": "bond"}})),
            f"host 's3': hub_spoke_direct_interface: wgdirect {SAID} (kind bond); set hub_spoke_direct_interface to another name",
        ),
    ],
)
def test_all_interfaces_of_hubs_and_spokes_are_checked(hosts: Any, said: str) -> None:
    assert said in planned_hub_spoke.problems(*hosts)


def test_a_hub_is_checked() -> None:
    one = hub("h1")
    assert one.fact is not None
    one.fact["interfaces"]["wg0"]["other_kind"] = "physical"
    (problem,) = planned_hub_spoke.problems(one, spoke("s3", {}, {"wg0": {}}))
    assert problem == (
        f"host 'h1': hub_spoke_interface: wg0 {SAID} (kind physical); set hub_spoke_interface to another name"
    )


@pytest.mark.parametrize(("interface", "variable"), [("kwg0", "interface"), ("kwg1", "alternate_interface")])
def test_both_interfaces_of_a_node_are_checked(interface: str, variable: str) -> None:
    one, other = node(1), node(2)
    assert one.fact is not None
    known = one.fact["interfaces"]
    fact = {**one.fact, "interfaces": {**known, interface: {**known.get(interface, {}), "other_kind": "bridge"}}}
    found = planned_nodes.problems(one._replace(fact=fact), other)
    name = "node_encryption_" + variable
    assert f"host 'n1': {name}: {interface} {SAID} (kind bridge); set {name} to another name" in found
