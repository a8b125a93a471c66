# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An overlay on lab hosts without a play: facts, plan and apply run in this process and its forks.

A play takes seconds for each host, more in an emulated machine; this takes a tenth of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.document import host_document
from ansible_collections.wirewright.overlay.plugins.plugin_utils._topology.plan_model.fleet import (
    FleetPlan,
    HostInput,
    PlanResult,
)
from lab_hosts import Lab
from managed_host import ManagedHost

Planner = Callable[..., PlanResult]


def plan_on(
    lab: Lab,
    planner: Planner,
    variables: Mapping[str, Mapping[str, object]],
    *,
    interfaces: Sequence[str] = ("wg0",),
    parts: Mapping[str, tuple[str, ...]] | None = None,
    clients: Mapping[str, str] | None = None,
) -> PlanResult:
    """Gather facts on hosts, making keys, and plan a fleet of them.

    variables: by host, without a role's prefix. parts: hub and spoke, by host. clients: by host, the address of a controller
    connected to it; its route is the underlay. By default the address is on eth0's network.
    """
    inputs = []
    for name, own in variables.items():
        fact = ManagedHost(lab, name).call(_facts, interfaces, (clients or {}).get(name, "192.0.2.200"))
        inputs.append(HostInput(name, own, "", fact, {}, (parts or {}).get(name, ())))
    return planner(inputs)


def apply_to(lab: Lab, plan: FleetPlan | None) -> dict[str, bool]:
    """Apply a plan to every host of a lab, and return by host whether anything changed."""
    assert plan is not None
    return {name: ManagedHost(lab, name).call(_apply, host_document(plan, name)) for name in plan.hosts}


def _facts(interfaces: Sequence[str], client: str) -> dict[str, Any]:
    from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.facts import gather
    from ansible_collections.wirewright.overlay.plugins.module_utils._wireguard.key_change import converge_key

    keys = {
        name: converge_key(f"/etc/wireguard/{name}.key", present=True, regenerate=False, check_mode=False)
        for name in interfaces
    }
    environment = {"PATH": os.environ["PATH"], "SSH_CONNECTION": f"{client} 40000 {client} 22"}
    own = {name: key.public_key for name, key in keys.items()}
    return gather(own, environment, userspace=True, nftables=False)


def _apply(document: Mapping[str, Any]) -> bool:
    from ansible_collections.wirewright.overlay.plugins.module_utils._overlay.converge import converge_host

    os.environ.pop("SSH_CONNECTION", None)
    return converge_host(document, check_mode=False).changed
