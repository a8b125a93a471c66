# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the peers that a plan gives a host: the action of `overlay_probe`, documented with the module of that name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleActionSkip
from ansible.plugins.action import ActionBase
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.expected_answers import (
    expected_answers,
    reached_so_far,
)
from ansible_collections.wirewright.overlay.plugins.plugin_utils.topology.registered_plan import (
    PLAN_FROM,
    UnusablePlan,
    registered_plan,
)

MODULE = "wirewright.overlay.overlay_probe"
_FOREIGN = ("interface", "peers", "mtu", "handshake")
_EXPLAINED = 5  # peers that a warning explains


class ActionModule(ActionBase):
    """One module call for one host; with a plan it says what does not work, and need not fail for it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; that of a plan has only the peers that do not work, of a thousand perhaps."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        if PLAN_FROM not in args:
            result.update(self._execute_module(module_name=MODULE, module_args=args, task_vars=variables))
            return result
        name = str(variables["inventory_hostname"])
        args["peers"] = _expected(args, variables, name)
        del args[PLAN_FROM]
        result.update(self._execute_module(module_name=MODULE, module_args=args, task_vars=variables))
        if "peers" in result:
            result["peers"] = [peer for peer in result["peers"] if peer["verdict"] != "ok"]
            if result["peers"] and not result.get("failed"):
                result["warnings"] = [*result.get("warnings", ()), finding(name, result["summary"], result["peers"])]
        return result


def finding(name: str, summary: str, peers: list[Mapping[str, Any]]) -> str:
    """Return the warning that not all peers of a host work, with what to look at."""
    lines = [f"{peer['name']}: {peer['verdict']}: {peer['advice']}" for peer in peers[:_EXPLAINED]]
    return "\n".join([f"not all of the overlay works from {name!r}: {summary}", *lines])


def _expected(args: Mapping[str, Any], variables: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    foreign = sorted(set(args) & set(_FOREIGN))
    if foreign:
        raise AnsibleActionFail(f"{PLAN_FROM}: the plan has it all, so leave out {', '.join(foreign)}")
    try:
        plan = registered_plan(variables, args[PLAN_FROM], name)
    except UnusablePlan as error:
        raise AnsibleActionFail(str(error)) from None
    batch = variables["ansible_play_batch"]
    reached = reached_so_far(variables["ansible_play_hosts"], batch, variables["ansible_play_hosts_all"])
    peers = expected_answers(plan, name, reached)
    if not peers:
        raise AnsibleActionSkip(f"{name!r} has no peer that this run has reached")
    return peers
