# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan the encryption between Kubernetes nodes, with the backend that the inventory names.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..fleet.overlay_rules import WHOLE, Scope
from ..plan_model.fleet import HostInput, PlanResult
from .discovery import with_one_cluster
from .ipsec.plan import plan_node_ipsec
from .settings import IPSEC
from .wireguard.plan import plan_node_wireguard


def plan_node_encryption(
    hosts: Iterable[HostInput],
    prefix: str = "node_encryption_",
    overlay: str = "",
    *,
    now: float,
    scope: Scope = WHOLE,
) -> PlanResult:
    """Return the plan for all nodes, or every problem of every node. The order of the hosts does not matter.

    overlay, scope: as in `plan_mesh`. now: seconds since 1970, the first epoch of a new IPsec node.
    """
    inputs = with_one_cluster(hosts)
    if any(host.variables.get("backend") == IPSEC for host in inputs.values()):
        return plan_node_ipsec(inputs, prefix, int(now))
    return plan_node_wireguard(inputs, prefix, overlay, scope)
