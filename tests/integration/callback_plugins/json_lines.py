# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402   # documentation stands before imports, as Ansible wants it
"""Test helper: every task result and the recap as JSON, one object per line."""

from __future__ import annotations

DOCUMENTATION = """
name: json_lines
type: notification
short_description: write task results as JSON lines
description: Appends each host's result of each task, and the recap at the end, to a file.
options:
  path:
    description: The file to append to.
    type: path
    required: true
    env:
      - name: WIREWRIGHT_RESULTS
"""

import json
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Writes every result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "json_lines"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        self._task("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._task("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._task("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._task("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write({"event": "recap", "hosts": {host: stats.summarize(host) for host in stats.processed}})

    def _task(self, event: str, result: Any) -> None:
        task = result._task
        self._write(
            {
                "event": event,
                "host": result._host.get_name(),
                "task": task.get_name(),
                "action": task.resolved_action or task.action,
                "args": result.task_fields.get("args"),  # what other callbacks get, evaluated
                "result": result._result,
            }
        )

    def _write(self, entry: dict[str, Any]) -> None:
        with open(self.get_option("path"), "a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry, default=str) + "\n")
