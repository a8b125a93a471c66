# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which nft fails: a script prints what nft would."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.result import StageResult
from ansible_collections.wirewright.overlay.plugins.module_utils._engine.stage import run_stage
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables import stage as room
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.options import parse
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.stage import NoNftables, read, ruleset_stage
from ansible_collections.wirewright.overlay.plugins.module_utils._nftables.table import WantedRuleset

ISOLATED, NOTHING = parse({"wg0": {"isolate": True}}), parse({"wg0": {}})


@pytest.fixture
def nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that is found as nft; it is not there yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(room, "_SYSTEM_PATH", str(tmp_path))
    return tmp_path / "nft"


def converge(wanted: WantedRuleset, *, check_mode: bool) -> StageResult:
    """Apply a ruleset as a run with this stage alone does."""
    return run_stage(ruleset_stage(wanted, check_mode=check_mode), check_mode=check_mode)


def says(nft: Path, script: str) -> None:
    nft.write_text(f"#!/bin/sh\n{script}\n")
    nft.chmod(0o755)


FAILURES = {
    "no nf_tables": (
        "echo 'netlink: Error: cache initialization failed: Invalid argument' >&2; exit 1",
        r"this kernel has no nf_tables \(netlink: Error: cache init.*\): load the module",
    ),
    "no netfilter": (
        "echo 'Unable to initialize Netlink socket: Protocol not supported' >&2; exit 1",
        "this kernel has no nf_tables",
    ),
}


def test_missing_nft_is_refused_with_the_name_of_its_package(nft: Path) -> None:
    assert not nft.exists()
    with pytest.raises(NoNftables, match="install the package nftables"):
        converge(ISOLATED, check_mode=False)
    assert not converge(NOTHING, check_mode=False).changed


def test_check_mode_predicts_the_ruleset_of_a_host_without_nft_and_warns(nft: Path) -> None:
    assert not nft.exists()
    predicted = converge(ISOLATED, check_mode=True)
    assert predicted.changed and "install the package nftables" in predicted.warnings[0]
    assert not converge(NOTHING, check_mode=True).warnings


@pytest.mark.parametrize(("script", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failing_nft_is_refused_and_does_not_prevent_a_removal(nft: Path, script: str, message: str) -> None:
    says(nft, script)
    with pytest.raises(NoNftables, match=message):
        read()
    assert read(needed=False) == ()
    assert not converge(NOTHING, check_mode=False).changed


def test_nft_without_json_is_refused_also_for_a_removal(nft: Path) -> None:
    says(
        nft,
        'test "$1" = list && echo "table inet wirewright_overlay" && exit 0\n'
        "echo 'Error: JSON support not compiled-in' >&2; exit 1",
    )
    for wanted in (ISOLATED, NOTHING):
        with pytest.raises(NoNftables, match="was built without JSON: install the nftables of your distribution"):
            converge(wanted, check_mode=True)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "printf 'Operation not permitted (you must be root)\\nnetlink: Error: cache initialization failed: "
            "Operation not permitted\\n' >&2; exit 1",
            "nft list tables: netlink: Error: cache initialization failed: Operation not permitted",
        ),
        ("exit 3", "nft list tables: exit code 3"),
    ],
)
def test_another_failure_is_an_error_also_for_a_removal(nft: Path, script: str, message: str) -> None:
    says(nft, script)
    with pytest.raises(OSError, match=message):
        converge(NOTHING, check_mode=True)
