# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refusals name every reason, also where they were handed from one process to another."""

from __future__ import annotations

import pickle
from unittest.mock import sentinel

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.refusal import InvalidOptions, NotConverged, Refused
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction import execute
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.apply import Prepared
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.desired import parse_document
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.outcome import Outcome
from ansible_collections.wirewright.overlay.plugins.module_utils.transaction.plan import Current, Plan


@pytest.mark.parametrize(
    "error", [InvalidOptions(["first", "second"]), Refused("first", "second"), NotConverged("first", "second")]
)
def test_all_reasons_reach_another_process(error: Exception) -> None:
    copied = pickle.loads(pickle.dumps(error))  # noqa: S301   our own
    assert "first; second" in str(copied)
    assert (str(copied), vars(copied)) == (str(error), vars(error))


def test_an_interface_that_did_not_become_what_was_asked_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    (wanted,) = parse_document([{"name": "wg0", "mtu": 1420}], {})
    monkeypatch.setattr(execute, "read", lambda _fib, _wanted: Current())
    with pytest.raises(NotConverged, match="still needed: wg0: interface create"):
        execute.execute(sentinel.fib, Prepared(Outcome(Plan("wg0"), wanted), Current()), [])
