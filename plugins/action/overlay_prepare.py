# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of `overlay_prepare`, documented with the module: refuses wrong names before a key is made."""

from __future__ import annotations

import time
from typing import Any

from ..plugin_utils._host_fact import FACT, of_this_run
from ..plugin_utils._host_module import HostModule
from ..plugin_utils._plain import to_plain
from ..plugin_utils._preparation import refusals
from ..plugin_utils._refusal import refusal
from ..plugin_utils._untrusted import list_of, mapping_of, text_of
from ..plugin_utils._written_keys import add_written_keys

MODULE = "wirewright.overlay.overlay_prepare"
GROUPS = "groups"


class ActionModule(HostModule):
    """One module call for one host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result; fail where a name is wrong, or the host is no member."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = dict(self._task.args)
        members = [name for name in list_of(to_plain(args.pop(GROUPS, None))) if name]
        inventory = mapping_of(variables.get("groups"))
        found = refusals(
            str(variables.get("inventory_hostname")),
            interface=to_plain(args.get("interface")),
            interfaces=to_plain(args.get("interfaces")),
            private_key_file=to_plain(args.get("private_key_file")),
            groups={name: inventory[name] for name in map(text_of, members) if name in inventory},
            variables=mapping_of(to_plain(args.get("variables"))),
        )
        if found:
            raise refusal("Refused, nothing was changed", "errors", found)
        args.setdefault("controller_time", time.time())
        result.update(self.run_module(MODULE, args, variables))
        if result.get("key_files") and not self._task.check_mode:
            add_written_keys(str(variables["inventory_hostname"]))
        facts = result.get("ansible_facts")
        if isinstance(facts, dict) and isinstance(facts.get(FACT), dict):
            result["ansible_facts"] = {**facts, FACT: of_this_run(facts[FACT])}
        return result
