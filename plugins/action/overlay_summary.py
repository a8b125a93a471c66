# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action plugin of overlay_summary: says once what a run has changed on all its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleActionSkip
from ansible.plugins.action import ActionBase

from ..plugin_utils._change_summary import Changes, merge, newcomer_lines, read_changes, summary_lines
from ..plugin_utils._topology.plan_model.fleet import Newcomers
from ..plugin_utils._untrusted import list_of, mapping_of


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
        batch = (task_vars or {})["ansible_play_batch"]
        lines = summary_lines({host: self._changes(host, args["results"]) for host in batch})
        if lines:
            lines += self._newcomers(batch, args["plan_from"])
        if not lines:
            raise AnsibleActionSkip("no host has a change")
        result.update(changed=False, msg=lines, _ansible_verbose_always=True)
        return result

    def _changes(self, host: str, variables: Iterable[str]) -> Changes:
        registered = self._registered(host)
        return merge([read_changes(mapping_of(registered.get(name)).get("changes")) for name in variables])

    def _newcomers(self, hosts: Iterable[str], variable: str) -> list[str]:
        """Return the lines on the new hosts of the plan, which Ansible registers for each host of the batch."""
        plans = (mapping_of(self._registered(host).get(variable)) for host in hosts)
        found = mapping_of(next((plan for plan in plans if plan), {}).get("newcomers"))
        parts = (list_of(found.get(part)) for part in Newcomers._fields)
        return newcomer_lines(*parts)

    def _registered(self, host: str) -> Mapping[str, Any]:
        # Ansible has no public interface to the registered results of a host; all its variables cost a millisecond.
        return mapping_of(self._task.get_variable_manager()._nonpersistent_fact_cache.get(host, {}))
