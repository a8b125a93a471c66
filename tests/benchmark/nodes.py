# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU time of planning a cluster's nodes, by both backends and with locations: `nodes.py [nodes ...]`, by default 200 and 5000.

Nothing is contacted. The document is that of one node, and a second plan has the facts that nodes report after a run.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tests/unit/plugins")]

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import Secrets, host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.node_encryption.plan import (
    plan_node_encryption,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import FleetPlan
from planned_nodes import HOSTS, node, settled

CLOSED: dict[str, Any] = {"strict": True, "cluster_cidrs": ["10.0.0.0/8"]}
# With locations, 20 nodes share a LAN. The index of a node limits IPsec to 4,095.
VARIANTS: dict[str, dict[str, Any]] = {
    "wireguard": {**CLOSED, **HOSTS},
    "ipsec": {**CLOSED, **HOSTS, "backend": "ipsec"},
    "locations": {"granularity": "location"},
}
MOST_IPSEC_NODES, IN_A_LOCATION, DOCUMENTS = 4095, 20, 1
# The facts of a cluster after a run are as large as the square of its nodes.
MOST_SETTLED_NODES = 400
# The IPsec part of the fact of a node before its first run.
NEW = {"boot_id": "3f7ad1c0", "record": None, "epochs_left": 0, "nodes": {}, "slots": {}, "lost": 0}
SECRETS = Secrets(ipsec_master="correct horse battery staple")


def fleet_of(count: int, variables: Mapping[str, Any]) -> list[Any]:
    """Return nodes, each with a network of pods."""
    fleet = []
    for number in range(1, count + 1):
        host = node(number, variables, pod_cidrs=[f"10.{number >> 8}.{number & 255}.0/24"])
        fact = {**(host.fact or {}), "ipsec": NEW}
        if "granularity" in variables:
            location, place = divmod(number, IN_A_LOCATION)
            address = f"172.{16 + (location >> 8)}.{location & 255}.{place + 1}"
            own = {**fact["node"]["interfaces"][0], "addresses": [f"{address}/24"]}
            fact["node"] = {**fact["node"], "interfaces": [own]}
            host = host._replace(variables={**host.variables, "location": f"l{location}", "node_ip": [address]})
        fleet.append(host._replace(fact=fact))
    return fleet


def plan_of(fleet: list[Any]) -> tuple[FleetPlan, float]:
    """Return the plan, and the seconds of CPU time that it took. As in a play, the garbage collector is off meanwhile."""
    gc.collect()
    gc.disable()
    started = time.process_time()
    outcome = plan_node_encryption(fleet, now=time.time())
    took = time.process_time() - started
    gc.enable()
    assert outcome.plan is not None, outcome.problems[:3]
    return outcome.plan, took


def measure(label: str, count: int) -> None:
    """Plan one cluster, and print what it takes."""
    fleet = fleet_of(count, VARIANTS[label])
    plan, took = plan_of(fleet)
    data = plan.to_dict()
    names = sorted(plan.ipsec.nodes if plan.ipsec else plan.hosts)[:DOCUMENTS]
    started = time.process_time()
    for name in names:
        host_document(FleetPlan.from_dict(data, device_of=name), name, SECRETS)
    expanded = (time.process_time() - started) / len(names)
    print(f"{label}, {count} nodes: planned and validated {took:.3f} s, {1e6 * took / count:.0f} us a node")
    print(f"  one document {expanded:.4f} s")
    if label == "wireguard" and count <= MOST_SETTLED_NODES:
        _again, took = plan_of(settled(fleet))
        print(f"  planned again, after a run {took:.3f} s")


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["200", "5000"]:
        for variant in VARIANTS:
            measure(variant, min(int(argument), MOST_IPSEC_NODES) if variant == "ipsec" else int(argument))
