# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of the module probe_info, of any shape, in the action."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.wirewright.overlay.plugins.action import probe_info
from ansible_collections.wirewright.overlay.plugins.action.probe_info import ActionModule

WELL = {"name": "h2", "verdict": "ok", "advice": ""}
BAD = {"name": "h3", "verdict": "stale", "advice": "check the endpoint"}


def run(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> dict[str, Any]:
    """Run the action with a plan; the module returns the result."""
    monkeypatch.setattr(probe_info.HostModule, "run", lambda *_arguments: {})
    monkeypatch.setattr(ActionModule, "_expected", lambda *_arguments: [{"name": "h2"}])
    monkeypatch.setattr(ActionModule, "run_module", lambda *_arguments: dict(result))
    action = ActionModule(Mock(args={"plan_from": "plan"}, async_val=0), Mock(), Mock(), Mock(), Mock(), Mock())
    return action.run(None, {"inventory_hostname": "h1"})


def test_peers_that_do_not_work_are_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(monkeypatch, {"peers": [WELL, BAD], "summary": "2 peers: 1 ok, 1 stale (h3)"})
    assert found["peers"] == [BAD]
    (warning,) = found["warnings"]
    assert warning.splitlines() == [
        "h1: not all peers work: 2 peers: 1 ok, 1 stale (h3)",
        "h3: stale: check the endpoint",
    ]


@pytest.mark.parametrize("peers", [None, {}, "h2", [None], [[]], [{}], [{**BAD, "verdict": 7}], [{**BAD, "name": {}}]])
def test_a_malformed_result_is_a_failure_that_names_the_host(monkeypatch: pytest.MonkeyPatch, peers: object) -> None:
    with pytest.raises(AnsibleActionFail, match="h1: the result of probe_info is malformed"):
        run(monkeypatch, {"peers": peers, "summary": ""})
