# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402   # documentation stands before imports, as Ansible wants it
"""Test helper: imports of each worker are loaded once, before workers are forked."""

from __future__ import annotations

DOCUMENTATION = """
name: ready_workers
type: notification
short_description: load plugins before workers are forked
description:
  - Ansible forks a worker for each host of each task, which reads the plugins of its connection and their documentation.
    This reads them in the process that workers are forked from.
"""

import gc
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import connection_loader, shell_loader


class CallbackModule(CallbackBase):
    """Runs at the start of a play."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "ready_workers"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_play_start(self, play: Any) -> None:
        connection_loader.get("wirewright.overlay.exec", class_only=True)
        shell_loader.get("sh", class_only=True)
        # Exempt existing objects from garbage collection in workers, so that their pages are not copied.
        gc.freeze()
