# Copyright (c) 2026, wirewright contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which nft cannot do its work, which no machine at hand is: a script says what nft would."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.wirewright.overlay.plugins.module_utils.nftables import converge as room
from ansible_collections.wirewright.overlay.plugins.module_utils.nftables.converge import NoNftables, converge, read
from ansible_collections.wirewright.overlay.plugins.module_utils.nftables.options import parse

ISOLATED, NOTHING = parse({"wg0": {"isolate": True}}), parse({"wg0": {}})


@pytest.fixture
def nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that is found as nft; it is not there yet."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(room, "_SYSTEM_PATH", str(tmp_path))
    return tmp_path / "nft"


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


def test_no_nft_is_refused_with_the_name_of_the_package(nft: Path) -> None:
    assert not nft.exists()
    with pytest.raises(NoNftables, match="install the package nftables"):
        converge(ISOLATED, check_mode=True)
    assert converge(NOTHING, check_mode=False).stage.operations == []


@pytest.mark.parametrize(("script", "message"), FAILURES.values(), ids=FAILURES.keys())
def test_nft_that_cannot_work_is_refused_and_nothing_is_in_the_way_of_removing(
    nft: Path, script: str, message: str
) -> None:
    says(nft, script)
    with pytest.raises(NoNftables, match=message):
        read()
    assert read(needed=False) == ()
    assert converge(NOTHING, check_mode=False).stage.operations == []


def test_nft_without_json_is_refused_also_where_the_table_has_to_go(nft: Path) -> None:
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
def test_another_failure_is_an_error_also_where_nothing_is_wanted(nft: Path, script: str, message: str) -> None:
    says(nft, script)
    with pytest.raises(OSError, match=message):
        converge(NOTHING, check_mode=True)
