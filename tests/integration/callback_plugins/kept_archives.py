# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E402   # documentation stands before imports, as Ansible wants it
"""Test helper: modules are packed once, not once in each run of ansible-playbook."""

from __future__ import annotations

DOCUMENTATION = """
name: kept_archives
type: notification
short_description: keep the archives of modules between runs
description:
  - To pack a module with all that it imports takes C(ansible-playbook) as long as the module takes on three hosts.
    It keeps the archives in its temporary directory; this leads them to a directory that outlives the run.
options:
  path:
    description: A directory that belongs to these sources of modules and this ansible-core alone.
    type: path
    required: true
    env:
      - name: WIREWRIGHT_ARCHIVES
"""

import os
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Hears nothing; what it does, it does before the first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kept_archives"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, *args: Any, **kwargs: Any) -> None:
        super().set_options(*args, **kwargs)
        kept = self.get_option("path")
        os.makedirs(kept, exist_ok=True)
        os.symlink(kept, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))
