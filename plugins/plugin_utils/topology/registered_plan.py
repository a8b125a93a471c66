# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan as later tasks find it: in the variable that registered the result of `overlay_plan`.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.model import FleetPlan

PLAN_FROM = "plan_from"


class UnusablePlan(Exception):
    """There is no plan in the variable that was named; the text says why."""


def registered_plan(variables: Mapping[str, Any], variable: object, name: str) -> FleetPlan:
    """Return the plan in a registered result, read as it is: templating it would cost each host the whole fleet.

    Only the device of the host of this name is read. Raises UnusablePlan.
    """
    registered = variables.get(variable) if isinstance(variable, str) else None
    if not isinstance(registered, Mapping) or not isinstance(registered.get("plan"), Mapping):
        raise UnusablePlan(
            f"{PLAN_FROM}: {variable!r} is not the name of a variable that registered a result of overlay_plan"
        )
    try:
        return FleetPlan.from_dict(registered["plan"], device_of=name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusablePlan(f"{PLAN_FROM}: {variable!r} holds no usable plan: {error}") from None
