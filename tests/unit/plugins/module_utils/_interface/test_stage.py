# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An interface as a stage: what remains to be done after a run, and warnings that are known only then."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import sentinel

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.errors import NotConverged
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.stage import verify
from ansible_collections.wirewright.overlay.plugins.module_utils._interface import stage
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.options import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.plan import Current, Plan
from ansible_collections.wirewright.overlay.plugins.module_utils._interface.prepare import PreparedInterface


def test_an_interface_that_differs_after_the_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,) = parse_document([{"name": "wg0", "mtu": 1420}], {})
    monkeypatch.setattr(stage, "read", lambda _fib, _wanted: Current())
    planned = stage.interface_stage(sentinel.fib, PreparedInterface(wanted, Plan("wg0"), Current()))
    with pytest.raises(NotConverged, match="still needed: wg0: interface create"):
        verify([planned])


def test_warnings_of_the_second_plan_are_in_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,) = parse_document([{"name": "wg0"}], {})
    prepared = PreparedInterface(wanted, Plan("wg0"), Current(), warnings=("first",))
    again = replace(prepared, warnings=("first", "second"))
    monkeypatch.setattr(stage, "read", lambda _fib, _wanted: Current())
    monkeypatch.setattr(stage, "plan_interface", lambda *_: again)
    planned = stage.interface_stage(sentinel.fib, prepared)
    verify([planned])
    result = planned.result()
    assert result.warnings == ("first", "second") and not result.changed
