# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The confirmation of a change by the action of overlay_apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.wirewright.overlay.plugins.action import overlay_apply
from ansible_collections.wirewright.overlay.plugins.action.overlay_apply import CONFIRM_MODULE, MODULE, ActionModule

CHANGED = {"changed": True, "changes": [{"kind": "peer"}], "confirmation": {"seconds": 30.0, "requests": 0}}
GONE = AnsibleConnectionFailure("timed out")


class Connection:
    """Counts how often it is reset."""

    transport = "some.where"
    resets = 0

    def reset(self) -> None:
        self.resets += 1


class Task:
    check_mode = False

    def __init__(self, **args: Any) -> None:
        self.args = args


class Run:
    """A run of the action with results of modules in order; an exception is raised."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *answers: object, check_mode: bool = False, **args: Any
    ) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.slept: list[float] = []
        self.clock = 0.0
        left = list(answers)

        def execute(module_name: str, module_args: Mapping[str, Any], task_vars: object) -> Any:
            self.calls.append((module_name, dict(module_args)))
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)  # type: ignore[call-overload]

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock += seconds

        monkeypatch.setattr(ActionBase, "run", lambda *_: {})
        monkeypatch.setattr(overlay_apply.time, "sleep", sleep)
        monkeypatch.setattr(overlay_apply.time, "monotonic", lambda: self.clock)
        self.connection = Connection()
        action = ActionModule.__new__(ActionModule)
        action._task, action._connection = Task(**args), self.connection
        action._task.check_mode = check_mode
        action._execute_module = execute
        self.result: Callable[[], dict[str, Any]] = lambda: action.run(None, {"inventory_hostname": "h1"})


def test_a_change_is_confirmed_over_a_new_connection_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, CHANGED, {"changed": True, "facts": {"wg0": None}}, confirm_timeout=30)
    result = run.result()
    assert result["changed"] and result["confirmed"] and "confirmation" not in result and "facts" not in result
    (module, first), (confirming, second) = run.calls
    assert (module, confirming) == (MODULE, CONFIRM_MODULE) and run.connection.resets == 1
    assert first["confirm_token"] == second["token"] and len(second["token"]) == 32
    assert second["token"] not in str(result)
    other = Run(monkeypatch, CHANGED, {"changed": True, "facts": {}}, confirm_timeout=30)
    other.result()
    assert other.calls[0][1]["confirm_token"] != first["confirm_token"]


@pytest.mark.parametrize(
    ("answer", "args", "check_mode"),
    [
        ({"changed": False}, {"confirm_timeout": 30}, False),
        ({"changed": True}, {"confirm_timeout": 30}, False),  # only files
        ({"changed": True}, {}, False),
        ({"changed": True}, {"confirm_timeout": 0}, False),
        ({"changed": True}, {"confirm_timeout": 30}, True),
        ({"failed": True, "msg": "refused"}, {"confirm_timeout": 30}, False),
    ],
)
def test_nothing_else_needs_a_confirmation(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], args: dict[str, Any], check_mode: bool
) -> None:
    run = Run(monkeypatch, answer, check_mode=check_mode, **args)
    result = run.result()
    assert len(run.calls) == 1 and run.connection.resets == 0 and "confirmed" not in result
    assert ("confirm_token" in run.calls[0][1]) == (bool(args.get("confirm_timeout")) and not check_mode)


def test_a_reverted_change_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"failed": True, "msg": "already reverted: no confirmation", "reverted": True}
    run = Run(monkeypatch, CHANGED, GONE, GONE, said, confirm_timeout=30)
    result = run.result()
    assert result["failed"] and result["reverted"] and not result["changed"] and not result["confirmed"]
    assert "already reverted: no confirmation" in result["msg"] and "changes" not in result
    assert run.slept == [1.0, 1.0]


def test_a_host_that_does_not_come_back_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, CHANGED, GONE, confirm_timeout=30)
    with pytest.raises(AnsibleConnectionFailure, match="so the host reverts it: timed out"):
        run.result()
    assert 30 < run.clock < 60


@pytest.mark.parametrize("seconds", [1e12, float("nan"), "soon", None])
def test_a_host_does_not_say_how_long_the_controller_waits(monkeypatch: pytest.MonkeyPatch, seconds: object) -> None:
    run = Run(monkeypatch, {**CHANGED, "confirmation": {"seconds": seconds}}, GONE, confirm_timeout=30)
    with pytest.raises(AnsibleConnectionFailure):
        run.result()
    assert 30 < run.clock < 60
    unasked = Run(monkeypatch, CHANGED, GONE)
    assert "confirmation" not in unasked.result() and len(unasked.calls) == 1


def test_a_failure_that_is_no_revert_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, CHANGED, {"failed": True, "msg": "MODULE FAILURE"}, confirm_timeout=30)
    result = run.result()
    assert result["failed"] and not result["reverted"]


@pytest.mark.parametrize("failed", [False, True])
def test_warnings_of_both_calls_name_the_host(monkeypatch: pytest.MonkeyPatch, failed: bool) -> None:
    changed = {**CHANGED, "warnings": ["an earlier run was reverted"]}
    answer = {"changed": not failed, "failed": failed, "warnings": ["of the confirmation"]}
    result = Run(monkeypatch, changed, answer, confirm_timeout=30).result()
    assert result["warnings"] == ["h1: an earlier run was reverted", "h1: of the confirmation"]
    assert bool(result.get("failed")) == failed
