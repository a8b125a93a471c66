# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan in the variable that registered the result of `overlay_plan`.

This plugin util is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .plan_model.fleet import FleetPlan

PLAN_FROM = "plan_from"
# In results of overlay_plan and overlay_apply: when the plan was made, by the monotonic clock of the controller.
PLANNED = "planned"


class UnusablePlan(Exception):
    """There is no usable plan in a variable; the text is the reason."""


def registered_plan(variables: Mapping[str, Any], variable: object, name: str) -> FleetPlan:
    """Return the plan in a registered result, not templated: that would cost each host the whole fleet.

    Only the device of the host of this name is decoded. Raises UnusablePlan.
    """
    registered = variables.get(variable) if isinstance(variable, str) else None
    if isinstance(registered, Mapping) and registered.get("skipped"):
        raise UnusablePlan(
            f"{PLAN_FROM}: the task that plans was skipped. Ansible runs it once, for the first host of a batch, so a when: of "
            "the role has to hold for that host: use include_role, whose when: leaves hosts out before, or use --limit"
        )
    if not isinstance(registered, Mapping) or not isinstance(registered.get("plan"), Mapping):
        raise UnusablePlan(
            f"{PLAN_FROM}: {variable!r} is not the name of a variable that registered a result of overlay_plan; the task that "
            "plans was left out, for example by --start-at-task, or failed: run it, too"
        )
    try:
        return FleetPlan.from_dict(registered["plan"], device_of=name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusablePlan(f"{PLAN_FROM}: {variable!r} holds no usable plan: {error}") from None


def is_since(planned: object, since: object) -> bool:
    """Return whether a result is of the plan of a time or of a later one; both times come from results."""
    return isinstance(planned, float) and isinstance(since, float) and planned >= since
