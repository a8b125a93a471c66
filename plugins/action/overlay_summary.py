# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugin of overlay_summary: says once what a run has changed on all its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleActionSkip
from ansible.plugins.action import ActionBase

from ..plugin_utils._change_summary import (
    Changes,
    left_behind_lines,
    merge,
    newcomer_lines,
    read_changes,
    summary_lines,
)
from ..plugin_utils._fleet_run import runs_freely
from ..plugin_utils._topology.plan_model.fleet import Newcomers
from ..plugin_utils._topology.registered_plan import PLANNED, is_since
from ..plugin_utils._untrusted import list_of, mapping_of


def _shown(result: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """Return the result of the task; skip it where there are no lines."""
    if not lines:
        raise AnsibleActionSkip("no host has a change")
    result.update(changed=False, msg=lines, _ansible_verbose_always=True)
    return result


class ActionModule(ActionBase):
    """Reads the registered results of the hosts of the batch, without their other variables."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return one line for each group of hosts with the same changes; skip if there are none."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            {
                "results": {"type": "list", "elements": "str", "required": True},
                "plan_from": {"type": "str", "default": ""},
            }
        )
        alive = frozenset(map(str, (task_vars or {})["ansible_play_batch"]))
        if runs_freely(self._task):
            # Each host runs the task by itself, and the plan that is registered for it may be a later one of another host.
            return self._own(result, str((task_vars or {})["inventory_hostname"]), args)
        planned = mapping_of((task_vars or {}).get(args["plan_from"])).get(PLANNED)
        # A host that has failed or was lost since it was changed is no longer in the batch of the variable.
        batch = [host for host in self._batch() if host in alive or self._is_of(host, planned, args["results"])]
        changes = {host: self._changes(host, args["results"], args["plan_from"]) for host in batch}
        lines = summary_lines(changes)
        if lines:
            unchanged = [host for host in self._batch() if self._has_failed(host, planned, args["results"])]
            lines += left_behind_lines(changes, unchanged)
            lines += self._newcomers(batch, args["plan_from"])
        return _shown(result, lines)

    def _own(self, result: dict[str, Any], host: str, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes of the host that runs the task."""
        registered = self._registered(host)
        found = [read_changes(mapping_of(registered.get(name)).get("changes")) for name in args["results"]]
        lines = summary_lines({host: merge(found)})
        return _shown(result, lines + self._newcomers([host], args["plan_from"]) if lines else [])

    def _batch(self) -> list[str]:
        """Return the hosts of the batch, also those that have failed."""
        # Ansible has no public interface from a task to the inventory, which is restricted to the batch.
        inventory = self._task.get_variable_manager()._inventory
        return [str(host.name) for host in inventory.get_hosts(self._task.get_play().hosts)]

    def _is_of(self, host: str, planned: object, variables: Iterable[str]) -> bool:
        """Return whether a host has a result of the plan of a time or of a later stage of it, not of an earlier play."""
        registered = self._registered(host)
        return any(is_since(mapping_of(registered.get(name)).get(PLANNED), planned) for name in variables)

    def _has_failed(self, host: str, planned: object, variables: Iterable[str]) -> bool:
        """Return whether a host has failed to apply the plan of a time, or was unreachable then, as far as is known."""
        found = [mapping_of(self._registered(host).get(name)) for name in variables]
        failed = any(one.get("failed") is True and is_since(one.get(PLANNED), planned) for one in found)
        return failed or any(one.get("unreachable") is True for one in found)

    def _changes(self, host: str, variables: Iterable[str], plan_from: str) -> Changes:
        """Return what a host has changed since its plan; another overlay of this run may have left older results."""
        registered = self._registered(host)
        planned = mapping_of(registered.get(plan_from)).get(PLANNED)
        results = [mapping_of(registered.get(name)) for name in variables]
        current = [one for one in results if None in (planned, one.get(PLANNED)) or is_since(one[PLANNED], planned)]
        return merge([read_changes(one.get("changes")) for one in current])

    def _newcomers(self, hosts: Iterable[str], variable: str) -> list[str]:
        """Return the lines on the new hosts of the plan, which Ansible registers for each host of the batch."""
        plans = (mapping_of(self._registered(host).get(variable)) for host in hosts)
        found = mapping_of(next((plan for plan in plans if plan), {}).get("newcomers"))
        parts = (list_of(found.get(part)) for part in Newcomers._fields)
        return newcomer_lines(*parts)

    def _registered(self, host: str) -> Mapping[str, Any]:
        # Ansible has no public interface to the registered results of a host; all its variables cost a millisecond.
        return mapping_of(self._task.get_variable_manager()._nonpersistent_fact_cache.get(host, {}))
