# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU time of planning a cluster's nodes: `nodes.py [nodes ...]`, by default 200. Nothing is contacted."""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tests/unit/plugins/plugin_utils")]

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.document import host_document  # noqa: E402
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan  # noqa: E402
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.node_encryption import (  # noqa: E402
    plan_node_encryption,
)
from planned_nodes import CLOSED, HOSTS, node  # noqa: E402


def measure(count: int) -> None:
    fleet = [node(number, {**CLOSED, **HOSTS}) for number in range(1, count + 1)]
    started = time.process_time()
    plan = plan_node_encryption(fleet).plan
    planned = time.process_time()
    assert plan is not None
    data = plan.to_dict()
    for host in plan.hosts:
        host_document(FleetPlan.from_dict(data, device_of=host), host)
    expanded = time.process_time()
    print(f"{count} nodes: planned and validated {planned - started:.3f} s")
    print(f"  one document {(expanded - planned) / count:.4f} s, all of them {expanded - planned:.3f} s")


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["200"]:
        measure(int(argument))
