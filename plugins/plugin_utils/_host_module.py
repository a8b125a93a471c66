# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module on the host of a task, so that its warnings and diffs name the host: a module does not know its name.

Unlike most plugin utils, this one needs Ansible. It is private to the collection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase


class HostModule(ActionBase):
    """The base of actions that run a module of their name on one host."""

    def run_module(self, module: str, args: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of a module; its warnings and the headers of its diffs begin with the name of the host."""
        result: dict[str, Any] = self._execute_module(
            module_name=module, module_args=dict(args), task_vars=dict(variables)
        )
        return with_host(result, str(variables["inventory_hostname"]))


def with_host(result: Mapping[str, Any], host: str) -> dict[str, Any]:
    """Return the result of a module with the name of a host before each warning and in the headers of its diffs."""
    found = dict(result)
    if found.get("warnings"):
        found["warnings"] = [_of_host(warning, host) for warning in found["warnings"]]
    if found.get("diff"):
        found["diff"] = [_diff_of_host(shown, host) for shown in found["diff"]]
    return found


def _of_host(warning: Any, host: str) -> Any:
    """Return a warning, text or what ansible-core makes of it, with the name of a host."""
    event = getattr(warning, "event", None)
    if event is None:
        return f"{host}: {warning}"
    return dataclasses.replace(warning, event=dataclasses.replace(event, msg=f"{host}: {event.msg}"))


def _diff_of_host(shown: Mapping[str, Any], host: str) -> dict[str, Any]:
    headers = {side: f"{host} {shown.get(side, '')}" for side in ("before_header", "after_header")}
    return {**shown, **headers}
