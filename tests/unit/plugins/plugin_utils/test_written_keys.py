# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts with written key files are those of one run of Ansible, whatever worker wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible import constants as C
from ansible_collections.wirewright.overlay.plugins.plugin_utils import _refusal
from ansible_collections.wirewright.overlay.plugins.plugin_utils._written_keys import (
    add_written_keys,
    hosts_with_written_keys,
)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))


def test_hosts_are_listed_once_and_sorted() -> None:
    assert hosts_with_written_keys() == []
    for name in ("h3", "h1", "h3"):
        add_written_keys(name)
    assert hosts_with_written_keys() == ["h1", "h3"]


def test_a_refused_plan_names_the_hosts_with_keys_of_this_run() -> None:
    assert str(_refusal.unplanned(["x"]).message) == "Planning failed, and this plan has changed no host"
    add_written_keys("h3")
    assert str(_refusal.unplanned(["x"]).message) == (
        "Planning failed, and this plan has changed no host; before it, this run has written private key files on 'h3'"
    )
