# Copyright (c) 2026, wirewright contributors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""How a module ends: its message names the variables of the role, and the remedy."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible_collections.wirewright.overlay.plugins.module_utils._engine import module_run
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import KernelError, Refused
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult


class Module:
    """A module that keeps how it ended."""

    _diff = False

    def __init__(self, **params: Any) -> None:
        self.params = params
        self.ended: dict[str, Any] = {}
        self.warnings: list[str] = []

    def fail_json(self, **values: Any) -> None:
        self.ended = values

    exit_json = fail_json

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def failure(error: Exception, **params: Any) -> dict[str, Any]:
    module: Any = Module(**params)

    def work() -> None:
        raise error

    with pytest.raises(SystemExit):
        module_run.run(module, work)
    return dict(module.ended)


def test_a_failed_result_has_what_was_done_before_and_keeps_its_message() -> None:
    module: Any = Module()
    with pytest.raises(SystemExit):
        module_run.run(module, lambda: int("x"), done=lambda: {"key_files": ["/etc/wireguard/wg0.key"], "msg": "other"})
    assert module.ended["key_files"] == ["/etc/wireguard/wg0.key"] and module.ended["msg"] != "other"


def test_messages_errors_and_warnings_name_the_variables_of_the_role() -> None:
    variables = {"adopt": "mesh_adopt", "threaded_napi": "mesh_threaded_napi"}
    ended = failure(Refused("wg0 exists: set O(adopt=true)"), variables=variables)
    assert ended["msg"] == "nothing was changed: wg0 exists: set mesh_adopt: true"
    assert ended["errors"] == ["wg0 exists: set mesh_adopt: true"]
    assert failure(Refused("set O(adopt=true)"))["errors"] == ["set adopt: true"]
    module: Any = Module(variables=variables)
    module_run.exit_with(module, StageResult(False, {}, dict, ("O(threaded_napi) was left as it is",)))
    assert module.warnings == ["mesh_threaded_napi was left as it is"]


@pytest.mark.parametrize("kind", [KernelError, OSError])
@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_a_permission_that_is_missing_is_said_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, kind: type[OSError], code: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert failure(kind(code, os.strerror(code)))["msg"].endswith("; run the task as root (become: true)")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "become" not in failure(kind(code, os.strerror(code)))["msg"]


SECRET = "usoy1Y3aU+U+B+CiWIyA/aN9fe5k/laU6RgxQUBXg8o="  # noqa: S105
OPTIONS: dict[str, Any] = {"peers": {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}}}}


@pytest.mark.parametrize("peers", [[{"name": SECRET}], [[{"name": SECRET}]], [{"psk": SECRET}], {"psk": SECRET}])
def test_only_names_of_options_are_logged_and_returned(
    peers: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[str] = []
    arguments = {"peers": peers, "_ansible_tracebacks_for": ["error"]}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(module_run.Module, "log", lambda _self, text, log_args=None: logged.append(text))
    with pytest.raises(SystemExit):
        module_run.Module(argument_spec=OPTIONS).exit_json()
    said = capsys.readouterr().out
    # ansible-core from 2.22 on returns no invocation unless it is asked to.
    assert json.loads(said).get("invocation", {"module_args": {}}) == {"module_args": {}}
    assert SECRET not in said and all(text == "Invoked with peers" for text in logged)


def test_modules_of_hosts_are_of_the_class_that_logs_no_values() -> None:
    on_the_controller = {"overlay_plan", "overlay_summary"}
    for path in (Path(__file__).parents[5] / "plugins/modules").glob("*.py"):
        assert ("AnsibleModule(" in path.read_text()) is (path.stem in on_the_controller), path.name
