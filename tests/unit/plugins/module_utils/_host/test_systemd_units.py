# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host that hang end with an error; those that fail are quoted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.reconcile import Operation
from ansible_collections.wirewright.overlay.plugins.module_utils._host import firewall_openings, systemd_units
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables import stage

FINDING = firewall_openings.Finding("firewalld", "the port", (("firewall-cmd", "--add-port=51820/udp"),))
CALLS: dict[str, tuple[str, object, Callable[[], object]]] = {
    "systemctl daemon-reload": ("systemctl", systemd_units, systemd_units.reload),
    "systemctl start one.service": ("systemctl", systemd_units, partial(systemd_units.start, "one.service")),
    "nft --json list": ("nft", stage, lambda: stage.run_nft("--json", "list")),
    "nft -f -": ("nft", stage, lambda: stage.run_nft("-f", "-", text="flush ruleset\n" * 100_000)),
    "firewall-cmd --add-port=51820/udp": (
        "firewall-cmd",
        firewall_openings,
        lambda: firewall_openings.apply([Operation(None, FINDING)]),
    ),
}


def program(directory: Path, name: str, script: str) -> None:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("said", CALLS)
def test_a_program_that_hangs_is_an_error(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, module, call = CALLS[said]
    program(tmp_path, name, "exec /bin/sleep 600")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    with pytest.raises(OSError, match=f"^{said}: no answer within 0.5 s$"):
        call()


@pytest.mark.parametrize("said", CALLS)
def test_a_program_that_fails_is_quoted(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, _module, call = CALLS[said]
    program(tmp_path, name, "/bin/cat >/dev/null; echo 'Error: no such thing' >&2; exit 3")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match=f"^{said}: Error: no such thing$"):
        call()


def test_a_unit_that_cannot_be_stopped_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "systemctl", f'echo "$1 $2" >>{tmp_path}/calls; test "$1" != stop || exec /bin/sleep 600')
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(systemd_units, "_PATIENCE", 0.5)
    systemd_units.retire("one.service")
    assert (tmp_path / "calls").read_text() == "stop one.service\nreset-failed one.service\n"
