# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that this run of Ansible could not reach: no variable tells them from hosts that failed.

`ansible_play_hosts` lacks both, and `ansible_failed_hosts` lacks those that failed in earlier plays and batches. The queue
manager knows the unreachable ones of all plays. A worker is a fork that the strategy starts, so the strategy is on the call
stack. Like `_fleet_variables`, this plugin util needs Ansible. It is private to the collection.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from ansible.plugins.strategy import StrategyBase


def unreachable_hosts(variables: Mapping[str, Any] | None = None) -> frozenset[str]:
    """Return the unreachable hosts of this run.

    variables: those of a task, for where no strategy is on the stack: then all hosts that left the play count, but those that
    failed in this batch.
    """
    frame = inspect.currentframe()
    while frame is not None:
        strategy = frame.f_locals.get("self")
        if isinstance(strategy, StrategyBase):
            return frozenset(map(str, strategy._tqm._unreachable_hosts))
        frame = frame.f_back
    known = variables or {}
    play, alive, failed = (
        frozenset(map(str, known.get(name) or ()))
        for name in ("ansible_play_hosts_all", "ansible_play_hosts", "ansible_failed_hosts")
    )
    return play - alive - failed
