# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting and restoring kernel parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._host import sysctl_changes as room
from ansible_collections.wirewright.overlay.plugins.module_utils._host import sysctls
from ansible_collections.wirewright.overlay.plugins.module_utils._host.sysctls import Sysctl, read


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sysctls, "ROOT", f"{tmp_path}/")
    (tmp_path / "net").mkdir()
    return tmp_path


def test_parameters_of_an_interface_are_those_that_can_be_set(root: Path) -> None:
    for family, name, value, mode in (
        ("ipv4", "forwarding", "1", 0o644),
        ("ipv4", "mc_forwarding", "0", 0o444),
        ("ipv6", "accept_ra", "2", 0o644),
    ):
        path = root / "net" / family / "conf" / "wg0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
        path.chmod(mode)
    (root / "net/ipv6/conf/wg0/stable_secret").write_text("fd00::1\n")
    (root / "net/ipv6/conf/wg0/unreadable").mkdir()
    found = [Sysctl("net/ipv4/conf/wg0/forwarding", "1"), Sysctl("net/ipv6/conf/wg0/accept_ra", "2")]
    assert list(room.of_interface("wg0")) == found and not list(room.of_interface("wg1"))


def test_a_rollback_restores_what_differs(root: Path) -> None:
    (root / "net/a").write_text("1\n")
    (root / "net/b").write_text("5\n")
    done = [
        Operation(Sysctl("net/a", "0"), Sysctl("net/a", "1")),
        Operation(Sysctl("net/b", "5"), Sysctl("net/b", "6")),
    ]
    assert room.diff(done) == ("", {"net/a": "0", "net/b": "5"}, {"net/a": "1", "net/b": "6"})
    undo = room.rollback(done)
    assert undo.needed and undo.pending() == ["sysctl net/a = 0 (changed)"]
    undo.apply()
    assert not undo.pending() and read("net/a") == Sysctl("net/a", "0")
    assert room.apply(done) == 2 and read("net/b") == Sysctl("net/b", "6")
