# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action of `traffic_info`: its warnings name the host. Documented with the module."""

from __future__ import annotations

from typing import Any

from ..plugin_utils._host_module import HostModule

MODULE = "wirewright.overlay.traffic_info"


class ActionModule(HostModule):
    """One module call for one host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self.run_module(MODULE, self._task.args, task_vars or {}))
        return result
