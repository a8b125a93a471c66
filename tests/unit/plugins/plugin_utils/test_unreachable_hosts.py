# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unreachable hosts of a run are those that the queue manager of the strategy knows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible.plugins.strategy import StrategyBase
from ansible_collections.wirewright.overlay.plugins.plugin_utils._unreachable_hosts import unreachable_hosts


class Strategy(StrategyBase):
    def __init__(self, *names: str) -> None:  # pylint: disable=super-init-not-called  # it needs a run of Ansible
        self._tqm: Any = SimpleNamespace(_unreachable_hosts=dict.fromkeys(names, True))

    def run_worker(self) -> frozenset[str]:
        return unreachable_hosts({"ansible_play_hosts_all": ["h1", "h2"], "ansible_play_hosts": ["h1"]})


def test_the_strategy_that_started_this_process_knows_them() -> None:
    assert Strategy("h3", "h4").run_worker() == {"h3", "h4"}
    assert Strategy().run_worker() == frozenset()


def test_without_a_strategy_they_are_those_that_left_the_play_and_did_not_fail_in_this_batch() -> None:
    variables = {
        "ansible_play_hosts_all": ["h1", "h2", "h3"],
        "ansible_play_hosts": ["h1"],
        "ansible_failed_hosts": ["h3"],
    }
    assert unreachable_hosts(variables) == {"h2"}
    assert unreachable_hosts() == frozenset()
